"""Whatever a reorg undoes of a plan, and whatever of it comes back: the plan ends, whole, and soon."""

from collections import Counter

import pytest
from desk import live
from lifecycle import Lifecycle
from toy_sender import TOY_GAS_WEI, Wants, everything
from toy_signer import whale

from pipeline.messages.decisions import PlanClosed
from pipeline.messages.policy import Rerange

_DEADLINE_BLOCKS = 26
_BLOCKS = 7
"""From the block that opens a plan to its last one."""


def nothing_old(life: Lifecycle) -> Wants:
    """A miner who leaves out what had been signed before the reorg, but for cancellations of it."""
    old = {a.transaction_hash for bound in life.sender.memory.account.nonces for a in bound.attempts}
    return lambda attempt: attempt.cancels or attempt.transaction_hash not in old


def nothing_of_the_last(count: int):
    def leaving(life: Lifecycle) -> Wants:
        old = [bound.attempts[-1].transaction_hash for bound in life.sender.memory.account.waiting()]
        left = set(old[-count:])
        return lambda attempt: attempt.cancels or attempt.transaction_hash not in left

    return leaving


INCLUSIONS = {
    "everything again": lambda _: everything,
    "nothing of it": nothing_old,
    "all but the last": nothing_of_the_last(1),
    "all but the last three": nothing_of_the_last(3),
}


def opened(**changes) -> Lifecycle:
    life = Lifecycle(
        live(action=Rerange(half_width_ticks=100, stall_after_s=600, on_stall="wait"), **changes)
    )
    life.block(lambda chain: whale(chain, down=True))
    assert life.is_open
    return life


@pytest.mark.parametrize("inclusion", INCLUSIONS)
@pytest.mark.parametrize("pushed", [None, True, False], ids=["quiet", "down", "up"])
@pytest.mark.parametrize("blocks", range(1, _BLOCKS + 1))
def test_a_reorg_of_any_depth_at_any_time(blocks: int, pushed: bool | None, inclusion: str) -> None:
    reached: Counter[str] = Counter()
    for depth in range(1, blocks + 1):
        life = opened()
        for _ in range(blocks):
            life.block()
        before = {step: len(life.mined(step)) for step in ("withdraw", "swap", "mint", "reset")}
        life.reorg(depth)
        undone = [step for step, count in before.items() if len(life.mined(step)) < count]
        wants = INCLUSIONS[inclusion](life)
        if pushed is not None:
            life.block(lambda chain: whale(chain, down=pushed, amount=3 * 10**20), wants=wants)
        taken = life.until_over(wants=wants)
        reached[",".join(undone) or "nothing"] += 1
        assert taken <= _DEADLINE_BLOCKS + 12, (
            "what is left out comes to its deadline, and all of it is made again"
        )
        assert life.outcomes()[-1] == "done"
        life.assert_whole()
        assert all(life.most_of_a_plan(step) <= 1 for step in ("withdraw", "swap", "mint"))
        closed = life.said(PlanClosed)[-1]
        assert closed.cost.transactions == life.transactions_of(closed), "what was undone has cost nothing"
        assert closed.cost.gas_wei == closed.cost.transactions * TOY_GAS_WEI
    assert reached
