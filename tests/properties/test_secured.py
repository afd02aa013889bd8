"""For any wallet, ranges and price jump, securing a hedge never lowers its health below the stated value on the way."""

import copy
import random
from collections import Counter
from functools import cache
from typing import Any

from builders import BASE
from depth import examples
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline.book.inventory import WHOLE_BPS
from pipeline.messages.decisions import PlanOpened, Quarantined
from pipeline.messages.policy import Policy
from pipeline.units import Seconds

SWAPS = 0.0002
"""By so much the pool's own trades move the price, and with it the factor, from block to block."""
BLOCKS = 16
EXAMPLES = 36


def book() -> Policy:
    rests: dict[str, Any] = {"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}
    return hedge_only(rests)


HALF = 1 + (book().hedge.act_bps - WHOLE_BPS) / WHOLE_BPS / 2  # type: ignore[union-attr]
"""To which collateral may be taken out that health rests on."""


@cache
def on_target() -> LendingDesk:
    desk = LendingDesk(book())
    for _ in range(8):
        desk.block()
    assert desk.chain.debt[BASE]
    return desk


def jumped(chance: random.Random) -> tuple[LendingDesk, int]:
    """A book that keeps a part of wallet and ranges in the block in which its price jumps; and what of the ranges, in percent."""
    desk = copy.deepcopy(on_target())
    desk.chain.price_percent = chance.choice((121, 123, 126, 131, 137))
    base, quote, ranges = (chance.choice((0, 0, 0, 1, 30, 100)) for _ in range(3))
    desk.keep(base, quote, ranges)
    return desk, ranges


def secure(desk: LendingDesk, ranges: int, seen: Counter[str]) -> None:
    """Let it be secured, and hold each block's end against the one before."""
    first, owed = desk.chain.health, desk.chain.debt[BASE]
    for _ in range(BLOCKS):
        before, steps = desk.chain.health, {each.step for each in desk.pending}
        desk.block()
        after = desk.chain.health
        if desk.said(PlanOpened)[-1].goal.terms["move"] == "deleverage" and "withdraw" in steps:
            assert after >= min(before, HALF) - SWAPS
            seen["lowered"] += after < before - SWAPS
        else:
            assert after >= before - SWAPS, "only collateral that health rests on may lower it"
            seen["raised"] += after > before + SWAPS
    moves = [str(each.goal.terms["move"]) for each in desk.said(PlanOpened)[1:]]
    assert desk.chain.debt[BASE] <= owed, "nothing is borrowed on the way"
    assert desk.chain.health >= first - SWAPS, "in the end it is no worse than at first"
    if ranges >= 30:
        assert "deleverage" not in moves, "ranges go before collateral that health rests on"
        assert desk.chain.health >= 1.2, "they suffice"
        seen["sufficed"] += 1
    assert not desk.said(Quarantined)
    seen.update(moves)


def test_no_leg_makes_health_worse_but_a_withdrawal_of_collateral_that_it_rests_on_and_that_by_a_bound():
    seen: Counter[str] = Counter()
    for seed in range(examples(EXAMPLES)):
        secure(*jumped(random.Random(seed)), seen)
    least = {"secure": 6, "secure_from_range": 8, "deleverage": 2, "lowered": 2, "raised": 20, "sufficed": 8}
    assert all(seen[name] >= times for name, times in least.items()), seen
