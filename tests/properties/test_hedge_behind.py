"""Whichever leg of a hedge's step fails, the transactions submitted after it in the same block do no harm, and the target is still reached."""

import copy
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from builders import BASE, OWNER
from depth import examples
from msgspec.structs import replace
from worlds.lending.chain import FAR, KEEPS, LendingDesk, hedge_only, hedged

from pipeline.advance.books import stock_of
from pipeline.hedge.target import centre_of
from pipeline.messages.decisions import PlanOpened, Quarantined
from pipeline.messages.goals import APPROVE, JointGoal
from pipeline.messages.policy import Policy, version_of
from pipeline.units import Bps, LogBps, RawAmount, Seconds

UNIT = 10**18
EXAMPLES, FAILING_BLOCKS, BLOCKS = 36, 3, 26
LEAST_HEALTH = 1.1 * 1.3 - 0.001
"""Its floor after the gap; a block's move of the price is left out."""
BAND_BPS = 500
WAYS = (
    (0, 6_500),
    (0, 3_000),
    (3_000, 9_000),
    (5_000, 6_500),
    (6_500, 8_000),
    (6_500, 3_000),
    (9_000, 2_000),
)
"""From a ratio to another. Units: bps."""
SHARED = ((3_000, 6_500), (3_000, 3_000), (4_000, 5_000), (6_500, 9_000), (4_000, 9_500), (6_000, 2_500))
"""Target shares of the ranges, and ratios of the hedge. Units: bps."""
PAIRS = (("supply", "borrow"), ("borrow", "sell"), ("buy", "repay"))


def book(ratio_bps: int, reserve: int, step: int | None) -> Policy:
    hedge = {"ratio_bps": Bps(ratio_bps), "pace_s": Seconds(12), "cooldown_s": Seconds(12)}
    action = replace(KEEPS, reserve_base=RawAmount(reserve), stall_after_s=Seconds(600))
    return hedge_only(hedge | {"largest_step": step and RawAmount(step)}, action=action)


@cache
def begun(ratio_bps: int, reserve: int) -> LendingDesk:
    """A book on its target, or one without a hedge yet."""
    desk = LendingDesk(book(ratio_bps, reserve, None))
    for _ in range(12):
        desk.block()
    return desk


def steps_by_block(desk: LendingDesk, kept: int) -> Iterator[list[str]]:
    """List what each block's transactions did, approvals left out, while legs fail in the first; the reserve and the floor of health hold."""
    for number in range(BLOCKS):
        desk.fails = desk.fails if number < FAILING_BLOCKS else set()
        done = len(desk.signer.done)
        desk.block()
        yield [each.step for each in desk.signer.done[done:] if each.step != APPROVE]
        assert desk.chain.balances[OWNER, BASE] >= kept
        assert not desk.chain.debt[BASE] or desk.chain.health >= LEAST_HEALTH


def go(chance: random.Random, seen: Counter[str]) -> None:
    """Let a leg of the next step fail for some blocks, and hold each block's end against the reserve and the floor of health."""
    reserve, (before_bps, after_bps) = chance.choice((0, UNIT, 3 * UNIT)), chance.choice(WAYS)
    desk = copy.deepcopy(begun(before_bps, reserve))
    to = book(after_bps, reserve, chance.choice((None, UNIT, 2 * UNIT)))
    desk.fails = {chance.choice(("supply", "borrow") if after_bps > before_bps else ("buy", "repay"))}
    desk.set_policy(replace(to, policy_version=version_of(to)))
    kept = min(desk.chain.balances[OWNER, BASE], reserve)
    for steps in steps_by_block(desk, kept):
        seen.update(f"{first}, {second}" for first, second in pairwise(steps))
        seen.update(f"{step} alone" for step in steps if len(steps) == 1)
    seen.update(f"{step} {'mined' if mined else 'reverted'}" for step, mined in desk.signer.ends_behind)
    net = stock_of(desk.shard, to).base_amount
    long = net + desk.chain.debt[BASE]
    assert abs(net - centre_of(to.hedge, long)) <= long * BAND_BPS // 10_000
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)


def book_with_range(share_bps: int, ratio_bps: int, reserve: int, **changes: str) -> Policy:
    strategy = replace(FAR, target_share_bps=Bps(share_bps), band_bps=Bps(500))
    action = replace(
        KEEPS,
        half_width_log_bps=LogBps(4_000),
        reserve_base=RawAmount(reserve),
        reserve_quote=RawAmount(6 * UNIT),
        stall_after_s=Seconds(600),
    )
    rests = {"ratio_bps": Bps(ratio_bps), "cooldown_s": Seconds(10**6)}
    return hedged(rests, strategy=strategy, action=action, **changes)


@cache
def begun_with_range(reserve: int, *, hedged_already: bool) -> LendingDesk:
    if not hedged_already:
        return LendingDesk(book_with_range(4_500, 6_500, reserve, mode="watch"))
    desk = LendingDesk(book_with_range(4_500, 6_500, reserve))
    for _ in range(24):
        desk.block()
    return desk


def go_with_range(chance: random.Random, seen: Counter[str]) -> None:
    """The same of a plan that a re-range shares with its hedge: what the range frees repays, what is supplied is borrowed upon."""
    reserve, hedged_already = chance.choice((0, UNIT, 3 * UNIT)), chance.random() < 0.75
    desk = copy.deepcopy(begun_with_range(reserve, hedged_already=hedged_already))
    to = book_with_range(*chance.choice(SHARED), reserve)
    desk.fails = {chance.choice(("withdraw", "repay") if hedged_already else ("supply", "borrow"))}
    opened, kept = len(desk.said(PlanOpened)), min(desk.chain.balances[OWNER, BASE], reserve)
    desk.set_policy(replace(to, policy_version=version_of(to)))
    for steps in steps_by_block(desk, kept):
        seen.update(f"{first}, {second}" for first, second in pairwise(steps))
    seen["shared"] += any(isinstance(each.goal, JointGoal) for each in desk.said(PlanOpened)[opened:])
    seen.update(f"{step} {'mined' if mined else 'reverted'}" for step, mined in desk.signer.ends_behind)
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)


def test_what_goes_behind_a_leg_of_a_shared_plan_that_fails_does_no_harm() -> None:
    chance, seen = random.Random(1), Counter[str]()
    for _ in range(examples(EXAMPLES)):
        go_with_range(chance, seen)
    assert seen["shared"] >= 20, seen
    assert seen["supply, borrow"] >= 3, seen
    assert seen["withdraw, repay"] >= 4, seen
    assert seen["borrow reverted"] >= 2, seen
    assert seen["repay reverted"] >= 2, seen


def test_what_goes_behind_a_leg_that_fails_does_no_harm() -> None:
    chance, seen = random.Random(1), Counter[str]()
    for _ in range(examples(EXAMPLES)):
        go(chance, seen)
    assert all(seen[f"{first}, {second}"] >= 5 for first, second in PAIRS), seen
    assert all(seen[f"{step} reverted"] >= 3 for step in ("borrow", "sell", "repay")), seen
    assert seen["borrow alone"] >= 5, "where the reserve could be sold"
