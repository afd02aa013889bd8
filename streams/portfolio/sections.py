"""The portfolio file as people write it: which fields there are and what each takes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from pipeline.messages.policy import LargeSwaps, Mode, StallPolicy
from pipeline.units import Address, BookId, Bps, ChainId, PoolId, Seconds
from streams.human import parse_bps, parse_seconds
from streams.portfolio.names import read_address, read_pool

Addr = Annotated[Address, BeforeValidator(read_address)]
"""An address, or an ENS name in its place."""
Pool = Annotated[PoolId, BeforeValidator(read_pool)]
"""A pool's address, or an ENS name in its place, or the 32 bytes by which its venue knows it."""
Share = Annotated[Bps, BeforeValidator(parse_bps)]
Duration = Annotated[Seconds, BeforeValidator(parse_seconds)]


def _http(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    return url


SecretUrl = Annotated[SecretStr, AfterValidator(_http)]
"""A URL that may hold a key: it is shown nowhere."""

T = TypeVar("T")


def _at_least(count: int) -> AfterValidator:
    def check(items: tuple[T, ...]) -> tuple[T, ...]:
        if len(items) < count:
            raise ValueError(f"must name at least {count}")
        return items

    return AfterValidator(check)


class Section(BaseModel):
    """A part of the file. What it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class VenueSection(Section):
    """A further venue: its contracts stand beside name and kind, each under its role."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Addr]

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="what the file calls it, in lower case"
    )
    kind: str = Field(description="which kind of contracts: uniswap_v3")

    @property
    def contracts(self) -> Mapping[str, Address]:
        """Where each of its contracts stands, by role."""
        return self.__pydantic_extra__


class ChainSection(Section):
    """Which chain, and where Uniswap V3 stands on it: by default where its publishers put it."""

    id: Annotated[ChainId, Field(gt=0)] = Field(description="the chain's number, 1 for Ethereum")
    wrapped_native: Addr | None = None
    position_manager: Addr | None = None
    factory: Addr | None = None
    router: Addr | None = None
    live_on: ChainId | None = Field(
        default=None, description="the chain's number once more: only then may a book be live"
    )
    final_depth_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    check_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    report_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    max_quarantined: Annotated[int, Field(ge=0, le=10_000)] = 10
    venues: tuple[VenueSection, ...] = ()


class TokenSection(Section):
    """A token whose balances count."""

    symbol: Annotated[str, StringConstraints(pattern=r"^\S{1,32}$")]
    address: Addr
    decimals: Annotated[int, Field(ge=0, le=36)]


class TargetBandSection(Section):
    """Bring the base share back once it has left its band."""

    name: Literal["target_band"]
    target_share: Share = Bps(5_000)
    band: Share = Bps(1_000)
    hysteresis: Share = Bps(200)
    hold_out_of_range: Duration = Seconds(3_600)
    cooldown: Duration = Seconds(3_600)


class SignersLimitsSection(Section):
    """What the file of the book's signer allows, under the same names: nothing is planned that it would refuse."""

    max_loss: Share = Bps(100)
    max_share_of_depth: Share = Bps(1_000)
    twap_window: Duration = Seconds(300)
    swap_tolerance: Share = Bps(15)
    max_gas_limit: Annotated[int, Field(ge=1, le=30_000_000)] = 5_000_000


class LimitsSection(Section):
    """What no action of a live book may exceed. Amounts are in the book's quote; what is None follows from pool or chain."""

    max_cost: Share = Bps(100)
    max_daily_cost: Share = Bps(100)
    max_daily_gas: Share = Bps(50)
    max_slippage: Share | None = None
    swap_tolerance: Share = Bps(15)
    twap_window: Duration = Seconds(300)
    max_spot_from_twap_ticks: Annotated[int, Field(ge=1, le=2_000)] | None = None
    max_notional: Annotated[Decimal, Field(gt=0)] | None = None
    max_daily_notional: Annotated[Decimal, Field(gt=0)] | None = None
    max_actions_per_day: Annotated[int, Field(ge=1, le=1_000)] = 6
    max_fee_gwei: Annotated[int, Field(ge=1, le=10_000)] = 200
    max_age_blocks: Annotated[int, Field(ge=1, le=1_000)] | None = None
    deadline: Duration = Seconds(300)
    signer: SignersLimitsSection = SignersLimitsSection()


class RerangeSection(Section):
    """How a live book moves: its liquidity goes to a new range about the price."""

    half_width_ticks: Annotated[int, Field(ge=1, le=400_000)] = 600
    reserve_base: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    reserve_quote: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    standing_base: Annotated[Decimal, Field(ge=0, le=10**12)] = Decimal(0)
    standing_quote: Annotated[Decimal, Field(ge=0, le=10**12)] = Decimal(0)
    on_stall: StallPolicy = "hold_and_alert"
    stall_after: Duration = Seconds(600)
    large_swaps: LargeSwaps = "split"


