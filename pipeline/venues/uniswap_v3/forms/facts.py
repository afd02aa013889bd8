"""Decoded logs of pools and of the position manager, from the pool's point of view: a positive delta is what the pool received."""

from pipeline.messages.facts import Fact
from pipeline.units import Address, Liquidity, RawAmount, SqrtPriceX96, Tick, TokenId


# ------------------------------------------------------------------ emitted by a pool
class Initialized(Fact, frozen=True, kw_only=True):
    sqrt_price_x96: SqrtPriceX96
    tick: Tick


class Swapped(Fact, frozen=True, kw_only=True):
    """A swap in a pool. State fields are those after it."""

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
    """Liquidity was removed from a range; with liquidity 0 a poke that only updates fees."""

    owner: Address
    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity
    amount0: RawAmount
    amount1: RawAmount


class Collected(Fact, frozen=True, kw_only=True):
    """The pool paid out what it owed a range; both amounts may be 0, even for a range that never was."""

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
    """An NFT's transfer. From the zero address: minted; to it: burned."""

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
    """A collection from an NFT. Amounts are those requested; the pool's own log has what was paid."""

    token_id: TokenId
    recipient: Address
    amount0: RawAmount
    amount1: RawAmount


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
