"""Whatever is left in the wallet, whichever leg fails and however the price drifts, an ended hedge comes to nothing, and no withdrawal leaves health below `act`."""

import copy
import random
from collections import Counter
from functools import cache

from builders import BASE, QUOTE
from depth import examples
from msgspec.structs import replace
from worlds.lending.chain import KEEPS, LendingDesk, hedge_only

from pipeline.messages.decisions import PlanOpened, Quarantined
from pipeline.units import Seconds
from streams.ended_hedges import unwound

EXAMPLES, MOST_BLOCKS, UNSTEADY_BLOCKS = 10, 160, 30
ACT = 1.2
BOOK = hedge_only(action=replace(KEEPS, stall_after_s=Seconds(60)))


@cache
def begun() -> LendingDesk:
    """A book on its target."""
    desk = LendingDesk(BOOK)
    for _ in range(12):
        desk.block()
    return desk


def go(chance: random.Random, seen: Counter[str]) -> None:
    desk = copy.deepcopy(begun())
    desk.chain.price_percent = chance.choice((70, 90, 100, 104, 108))
    desk.keep(base=chance.choice((0, 0, 1, 20)), quote=chance.choice((0, 0, 0, 1, 5)))
    opened = len(desk.said(PlanOpened))
    desk.set_policy(unwound(BOOK))
    for number in range(MOST_BLOCKS):
        unsteady = number < UNSTEADY_BLOCKS
        desk.fails = (
            {chance.choice(("withdraw", "buy", "repay"))} if unsteady and chance.random() < 0.3 else set()
        )
        done, low = len(desk.signer.done), desk.chain.health if desk.chain.debt[BASE] else None
        desk.block()
        took = {each.step for each in desk.signer.done[done:]}
        if "withdraw" in took and desk.chain.debt[BASE] and low is not None:
            assert desk.chain.health >= ACT, (low, took)
            seen["withdrawn"] += 1
        if not desk.chain.debt[BASE] and not desk.chain.collateral[QUOTE]:
            break
        if unsteady and chance.random() < 0.3:
            desk.chain.price_percent += chance.choice((-2, -1, 1, 2))
    else:
        raise AssertionError((number, desk.chain.debt, desk.chain.collateral))
    seen.update(str(each.goal.terms["move"]) for each in desk.said(PlanOpened)[opened:])
    seen["ended"] += 1
    for _ in range(6):
        desk.block()
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)


def test_an_ended_hedge_comes_to_nothing_from_any_wallet() -> None:
    chance, seen = random.Random(1), Counter[str]()
    for _ in range(examples(EXAMPLES)):
        go(chance, seen)
    assert seen["ended"] == examples(EXAMPLES)
    assert seen["close_from_collateral"] >= 8, seen
    assert seen["close"] >= EXAMPLES, seen
    assert seen["withdrawn"] >= 8, seen