Factor = Annotated[Decimal, Field(ge=1, le=100)]
"""A health factor."""


class HedgeBandSection(Section):
    """How far the net base exposure may stray from its target, as shares of all base that the book has."""

    act: Share = Bps(500)
    back: Share = Bps(200)


class HedgeSection(Section):
    """A short of the base at a lending market. Amounts are in the base; health factors are plain numbers."""

    venue: str = Field(description="one of chain.venues, at which a book can be hedged")
    ratio: Share = Bps(6_500)
    keep: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    keep_share: Share = Bps(0)
    band: HedgeBandSection = HedgeBandSection()
    floor: Factor = Decimal("1.1")
    gap: Share = Bps(3_000)
    act: Factor = Decimal("1.2")
    warn: Factor = Decimal("1.3")
    largest_debt: Annotated[Decimal, Field(gt=0)] | None = None
    largest_step: Annotated[Decimal, Field(gt=0)] | None = None
    oracle_within: Share = Bps(200)
    cooldown: Duration = Seconds(10_800)
    pace: Duration = Seconds(600)


class PriceSection(Section):
    """Where a price of a token in the quote comes from: one of these."""

    pools: Annotated[tuple[Pool, ...], _at_least(1)] | None = Field(
        default=None, description="pools from it to the quote: each trades what the one before gives"
    )
    mean: Annotated[tuple[Pool, ...], _at_least(1)] | None = Field(
        default=None, description="such pools, each at the mean of its price over the window"
    )
    window: Duration | None = None
    par: str | None = Field(default=None, description="the token that it is worth as much as")
    feed: Addr | None = Field(default=None, description="a Chainlink feed of it")
    max_age: Duration | None = None
    counts_in: str | None = Field(default=None, description="what the feed counts in: quote or base")


class ReferenceSection(PriceSection):
    """A further price of a token: a book acts only while spot is near it."""

    within: Share = Bps(100)


class AssetSection(Section):
    """A token beside base and quote that counts in the book's value."""

    token: str = Field(description="its symbol or address")
    price_path: Annotated[tuple[Pool, ...], _at_least(1)] | None = Field(
        default=None, description="pools from it to the quote: each trades what the one before gives"
    )
    price: PriceSection | None = Field(default=None, description="what values it, where no price_path does")
    references: tuple[ReferenceSection, ...] = ()
    target_share: Share | None = None


class PriceHistorySection(Section):
    """How much of its pools' prices a book's shard keeps, for `evenkeel volatility`."""

    every: Duration = Seconds(300)
    span: Duration = Seconds(14 * 86_400)


class PoolsAtSection(Section):
    """Pools of a book that lie at a further venue."""

    venue: str = Field(description="one of chain.venues")
    pools: Annotated[tuple[Pool, ...], _at_least(1)] = Field(
        description="those of the book's pools that lie there"
    )


class BookSection(Section):
    """One book."""

    book: Annotated[BookId, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="its name, in lower case"
    )
    owner: Addr = Field(description="the account that holds the NFTs")
    accounts: tuple[Addr, ...] = ()
    signer: Addr | None = None
    base: str = Field(description="the token whose share is kept")
    quote: str = Field(description="the token that value is counted in")
    tokens: Annotated[tuple[TokenSection, ...], _at_least(2)] = Field(
        description="symbol, address and decimals of base, quote and whatever else the pools hold"
    )
    quote_equivalents: tuple[str, ...] = ()
    assets: tuple[AssetSection, ...] = ()
    pools: Annotated[tuple[Pool, ...], _at_least(1)] = Field(description="where the book has its positions")
    pools_at: tuple[PoolsAtSection, ...] = ()
    reference_pool: Pool = Field(description="the pool of base and quote whose price values the inventory")
    references: tuple[ReferenceSection, ...] = ()
    price_history: PriceHistorySection | None = None
    strategy: TargetBandSection = Field(description="its name and its parameters")
    limits: LimitsSection = LimitsSection()
    rerange: RerangeSection = RerangeSection()
    hedge: HedgeSection | None = None
    mode: Mode = "dry-run"

    def token(self, name: str) -> TokenSection | None:
        """Find a token by the symbol or the address under which `tokens` names it."""
        wanted = name.lower() if name.startswith(("0x", "0X")) else name
        return next((token for token in self.tokens if wanted in {token.symbol, token.address}), None)


class Portfolio(Section):
    """A whole file."""

    chain: ChainSection = Field(description="which chain the books are on")
    books: Annotated[tuple[BookSection, ...], _at_least(1)] = Field(description="the books to keep")
