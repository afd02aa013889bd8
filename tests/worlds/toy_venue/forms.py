"""The entries, reads, views and logs of the toy venue.

A sum-of-reserves AMM: one contract keeps all pools, each under 32 bytes. `weight0 * reserve0 + weight1 * reserve1` is what a pool
holds, no trade makes it less, and the price of token0 in token1 is `weight0 / weight1` whatever the reserves are.
"""

from typing import ClassVar, cast

import msgspec

from pipeline import keys
from pipeline.keys import Kind
from pipeline.messages.base import Entry, Price, RawLog, View
from pipeline.messages.events import Observed
from pipeline.messages.facts import Fact
from pipeline.messages.views import PoolState, PoolTerms, TradeSeen
from pipeline.units import Address, BookId, Pips, PoolId, RawAmount
from pipeline.venues.log_words import Shape, address, decode, shape_of, sint

toy_pool: Kind[PoolId] = keys.kind("toy-pool", str)
toy_share: Kind[PoolId, Address] = keys.kind("toy-share", str, str)


# ------------------------------------------------------------------ state
class ToyPool(Entry, frozen=True, kw_only=True):
    """`toy-pool/ID`."""

    token0: Address
    token1: Address
    weight0: int
    weight1: int
    reserve0: RawAmount
    reserve1: RawAmount
    shares: int

    @property
    def terms(self) -> PoolTerms:
        return PoolTerms(tokens=(self.token0, self.token1), decimals=(18, 6), fee_pips=Pips(0))


class ToyShare(Entry, frozen=True, kw_only=True):
    """`toy-share/ID/owner`: what an owner has of a pool."""

    shares: int


class ToyPoolObserved(Observed, frozen=True, kw_only=True, tag=True):
    pool: PoolId
    state: ToyPool

    @property
    def item(self) -> str:
        return toy_pool(self.pool)

    @property
    def whole_pool(self) -> PoolId:
        return self.pool


class ToyShareObserved(Observed, frozen=True, kw_only=True, tag=True):
    pool: PoolId
    owner: Address
    shares: int

    @property
    def item(self) -> str:
        return toy_share(self.pool, self.owner)


# ------------------------------------------------------------------ views
class ToyPoolView(PoolState, frozen=True, kw_only=True, tag=True):
    pool: PoolId
    state: ToyPool

    @property
    def key(self) -> str:
        return toy_pool(self.pool)

    @property
    def shown_pool(self) -> PoolId:
        return self.pool

    @property
    def terms(self) -> PoolTerms:
        return self.state.terms


class ToyShareView(View, frozen=True, kw_only=True, tag=True):
    topic: ClassVar[str] = "positions"

    book: BookId
    item: str
    amount0: RawAmount
    amount1: RawAmount

    @property
    def key(self) -> str:
        return self.item


class ToyTradeSeen(TradeSeen, frozen=True, kw_only=True, tag=True):
    pool: PoolId
    delta0: RawAmount
    delta1: RawAmount

    @property
    def traded_at(self) -> PoolId:
        return self.pool

    @property
    def price(self) -> Price:
        return Price(numerator=abs(self.delta1), denominator=abs(self.delta0))


# ------------------------------------------------------------------ logs
class ToyTraded(Fact, frozen=True, kw_only=True):
    """A positive delta is what the pool received."""

    pool: PoolId
    delta0: int
    delta1: int


class ToyMoved(Fact, frozen=True, kw_only=True):
    """An owner brought or (negative) took amounts and shares."""

    pool: PoolId
    owner: Address
    delta0: int
    delta1: int
    shares: int


TRADED_TOPIC, MOVED_TOPIC = f"0x{0x7001:064x}", f"0x{0x7002:064x}"


def decode_toy_log(log: RawLog) -> ToyTraded | ToyMoved | None:
    """Read a log of the contract; None where the topic is another's. Raises: MalformedLogError."""
    shape = shape_of(log, _SHAPES)
    return None if shape is None else cast("ToyTraded | ToyMoved", decode(log, shape))


def pool_of(log: RawLog) -> PoolId:
    return PoolId(log.topics[1] if len(log.topics) > 1 else "")


def _traded(log: RawLog, words: list[int]) -> ToyTraded:
    return ToyTraded(
        address=log.address,
        log_index=log.log_index,
        pool=pool_of(log),
        delta0=sint(words[1], 128),
        delta1=sint(words[2], 128),
    )


def _moved(log: RawLog, words: list[int]) -> ToyMoved:
    return ToyMoved(
        address=log.address,
        log_index=log.log_index,
        pool=pool_of(log),
        owner=address(words[1]),
        delta0=sint(words[2], 128),
        delta1=sint(words[3], 128),
        shares=sint(words[4], 128),
    )


_SHAPES = {TRADED_TOPIC: Shape("Traded", 2, 2, _traded), MOVED_TOPIC: Shape("Moved", 3, 3, _moved)}


def after(pool: ToyPool, delta0: int, delta1: int, shares: int = 0) -> ToyPool:
    """What a pool is after it received amounts and issued shares."""
    return msgspec.structs.replace(
        pool,
        reserve0=RawAmount(pool.reserve0 + delta0),
        reserve1=RawAmount(pool.reserve1 + delta1),
        shares=pool.shares + shares,
    )
