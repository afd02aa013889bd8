"""The real cost of plans compared with the foreseen, on the published bytecode, under difficult markets: `python tests/bench/plans.py 100 1`.

A live book acts through pipeline and judge, without broker and processes, on an anvil of its own; so many more plans fit into an hour
than into `make chaos-sender`. The weather of each plan is drawn: quiet, a trend, jumps of 10 to 30 % between two of its blocks, a
sandwicher with 50 % success, JIT liquidity around its swap, a base fee twenty times as high.
"""

import logging
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from chain_plans import DOLLAR, ETHER, desk_on
from msgspec.structs import replace
from price_play import swap_to
from stuck_fees import Stuck

from pipeline.messages.decisions import PlanClosed, PlanOpened
from pipeline.messages.events import PolicySet
from pipeline.messages.policy import version_of
from streams.devnet import actions
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import Chain, start_chain
from streams.devnet.deploy import build_world
from streams.devnet.reads import minted_token_id, position, range_around, slot0
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.outcome_words import outcome_text

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
MARGIN_BPS = 10
_LONGEST_BLOCKS = 150
_TRIES = 25
_PATIENCE_S = 600
_CALM_WEI, _STORM_TIMES, _STORM_BLOCKS = 4 * 10**9, 20, 25
_FAR_TICKS, _FAR_WETH = 9_000, 12_000 * ETHER
_SANDWICH_WETH, _JIT_WETH = 60 * ETHER, 600 * ETHER


Told = tuple[int | None, str, int]
"""Of one plan: what it paid beyond the foreseen, in bps of what it moves; how it ended; after how many blocks."""


