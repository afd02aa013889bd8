"""What a log says, in the pool's view: a positive delta is what the pool received.

Facts live inside one step; they do not cross a topic (`views.SwapSeen` does).
"""

import msgspec

from pipeline.units import Address, Liquidity, LogIndex, RawAmount, SqrtPriceX96, Tick, TokenId


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded log. `address` emitted it."""

    address: Address
    log_index: LogIndex


class Unreadable(Fact, frozen=True, kw_only=True):
    """The topic is known, the shape is not: whatever the log is about cannot be carried on."""

    reason: str


# ------------------------------------------------------------------ emitted by a V3 pool
class Initialized(Fact, frozen=True, kw_only=True):
    sqrt_price_x96: SqrtPriceX96
    tick: Tick


class Swapped(Fact, frozen=True, kw_only=True):
    """A pool traded. State fields are those after the trade."""

    sender: Address
    recipient: Address
    amount0_delta: RawAmount
    amount1_delta: RawAmount
    sqrt_price_x96: SqrtPriceX96
    liquidity: Liquidity
    tick: Tick


class Minted(Fact, frozen=True, kw_only=True):
    owner: Address
    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity
    amount0: RawAmount
    amount1: RawAmount


class Burned(Fact, frozen=True, kw_only=True):
    """Liquidity left a range; with liquidity 0 a poke that only books fees."""

    owner: Address
    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity
    amount0: RawAmount
    amount1: RawAmount


class Collected(Fact, frozen=True, kw_only=True):
    """The pool paid out what it owed a range; both may be 0, also for a range that never was."""

    owner: Address
    recipient: Address
    tick_lower: Tick
    tick_upper: Tick
    amount0: RawAmount
    amount1: RawAmount


class Flashed(Fact, frozen=True, kw_only=True):
    amount0: RawAmount
    amount1: RawAmount
    paid0: RawAmount
    paid1: RawAmount


class ProtocolFeeSet(Fact, frozen=True, kw_only=True):
    fee_protocol0: int
    fee_protocol1: int


class ProtocolFeesCollected(Fact, frozen=True, kw_only=True):
    amount0: RawAmount
    amount1: RawAmount


class CardinalityGrown(Fact, frozen=True, kw_only=True):
    observation_cardinality_next: int


# ------------------------------------------------------------------ emitted by the position manager
class NftTransferred(Fact, frozen=True, kw_only=True):
    """From the zero address: minted; to it: burned."""

    token_id: TokenId
    sender: Address
    recipient: Address


class LiquidityIncreased(Fact, frozen=True, kw_only=True):
    token_id: TokenId
    liquidity: Liquidity
    amount0: RawAmount
    amount1: RawAmount


class LiquidityDecreased(Fact, frozen=True, kw_only=True):
    token_id: TokenId
    liquidity: Liquidity
    amount0: RawAmount
    amount1: RawAmount


class NftCollected(Fact, frozen=True, kw_only=True):
    """Amounts are those asked for; what was paid stands in the pool's own log."""

    token_id: TokenId
    recipient: Address
    amount0: RawAmount
    amount1: RawAmount


# ------------------------------------------------------------------ emitted by a token
class TokensMoved(Fact, frozen=True, kw_only=True):
    """An ERC-20 transfer, or a deposit or withdrawal of the wrapped native token (one side is zero)."""

    sender: Address
    recipient: Address
    amount: RawAmount


PoolFact = (
    Initialized
    | Swapped
    | Minted
    | Burned
    | Collected
    | Flashed
    | ProtocolFeeSet
    | ProtocolFeesCollected
    | CardinalityGrown
)
ManagerFact = NftTransferred | LiquidityIncreased | LiquidityDecreased | NftCollected
