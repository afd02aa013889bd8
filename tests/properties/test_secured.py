"""Whatever the wallet has and however far the price has jumped, securing a hedge makes no leg's health worse than is said."""

from collections import Counter
from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER
from depth import spread
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline.book.inventory import WHOLE_BPS
from pipeline.messages.decisions import PlanOpened, Quarantined
from pipeline.messages.policy import Policy
from pipeline.units import Seconds

UNIT = 10**18
SWAPS = 0.002
"""By so much the pool's own trades move the price, and with it the factor, from block to block."""
REACHED = Counter[str]()
GONE: set[tuple[int, ...]] = set()


def book() -> Policy:
    rests: dict[str, Any] = {"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}
    return hedge_only(rests)


def jumped(percent: int, kept_percents: tuple[int, int]) -> LendingDesk:
    """A book on its target, whose wallet loses a part of both tokens in the block in which the price jumps."""
    desk = LendingDesk(book())
    for _ in range(8):
        desk.block()
    assert desk.chain.debt[BASE]
    chain = desk.chain
    chain.price_percent = percent
    chain.mine(0)
    for token, kept in zip((BASE, QUOTE), kept_percents, strict=True):
        held = chain.balances[OWNER, token]
        chain.move(token, OWNER, STRANGER, held - held * kept // 100)
    desk.watcher.tell()
    desk.take()
    return desk


WAYS = spread((121, 125, 130, 136), (0, 1, 100), (0, 1, 100))
"""The price after its jump, and what is left of the wallet's base and quote, in percent."""


@pytest.mark.parametrize(("percent", "base", "quote"), WAYS)
def test_no_leg_leaves_a_factor_below_where_it_was_or_half_of_the_way_to_where_it_acts(
    percent: int, base: int, quote: int
):
    GONE.add((percent, base, quote))
    desk = jumped(percent, (base, quote))
    first = desk.chain.health
    act_bps = book().hedge.act_bps  # type: ignore[union-attr]
    half = 1 + (act_bps - WHOLE_BPS) / WHOLE_BPS / 2
    owed = desk.chain.debt[BASE]
    for _ in range(16):
        before, moves = desk.chain.health, [each.step for each in desk.pending]
        desk.block()
        after = desk.chain.health
        if set(moves) & {"supply", "repay", "buy"} or not moves:
            assert after >= before - SWAPS, "only a withdrawal may lower it"
        assert after >= min(before, half) - SWAPS
        REACHED.update({"lowered": after < before - SWAPS, "legs": bool(moves)})
    assert desk.chain.debt[BASE] <= owed, "nothing is borrowed on the way"
    assert desk.chain.health >= min(first, 10.0) - SWAPS, "in the end it is no worse than at first"
    assert not desk.said(Quarantined)
    moved = {str(each.goal.terms.get("move")) for each in desk.said(PlanOpened)[1:]}
    REACHED.update(moved)


def test_all_of_that_is_reached_by_these_ways():
    for way in set(WAYS) - GONE:
        test_no_leg_leaves_a_factor_below_where_it_was_or_half_of_the_way_to_where_it_acts(*way)
    assert REACHED["secure"] >= 3, REACHED
    assert REACHED["deleverage"] >= 2, REACHED
    assert REACHED["lowered"] >= 2, REACHED