class Market:
    """A book on its chain, and those who trade beside it."""

    def __init__(self, chain: Chain, world: World, name: str, dice: Random) -> None:
        self.chain, self.world, self.pool, self.dice = chain, world, world.pool(name), dice
        provider = world.accounts.traders[2]
        ticks = range_around(chain, self.pool, -_FAR_TICKS, _FAR_TICKS)
        amounts = world.amounts(self.pool, _FAR_WETH)
        chain.execute(actions.mint_position(world, provider, self.pool, ticks, amounts))
        self.desk = desk_on(chain, world, name, "mint_as_is")
        book = self.desk.book
        book = replace(book, action=replace(book.action, stall_after_s=_PATIENCE_S))
        self.desk.book = replace(book, policy_version=version_of(book))
        self.desk.append(PolicySet(policy=self.desk.book))
        self.first_x96 = slot0(chain, self.pool).sqrt_price_x96
        self.provided: list[int] = []
        self.age = 0
        """Blocks since the plan was opened."""
        self.falls = False
        """The way of a trend."""
        self.base_fee_wei = _CALM_WEI
        """Of the next block, when what goes into it is signed already."""
        self.stuck = Stuck(self.desk)

    def block(self, before: Iterable[Tx] = (), after: Iterable[Tx] = ()) -> list[str]:
        """Mine what the book wants sent between what others send before and after it."""
        self.stuck.see_to()
        hashes = [self.chain.send(tx) for tx in before]
        mine, behind = self.chain.mine, list(after)

        def mine_all() -> object:
            hashes.extend(self.chain.send(tx) for tx in behind)
            return mine(base_fee_wei=self.base_fee_wei)

        self.chain.mine = mine_all  # type: ignore[assignment, method-assign]
        try:
            self.desk.block_of_all()
        finally:
            del self.chain.mine
        return hashes

    def calm(self) -> None:
        """Take the price back to where it began, and let the means follow."""
        was_x96 = slot0(self.chain, self.pool).sqrt_price_x96
        trader = self.world.accounts.traders[0]
        self.block(after=[swap_to(self.world, self.pool, trader, was_x96, self.first_x96)])
        for _ in range(_TRIES):
            quiet(self)

    def trade(self, weth: int, *, sells: bool) -> Tx:
        """Let a trader sell so much WETH, or dollars of that worth."""
        trader, usdc = self.world.accounts.traders[0], self.world.usdc_of(self.pool)
        sold, amount = (self.world.weth, weth) if sells else (usdc, weth * 3_000 * DOLLAR // ETHER)
        return actions.swap_exact_in(self.world, trader, self.pool, sold, amount)

    def sold_next(self) -> str | None:
        """Name the token that the book's swap sells in the block to come."""
        for each in self.desk.pending:
            _, found, rest = each.call.data.partition("04e45aaf")
            if each.step == "swap" and found:
                return "0x" + rest[24:64]
        return None


def quiet(market: Market) -> None:
    market.block(after=[market.trade(ETHER, sells=market.dice.random() < 0.5)])


def trend(market: Market) -> None:
    market.block(after=[market.trade(40 * ETHER, sells=market.falls)])


def jump(market: Market) -> None:
    if market.dice.random() > 0.4:
        quiet(market)
        return
    size = market.dice.choice((-1, 1)) * market.dice.uniform(0.1, 0.3)
    was_x96 = slot0(market.chain, market.pool).sqrt_price_x96
    to_x96 = int(was_x96 * (1 + size) ** 0.5)
    trader = market.world.accounts.traders[0]
    market.block(after=[swap_to(market.world, market.pool, trader, was_x96, to_x96)])


def sandwich(market: Market) -> None:
    sold = market.sold_next()
    if sold is None or market.dice.random() < 0.5:
        quiet(market)
        return
    world, pool, robber = market.world, market.pool, market.world.accounts.traders[1]
    amount0, amount1 = world.amounts(pool, _SANDWICH_WETH)
    bought, amount = (pool.token1, amount0) if sold == pool.token0 else (pool.token0, amount1)
    front = actions.swap_exact_in(world, robber, pool, sold, amount)
    gained = int(market.chain.call(front.to, front.data, sender=robber), 16)
    market.block([front], [actions.swap_exact_in(world, robber, pool, bought, gained)])


def jit(market: Market) -> None:
    world, pool, provider = market.world, market.pool, market.world.accounts.traders[1]
    taken = [
        each
        for token_id in market.provided
        for each in (
            actions.decrease(world, provider, token_id, position(market.chain, world, token_id).liquidity),
            actions.collect(world, provider, token_id),
        )
    ]
    market.provided.clear()
    if market.sold_next() is None:
        market.block(after=taken)
        return
    ticks, amounts = range_around(market.chain, pool, -60, 60), world.amounts(pool, _JIT_WETH)
    (minted, *_) = market.block([actions.mint_position(world, provider, pool, ticks, amounts)], taken)
    market.provided.append(minted_token_id(market.chain.receipt(minted), world))


def storm(market: Market) -> None:
    market.base_fee_wei = _CALM_WEI * (_STORM_TIMES if market.age < _STORM_BLOCKS else 1)
    quiet(market)
    market.base_fee_wei = _CALM_WEI


WEATHERS: dict[str, Callable[[Market], None]] = {
    "quiet": quiet,
    "a trend": trend,
    "jumps of 10 to 30 %": jump,
    "a sandwicher, half of the time": sandwich,
    "JIT liquidity around our swap": jit,
    "fees x20": storm,
}


def open_another(market: Market) -> PlanOpened | None:
    """Move the price until a plan is opened; None where none is, for long."""
    desk, sells = market.desk, market.dice.random() < 0.5
    known = len(desk.said(PlanOpened))
    for _ in range(_TRIES):
        market.block(after=[market.trade(market.dice.randint(60, 160) * ETHER, sells=sells)])
        if len(desk.said(PlanOpened)) > known:
            return desk.said(PlanOpened)[-1]
        sells = sells if market.dice.random() < 0.8 else not sells
    return None


def end_of(market: Market, opened: PlanOpened, weather: str) -> PlanClosed | None:
    """Let blocks pass in a weather until a plan is closed."""
    for market.age in range(_LONGEST_BLOCKS):
        closed = [each for each in market.desk.said(PlanClosed) if each.plan == opened.plan]
        if closed:
            return closed[-1]
        WEATHERS[weather](market)
    return None


def over_bps(opened: PlanOpened, closed: PlanClosed) -> int | None:
    """Tell what a plan paid beyond what was foreseen, in bps of what it moves. Rounds: up."""
    if opened.foreseen is None or closed.cost is None or closed.cost.paid is None:
        return None
    return -((opened.foreseen.total - closed.cost.paid) * 10_000 // opened.notional_quote)


def play(chain: Chain, world: World, name: str, count: int, dice: Random) -> dict[str, list[Told]]:
    """Let one book make so many plans; of each, by weather: what it paid beyond the foreseen, its end, its blocks."""
    market, found = Market(chain, world, name, dice), defaultdict[str, list[Told]](list)
    for _ in range(count):
        chain.rpc("anvil_setBalance", market.desk.book.owner, hex(ETHER))
        market.falls = dice.random() < 0.5
        opened = open_another(market)
        if opened is None:
            market.calm()
            continue
        weather = dice.choice(list(WEATHERS))
        began = chain.header().number
        closed = end_of(market, opened, weather)
        outcome = "open" if closed is None else outcome_text(closed.outcome)
        over = None if closed is None else over_bps(opened, closed)
        found[weather].append((over, outcome, chain.header().number - began))
        print(
            f"{name}: {weather}: {outcome}, {over} bps beyond the foreseen, {found[weather][-1][2]} blocks",
            flush=True,
        )
        if over is not None and over > MARGIN_BPS and closed is not None:
            print(
                f"dearer: foreseen {opened.foreseen}, cost {closed.cost}, of {opened.notional_quote}",
                flush=True,
            )
    return found


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    plans, seed = int(sys.argv[1]), int(sys.argv[2])
    began_s, found = time.monotonic(), defaultdict[str, list[Told]](list)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "built").mkdir()
        with start_chain(place / "built", cache=DEFAULT_CACHE) as chain:
            world = build_world(chain, cache=DEFAULT_CACHE)
            chain.dump(place / "state.json")
        for name in POOLS:
            with start_chain(place / name, cache=DEFAULT_CACHE, state=place / "state.json") as chain:
                for weather, each in play(chain, world, name, plans // 2, Random(f"{seed}/{name}")).items():
                    found[weather] += each
    print(f"{'weather':32} plans  done  dearer  unknown  median   worst  most blocks")
    for weather, ends in sorted(found.items()):
        print(line_of(weather, ends))
    print(line_of("all", [each for ends in found.values() for each in ends]))
    others = sorted({outcome for ends in found.values() for _, outcome, _ in ends} - {"done"})
    print(f"{time.monotonic() - began_s:.0f} s; ends that are not done: {others}")


def line_of(weather: str, ends: list[Told]) -> str:
    """Count plans: dearer are those that paid more than the foreseen and 10 bps of what they move."""
    overs = [over for over, _, _ in ends if over is not None]
    done = sum(outcome == "done" for _, outcome, _ in ends)
    dearer = sum(over > MARGIN_BPS for over in overs)
    counts = f"{weather:32} {len(ends):5} {done:5} {dearer:7} {len(ends) - len(overs):8}"
    if not overs:
        return counts
    return f"{counts} {median(overs):7} {max(overs):7} {max(blocks for _, _, blocks in ends):12}"


if __name__ == "__main__":
    main()
