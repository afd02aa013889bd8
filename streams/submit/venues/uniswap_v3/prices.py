"""Price a pool's tokens by every reference that the signer's file names; the worst for the owner counts."""

from collections.abc import Iterable

import msgspec

from pipeline.errors import OutOfRangeError, UnreadableError
from pipeline.math.ticks import tick_at_sqrt_price
from pipeline.math.value import value_in_token1
from pipeline.messages.base import BlockRef
from pipeline.units import Address, RawAmount, SqrtPriceX96, Tick
from streams.submit.node import SenderNode
from streams.submit.venues.uniswap_v3.depth import Near, Range, depth_in_token1
from streams.submit.venues.uniswap_v3.feeds import feed_price_x96
from streams.submit.venues.uniswap_v3.pool_reading import HeadReading, PoolReading, read_head
from streams.submit.venues.uniswap_v3.terms import Feed, PricedPool, UniswapV3Terms
from streams.submit.verdict import Refusal

_PIPS_OF_TICK = 100
_FEWEST = 2


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's tokens at one reference price."""

    pool: PricedPool
    sqrt_price_x96: SqrtPriceX96
    name: str = "its pool"
    """Which reference it is."""
    slack_ticks: int = 0
    """How far the reference may stand from the pool for reasons of its own: fees, or a feed's threshold."""

    @property
    def tick(self) -> Tick:
        """The reference price as a tick."""
        return tick_at_sqrt_price(self.sqrt_price_x96)

    def value(self, amount0: int, amount1: int) -> int:
        """Value a change of both tokens in token1. Rounds: down, so never in our favour."""
        return value_in_token1(RawAmount(amount0), self.sqrt_price_x96) + amount1


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's tokens at every reference price of its pair, at one head."""

    pool: PricedPool
    references: tuple[Priced, ...]
    near: Near
    """The pool itself."""
    deepest: Near
    """The deepest pool of the pair."""

    def most(self, amount0: int, amount1: int) -> int:
        """Value what leaves, in token1, at the reference that makes it most. Rounds: up."""
        return max(-each.value(-amount0, -amount1) for each in self.references)

    def least(self, amount0: int, amount1: int) -> int:
        """Value what comes in, in token1, at the reference that makes it least. Rounds: down."""
        return min(each.value(amount0, amount1) for each in self.references)

    def check_spot(self, bound_ticks: int, ticks: Iterable[Tick] = ()) -> None:
        """Compare the pool's price, now and as it may be when an intent is mined, with every reference. Raises: Refusal."""
        for tick in (self.near.tick, *ticks):
            for each in self.references:
                apart, most = abs(tick - each.tick), bound_ticks + each.slack_ticks
                if apart > most:
                    raise Refusal(
                        "market",
                        f"pool {self.pool.address} is {apart} ticks from {each.name}, at most {most}",
                    )

    def check_depth(
        self, near: Near, moves: int, terms: UniswapV3Terms, leaving: Iterable[Range] = ()
    ) -> None:
        """Compare what would move, in token1, with what a pool holds near its price. Raises: Refusal."""
        depth, share_bps = depth_in_token1(near, leaving), terms.max_share_of_depth_bps
        if moves * 10_000 > depth * share_bps:
            raise Refusal(
                "limits",
                f"it moves {moves} of token1, the pool holds {depth} within 1 %: at most {share_bps} bps of that",
            )


class PriceReader:
    """Reads references at a head's hash, each pair once a head."""

    def __init__(self, node: SenderNode, terms: UniswapV3Terms, *, multicall: Address) -> None:
        """Take what does not change while the process runs."""
        self._node = node
        self._terms = terms
        self._multicall = multicall
        self._read: dict[tuple[str, frozenset[Address]], HeadReading] = {}

    async def of(self, pool: PricedPool, head: BlockRef) -> Prices:
        """Price a pool's tokens by the pool itself, the deepest of its pair, and every named reference.

        Raises: Refusal where a reference is too old or unreadable or there are too few, NodeError.
        """
        reading = await self._reading(pool, head)
        deepest = max(reading.pools, key=lambda each: reading.pools[each].depth)
        named = (p for p in self._terms.references.pools if p in reading.pools)
        pools = dict.fromkeys((pool, deepest, *named))
        references = (
            *(_by_pool(pool, each, reading.pools[each]) for each in pools),
            *(_by_feed(pool, feed, answers, head) for feed, answers in reading.rounds.items()),
        )
        if len(references) < _FEWEST and not self._terms.references.may_be_single:
            raise Refusal("market", f"pool {pool.address} is its pair's only reference")
        return Prices(
            pool=pool,
            references=references,
            near=reading.pools[pool].near,
            deepest=reading.pools[deepest].near,
        )

    async def _reading(self, pool: PricedPool, head: BlockRef) -> HeadReading:
        key = (head.hash, frozenset((pool.token0, pool.token1)))
        if key not in self._read:
            self._read = {other: found for other, found in self._read.items() if other[0] == head.hash}
            self._read[key] = await read_head(self._node, self._multicall, pool, head, self._terms)
        return self._read[key]


def _by_pool(pool: PricedPool, other: PricedPool, reading: PoolReading) -> Priced:
    try:
        price_x96 = reading.mean_x96
    except (UnreadableError, OutOfRangeError) as error:
        raise Refusal("market", f"pool {other.address} {error}") from None
    if other == pool:
        return Priced(pool=pool, sqrt_price_x96=price_x96, name="its own mean")
    return Priced(
        pool=pool,
        sqrt_price_x96=price_x96,
        name=f"the mean of pool {other.address}",
        slack_ticks=(pool.fee_pips + other.fee_pips) // _PIPS_OF_TICK,
    )


def _by_feed(pool: PricedPool, feed: Feed, answers: tuple[bytes, bytes], head: BlockRef) -> Priced:
    try:
        price_x96 = feed_price_x96(feed, pool.token0, answers, head.timestamp_s)
    except UnreadableError as error:
        raise Refusal("market", f"feed {feed.address}: {error}") from None
    return Priced(
        pool=pool,
        sqrt_price_x96=price_x96,
        name=f"feed {feed.address}",
        slack_ticks=feed.deviation_bps + pool.fee_pips // _PIPS_OF_TICK,
    )
