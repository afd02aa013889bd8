"""What one step hands to the next; none of it crosses a topic."""

import msgspec

from pipeline.messages.base import RawLog
from pipeline.messages.entries import NftPosition
from pipeline.messages.facts import Swapped
from pipeline.messages.views import Holding
from pipeline.units import Address, Bps, RawAmount, SqrtPriceX96

WHOLE_BPS = 10_000


class Tracked(msgspec.Struct, kw_only=True):
    """What a block moved."""

    swaps: list[tuple[RawLog, Swapped]]
    quarantined: dict[str, str]
    """Item to reason."""


class Assessed(msgspec.Struct, frozen=True, kw_only=True):
    """An NFT at its pool's present price. Principal and fees together are what leaving would pay."""

    key: str
    position: NftPosition
    token0: Address
    token1: Address
    in_range: bool
    principal0: RawAmount
    """Liquidity at the pool's price, and what decreases left uncollected. Rounds: down."""
    principal1: RawAmount
    fees0: RawAmount
    fees1: RawAmount

    @property
    def principal(self) -> tuple[RawAmount, RawAmount]:
        """The principal in token0 and token1."""
        return self.principal0, self.principal1

    @property
    def fees(self) -> tuple[RawAmount, RawAmount]:
        """The fees in token0 and token1."""
        return self.fees0, self.fees1

    @property
    def holds_anything(self) -> bool:
        """Whether it has liquidity or is owed anything: an emptied NFT is not shown."""
        return bool(self.position.liquidity or any(self.principal) or any(self.fees))


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """A book after a block. Amounts are raw; values are in the policy's quote, rounded down."""

    holdings: tuple[Holding, ...]
    base_amount: RawAmount
    quote_amount: RawAmount
    """Quote and its equivalents."""
    unpriced: tuple[Address, ...]
    """Tokens that it holds and that are neither base nor quote."""
    sqrt_price_x96: SqrtPriceX96
    base_is_token0: bool
    base_value_quote: RawAmount
    value_quote: RawAmount
    base_share_bps: Bps
    """Of the value; 0 in an empty book."""
    has_liquidity: bool
    any_in_range: bool
