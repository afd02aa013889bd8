"""The views for users: swaps as facts, and the present value of pools and NFTs."""

from typing import ClassVar

from pipeline import keys
from pipeline.math.log_prices import price_of_root
from pipeline.messages.base import Price, View
from pipeline.messages.views import PoolState, PoolTerms, TradeSeen
from pipeline.units import (
    Address,
    BookId,
    Hash,
    Liquidity,
    LogIndex,
    PoolId,
    RawAmount,
    SqrtPriceX96,
    Tick,
    TokenId,
)
from pipeline.venues.uniswap_v3.forms.entries import Pool


class SwapSeen(TradeSeen, frozen=True, kw_only=True, tag=True):
    """A swap in a pool; a positive delta is what the pool received. On `swaps.v1`."""

    pool: Address
    log_index: LogIndex
    transaction_hash: Hash
    amount0_delta: RawAmount
    amount1_delta: RawAmount
    sqrt_price_x96: SqrtPriceX96
    liquidity: Liquidity
    tick: Tick

    @property
    def traded_at(self) -> PoolId:
        return self.pool

    @property
    def price(self) -> Price:
        return price_of_root(self.sqrt_price_x96)


class PoolView(PoolState, frozen=True, kw_only=True, tag=True):
    """A pool's state after a block that changed it."""

    pool: Address
    state: Pool

    @property
    def key(self) -> str:
        return keys.pool(self.pool)

    @property
    def shown_pool(self) -> PoolId:
        return self.pool

    @property
    def terms(self) -> PoolTerms:
        return self.state.terms


class PositionView(View, frozen=True, kw_only=True, tag=True):
    """An NFT of a book, with its principal and its uncollected fees."""

    topic: ClassVar[str] = "positions"

    book: BookId
    manager: Address
    token_id: TokenId
    pool: Address
    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity
    in_range: bool
    principal0: RawAmount
    """The token0 of its liquidity at the pool's price, and of decreases that were not collected."""
    principal1: RawAmount
    fees0: RawAmount
    fees1: RawAmount

    @property
    def key(self) -> str:
        return keys.position(self.manager, self.token_id)
