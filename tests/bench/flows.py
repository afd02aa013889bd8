"""Flows of swaps to replay: a generated one, and, where a day of mainnet's logs is available, those of two pools."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from builders import POOL, ToyChain

from pipeline.errors import PoolDriftedError
from pipeline.math.bitmap import stop_above, stop_below
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import RawAmount, SqrtPriceX96
from pipeline.venues.uniswap_v3 import LivePool, decode_pool_log, quote
from pipeline.venues.uniswap_v3.forms.facts import PoolFact, Swapped
from pipeline.venues.uniswap_v3.topics import SWAP_TOPIC

SWAPS, BLOCKS = 2_000, 20
RANGES = 40
"""Providers beside the chain's own two, so that some swaps cross ticks."""
DAYS = (
    ("0x88e6", "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640", 500, 10),
    ("0x8ad5", "0x8ad599c3a0ff1de082011efddc58f1908eb6e6d8", 3_000, 60),
)
"""Name, address, fee and spacing of the pools of the day."""
DAY = Path(__file__).parents[2].parent / "shared" / "data" / "mainnet-2024-01-05"


class Asked(NamedTuple):
    """What a swap of the contract is asked for, to come to where a log says that it came."""

    amount: RawAmount
    down: bool
    limit_x96: SqrtPriceX96 | None


class Moved(NamedTuple):
    """A log's fact, its block's time, and of a swap what was asked for."""

    fact: PoolFact
    at_s: int
    asked: Asked | None


class Flow(NamedTuple):
    """A pool, and what moves it."""

    name: str
    pool: LivePool
    moves: list[Moved]
    multi_step: float
    """The share of swaps that go beyond the next initialised tick or edge of a word of the bitmap."""

    @property
    def swaps(self) -> int:
        """How many swaps there are."""
        return sum(each.asked is not None for each in self.moves)


def flows() -> Iterator[Flow]:
    """Make each flow that can be made here."""
    yield made_flow()
    if DAY.exists():
        for name, address, fee_pips, spacing in DAYS:
            yield day_flow(name, address, fee_pips, spacing)


def made_flow() -> Flow:
    """Make a pool and swaps in it."""
    chain = ToyChain(7)
    for number in range(RANGES):
        lower = -10 * (number % 20 + 1)
        chain.mint(POOL, lower, lower + 10 * (number % 7 + 1), 10**19 + number, sender=POOL)
    pool = copy.deepcopy(chain.pool)
    facts: list[tuple[PoolFact, int]] = []
    for _ in range(BLOCKS):
        chain.mine(0)
        for _ in range(SWAPS // BLOCKS):
            chain.swap(chain.random.choice([10**15, 10**17, 3 * 10**18]), down=chain.random.random() < 0.5)
        read = [decode_pool_log(log) for log in chain.logs if log.topics[0] == SWAP_TOPIC]
        facts += [(fact, chain.head.timestamp_s) for fact in read if fact is not None]
    return _asked("made", pool, facts)


def day_flow(name: str, address: str, fee_pips: int, spacing: int) -> Flow:
    """Take a pool's day up to where a swap shows that its first state is not wholly known."""
    from golden.test_v3_mainnet_day import facts_after, start_of

    start, live = start_of(name, fee_pips, spacing)
    pool = copy.deepcopy(live)
    known: list[tuple[PoolFact, int]] = []
    for _, at_s, fact in facts_after(address, start):
        try:
            move(live, fact, at_s)
        except PoolDriftedError:
            break
        known.append((fact, at_s))
    return _asked(f"{name}, a day of mainnet", pool, known)


def move(pool: LivePool, fact: PoolFact, at_s: int) -> None:
    """Apply a fact; a burn's ticks are given as much as it takes, where the pool's first state is not wholly known."""
    from golden.test_v3_mainnet_day import let_burn

    let_burn(pool, fact)
    pool.apply(fact, at_s)


def _asked(name: str, pool: LivePool, facts: list[tuple[PoolFact, int]]) -> Flow:
    at, moves, beyond, swaps = copy.deepcopy(pool), list[Moved](), 0, 0
    for fact, at_s in facts:
        if not isinstance(fact, Swapped):
            move(at, fact, at_s)
            moves.append(Moved(fact, at_s, None))
            continue
        down = fact.amount0_delta > 0
        amount = RawAmount(fact.amount0_delta if down else fact.amount1_delta)
        end = quote(at, amount, zero_for_one=down)
        is_exact_input = end.sqrt_price_x96 == fact.sqrt_price_x96
        asked = (
            Asked(amount, down, None)
            if is_exact_input
            else Asked(RawAmount(2 * amount), down, fact.sqrt_price_x96)
        )
        stop, _ = (stop_below if down else stop_above)(at.tick, at.tick_spacing, at.initialized)
        stop_x96 = sqrt_price_at_tick(stop)
        beyond += fact.sqrt_price_x96 < stop_x96 if down else fact.sqrt_price_x96 > stop_x96
        swaps += 1
        at.apply(fact, at_s)
        moves.append(Moved(fact, at_s, asked))
    return Flow(name, pool, moves, beyond / swaps)
