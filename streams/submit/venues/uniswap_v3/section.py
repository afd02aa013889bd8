"""The section of a signer's file about Uniswap V3: the first deployment's fields, and an entry for each further one."""

from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.units import Bps, ChainId, PoolId, Seconds
from streams.chain_numbers import DEVNET
from streams.human_numbers import parse_price_move
from streams.portfolio.fields import (
    WIDEST_SPOT,
    Addr,
    Duration,
    PriceMove,
    Section,
    Share,
    move_up_to,
    share_up_to,
)
from streams.submit.venues.port import VenueFields
from streams.submit.venues.uniswap_v3.reference_sections import ReferencesSection
from streams.submit.venues.uniswap_v3.terms import WITHDRAWING_LOG_BPS, NamedReferences

_SHORTEST_WINDOW_S = 180
_DAY_S = 86_400
_MOST_TOLERANCE, _WHOLE = Bps(100), Bps(10_000)
WIDEST_SPOT_WITHDRAWING = parse_price_move("900%")
_TOLERANCE_WHY = ": whoever trades before the swap takes as much"


def _sane_window(window_s: Seconds) -> Seconds:
    if not _SHORTEST_WINDOW_S <= window_s <= _DAY_S:
        raise ValueError("must be 3m to 1d: a single trader can hold the price of a shorter one")
    return window_s


class FirstDeployment(Section):
    """The file's own fields: the first deployment, and the settings of prices for all deployments."""

    pools: tuple[Addr, ...] = Field(default=(), description="the pools that may be traded and provided in")
    factory: Addr | None = None
    """Uniswap V3's factory; not needed for built-in chains."""
    router: Addr | None = None
    """Uniswap V3's SwapRouter02; not needed for built-in chains."""
    position_manager: Addr | None = None
    """Uniswap V3's NonfungiblePositionManager; not needed for built-in chains."""
    references: ReferencesSection = ReferencesSection()
    """Further prices of the pairs; the price that is worst for the owner counts."""
    single_reference: bool = False
    """Whether a pair may be priced by its pool alone."""
    twap_window: Annotated[Duration, AfterValidator(_sane_window)] = Seconds(300)
    """The window of each pool's own mean price, 3m to 1d."""
    max_observation_age: Annotated[Duration, Field(gt=0, le=_DAY_S)] = Seconds(3_600)
    """How old a pool's newest observation may be."""
    max_spot_from_twap: Annotated[PriceMove, move_up_to(WIDEST_SPOT)] | None = None
    """How far spot may be from a reference; the default depends on the pool's fee."""
    max_spot_from_twap_withdrawing: Annotated[PriceMove, move_up_to(WIDEST_SPOT_WITHDRAWING)] = (
        WITHDRAWING_LOG_BPS
    )
    """How far spot may be from a reference for a transaction that only withdraws liquidity; never less than `max_spot_from_twap`."""
    swap_tolerance: Annotated[Share, share_up_to(_MOST_TOLERANCE, _TOLERANCE_WHY)] = Bps(15)
    """How far a swap's minimum may be below its output in the simulation."""
    max_share_of_depth: Annotated[Share, share_up_to(_WHOLE)] = Bps(1_000)
    """The most that a swap or a mint may move, as a share of what the pool holds within 1 % of its price."""

    def references_named(self, chain_id: ChainId) -> NamedReferences:
        """List the references that the file names. On the devnet a single pool is enough."""
        return self.references.named(may_be_single=self.single_reference or chain_id == DEVNET)


class FurtherDeployment(VenueFields):
    """An entry of kind `uniswap_v3` in `venues`. The settings of prices are those of the first deployment."""

    factory: Addr = Field(description="the factory that made its pools")
    router: Addr = Field(description="its router, of the form SwapRouter02")
    position_manager: Addr = Field(description="its position manager")
    pools: Annotated[tuple[Addr, ...], Field(min_length=1)] = Field(
        description="the pools that may be traded and provided in"
    )

    def names_pool(self, pool: PoolId) -> bool:
        """Return whether a pool may be acted in."""
        return pool in self.pools
