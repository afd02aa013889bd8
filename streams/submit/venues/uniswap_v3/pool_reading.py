"""Read pools and feeds at one head, by the head's hash, in two calls for all of them."""

from collections.abc import Sequence

import msgspec

from pipeline.errors import CallRevertedError, OutOfRangeError, UnreadableError
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import BlockRef
from pipeline.units import Address, Hash, Liquidity, Seconds, SqrtPriceX96, Tick
from streams.node.contract_calls import method
from streams.node.multicall import aggregate, aggregated
from streams.submit.node import SenderNode
from streams.submit.venues.uniswap_v3.depth import Near, depth_in_token1, ticks_near
from streams.submit.venues.uniswap_v3.feeds import DECIMALS, ROUND
from streams.submit.venues.uniswap_v3.terms import Feed, PricedPool, UniswapV3Terms
from streams.submit.venues.uniswap_v3.twap import age_s, ask_past, read_past
from streams.submit.verdict import Refusal

_POOL = "uniswap-v3/UniswapV3Pool"
_NOW = tuple(method(_POOL, name) for name in ("slot0", "liquidity", "tickSpacing"))
_OBSERVATION, _TICKS = method(_POOL, "observations"), method(_POOL, "ticks")
_Question = tuple[Address, bytes]


class PoolReading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one pool at one head."""

    near: Near
    mean_tick: Tick | None
    why_no_mean: str = ""

    @property
    def depth(self) -> int:
        """What the pool holds within 1 % of its price, in token1."""
        return depth_in_token1(self.near)

    @property
    def mean_x96(self) -> SqrtPriceX96:
        """The price of its mean tick. Raises: UnreadableError where the pool keeps no usable observations."""
        if self.mean_tick is None:
            raise UnreadableError(self.why_no_mean)
        return sqrt_price_at_tick(self.mean_tick)


class HeadReading(msgspec.Struct, frozen=True, kw_only=True):
    """The pools and feeds that price one pair, read at one head."""

    pools: dict[PricedPool, PoolReading]
    rounds: dict[Feed, tuple[bytes, bytes]]
    """A feed's last round and its decimals, as it answered."""


class _First(msgspec.Struct, frozen=True):
    """What the first call reads of a pool."""

    sqrt_price_x96: SqrtPriceX96
    tick: Tick
    observation: int
    liquidity: Liquidity
    near: tuple[Tick, ...]
    past: bytes


async def read_head(
    node: SenderNode, multicall: Address, pool: PricedPool, head: BlockRef, terms: UniswapV3Terms
) -> HeadReading:
    """Read the pools and feeds of a pool's pair. Raises: Refusal where one cannot be read at all, NodeError."""
    pools, feeds = terms.pools_of_pair(pool), terms.feeds_of_pair(pool)
    window_s = terms.twap_window_s
    questions = [(pool.address, data) for pool in pools for data in _first_questions(window_s)]
    questions += [(feed.address, data) for feed in feeds for data in (ROUND.encode(), DECIMALS.encode())]
    answers = await ask_all(node, multicall, questions, head.hash)
    each = len(_NOW) + 1
    firsts = [
        _first(pool, answers[at : at + each])
        for pool, at in zip(pools, range(0, len(questions), each), strict=False)
    ]
    rounds = answers[each * len(pools) :]
    seconds = [
        (pool.address, data)
        for pool, first in zip(pools, firsts, strict=True)
        for data in _second_questions(first)
    ]
    more = iter(await ask_all(node, multicall, seconds, head.hash))
    return HeadReading(
        pools={
            pool: _second(pool, first, [next(more) for _ in range(1 + len(first.near))], head, terms)
            for pool, first in zip(pools, firsts, strict=True)
        },
        rounds={feed: (rounds[2 * i], rounds[2 * i + 1]) for i, feed in enumerate(feeds)},
    )


async def ask_all(
    node: SenderNode, multicall: Address, questions: Sequence[_Question], at: Hash
) -> list[bytes]:
    """Call contracts at the state after a block; a revert counts as no answer. Raises: Refusal, NodeError."""
    try:
        answer = await node.call(multicall, aggregate(questions), at)
    except CallRevertedError as error:
        raise Refusal("market", f"the node does not answer at {at}: {error}") from None
    return [data if succeeded else b"" for succeeded, data in aggregated(answer)]


def _first_questions(window_s: Seconds) -> list[bytes]:
    return [*(asked.encode() for asked in _NOW), ask_past(window_s)]


def _second_questions(first: _First) -> list[bytes]:
    return [_OBSERVATION.encode(first.observation), *(_TICKS.encode(tick) for tick in first.near)]


def _first(pool: PricedPool, answers: Sequence[bytes]) -> _First:
    try:
        (price_x96, tick, observation, *_), (liquidity,), (spacing,) = (
            asked.answer(answer) for asked, answer in zip(_NOW, answers, strict=False)
        )
        near = ticks_near(SqrtPriceX96(price_x96), spacing)
    except (UnreadableError, OutOfRangeError) as error:
        raise Refusal("market", f"pool {pool.address}: {error}") from None
    return _First(SqrtPriceX96(price_x96), Tick(tick), observation, Liquidity(liquidity), near, answers[-1])


def _second(
    pool: PricedPool, first: _First, answers: Sequence[bytes], head: BlockRef, terms: UniswapV3Terms
) -> PoolReading:
    try:
        (written_s, *_) = _OBSERVATION.answer(answers[0])
        nets = {tick: _TICKS.answer(answer)[1] for tick, answer in zip(first.near, answers[1:], strict=True)}
    except UnreadableError as error:
        raise Refusal("market", f"pool {pool.address}: {error}") from None
    near = Near(
        sqrt_price_x96=first.sqrt_price_x96,
        tick=first.tick,
        liquidity=first.liquidity,
        nets={tick: net for tick, net in nets.items() if net},
        mean_liquidity=None,
    )
    if not first.past:
        says = f"has no price over {terms.twap_window_s} s: its observations do not reach back so far"
        return PoolReading(near=near, mean_tick=None, why_no_mean=says)
    try:
        past = read_past(first.past, terms.twap_window_s)
    except UnreadableError as error:
        return PoolReading(near=near, mean_tick=None, why_no_mean=f"has no price: {error}")
    near = msgspec.structs.replace(near, mean_liquidity=past.mean_liquidity)
    old_s, most_s = age_s(head.timestamp_s, written_s), terms.max_observation_age_s
    if old_s > most_s:
        says = f"has written no observation for {old_s} s, at most {most_s} s"
        return PoolReading(near=near, mean_tick=None, why_no_mean=says)
    return PoolReading(near=near, mean_tick=past.mean_tick)
