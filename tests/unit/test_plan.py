"""A proposal carried out on the toy chain: withdraw, swap, mint, reset, each made when it is due."""

import copy

import msgspec
import pytest
from builders import MANAGER, OWNER, POOL, ToyWatcher, policy, started
from toy_signer import ToySigner, whale

from pipeline.advance import advance
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanStalled,
    Quarantined,
    RebalanceProposed,
    StepRefused,
)
from pipeline.messages.effects import BookEffects
from pipeline.messages.entries import NftPosition
from pipeline.messages.events import Dropped, IntentRefused, Paused, Resumed
from pipeline.messages.policy import Limits, Rerange, TargetBand
from pipeline.messages.transactions import SubmitTransaction
from pipeline.shard import Shard


def live(**changes):
    fields = {
        "mode": "live",
        "strategy": TargetBand(band_bps=600, hysteresis_bps=100, hold_out_of_range_s=60, cooldown_s=48),
        "limits": Limits(
            twap_window_s=24, max_spot_from_twap_ticks=2_000, max_cost_bps=500, max_slippage_bps=2_000
        ),
        "action": Rerange(half_width_ticks=100, stall_after_s=60),
    }
    return policy(**{**fields, **changes})


class Desk:
    """The whole loop on the toy chain: watcher, shard, signer."""

    def __init__(self, book, seed: int = 5) -> None:
        self.watcher: ToyWatcher = started(seed, book, depth=10**23)
        self.shard = Shard(0)
        self.signer = ToySigner()
        self.offset = 0
        self.pending: list[SubmitTransaction] = []
        self.outputs: list = []
        self.fails: set[str] = set()
        self.take()
        for _ in range(6):
            self.block()

    def take(self) -> list:
        new = []
        while self.offset < len(self.watcher.log):
            new += advance(self.shard, self.offset, self.watcher.log[self.offset])
            self.offset += 1
        self.outputs += new
        self.pending += [o for o in new if isinstance(o, SubmitTransaction)]
        return new

    def block(self, *, push: bool | None = None) -> list:
        """Mine what is pending, after the signer has reported it."""
        chain = self.watcher.chain
        due, self.pending = self.pending, []
        for intent in due:
            for report in self.signer.reports(chain, intent):
                self.watcher.append(report)
        chain.mine(0)
        if push is not None:
            whale(chain, down=push)
        chain.swap(10**14, down=chain.random.random() < 0.5)
        receipts = tuple(self.signer.execute(chain, i, succeeds=i.step not in self.fails) for i in due)
        self.watcher.tell(receipts)
        return self.take()

    def refuse(self, reason: str = "simulation") -> None:
        for intent in self.pending:
            self.watcher.append(IntentRefused(intent=intent.digest, reason=reason, detail="a test"))
        self.pending = []

    def said(self, kind):
        return [o for o in self.outputs if isinstance(o, kind)]

    def liquid(self) -> list[NftPosition]:
        return [
            p
            for _, p in self.shard.tables.group(f"position/{MANAGER}", NftPosition)
            if p.owner == OWNER and p.liquidity
        ]


@pytest.mark.parametrize("down", [True, False])
def test_a_proposal_becomes_a_new_range(down):
    desk = Desk(live())
    desk.block(push=down)
    assert desk.said(RebalanceProposed)
    opened = desk.said(PlanOpened)
    assert len(opened) == 1
    for _ in range(8):
        desk.block()
    assert [i.step for i in desk.signer.done] in (
        ["withdraw", "approve", "swap", "approve", "approve", "mint"],
        ["withdraw", "approve", "swap", "approve", "approve", "mint", "reset"],
        ["withdraw", "approve", "swap", "approve", "approve", "mint", "reset", "reset"],
    )
    assert [o.outcome for o in desk.said(PlanClosed)] == ["done"]
    (position,) = desk.liquid()
    assert (position.tick_lower, position.tick_upper) == (opened[0].tick_lower, opened[0].tick_upper)
    assert not any(desk.watcher.chain.allowances.values())
    assert not desk.said(Quarantined)


def test_the_phases_go_out_one_after_the_other_and_their_transactions_together():
    desk = Desk(live())
    desk.block(push=True)
    phases = []
    for _ in range(6):
        if desk.pending:
            phases.append([i.step for i in desk.pending])
            afters = [i.after for i in desk.pending]
            assert afters[1:] == [i.digest for i in desk.pending[:-1]]
        desk.block()
    assert phases[:3] == [["withdraw"], ["approve", "swap"], ["approve", "approve", "mint"]]
    assert "plan" in [o.gate for o in desk.said(Declined)]


def test_a_dry_run_commands_nothing():
    desk = Desk(live(mode="dry-run"))
    desk.block(push=True)
    assert desk.said(RebalanceProposed)
    assert not desk.said(SubmitTransaction)


GUARDED = {
    "spot_from_twap": live(limits=Limits(twap_window_s=24, max_spot_from_twap_ticks=1)),
    "gas_price": live(limits=Limits(twap_window_s=24, max_spot_from_twap_ticks=2000, max_fee_per_gas_wei=1)),
    "notional": live(limits=Limits(twap_window_s=24, max_spot_from_twap_ticks=2000, max_notional_quote=1)),
    "daily_notional": live(
        limits=Limits(twap_window_s=24, max_spot_from_twap_ticks=2000, max_daily_notional_quote=1)
    ),
    "daily_actions": live(
        limits=Limits(twap_window_s=24, max_spot_from_twap_ticks=2000, max_actions_per_day=0)
    ),
    "cost": live(limits=Limits(twap_window_s=24, max_spot_from_twap_ticks=2000, max_cost_bps=0)),
    "not_plannable": live(limits=Limits(twap_window_s=100_000, max_spot_from_twap_ticks=2000)),
}


@pytest.mark.parametrize("reason", GUARDED)
def test_each_guard_refuses_before_anything_is_commanded(reason):
    desk = Desk(GUARDED[reason])
    desk.block(push=True)
    assert desk.said(RebalanceProposed)
    assert [o.reason for o in desk.said(StepRefused)] == [reason]
    assert not desk.said(SubmitTransaction)
    assert not desk.said(PlanOpened)


def test_a_plan_of_which_nothing_was_sent_gives_its_cooldown_back():
    desk = Desk(live())
    desk.block(push=True)
    desk.refuse("orphaned")
    desk.block()
    assert desk.said(PlanClosed)[0].outcome.startswith("never sent")
    desk.block()
    assert len(desk.said(PlanOpened)) >= 2, "it may propose at once again"
    assert len({i.digest for i in desk.said(SubmitTransaction)}) == len(desk.said(SubmitTransaction))


def test_a_pause_in_the_middle_stalls_and_then_holds():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    assert [i.step for i in desk.pending] == ["approve", "swap"]
    desk.refuse("paused")
    desk.watcher.append(Paused(scope="book/alpha", reason="stop", by="me"))
    for _ in range(8):
        desk.block()
    assert [o.reason.partition(":")[0] for o in desk.said(PlanStalled)] == ["step_failed", "paused"]
    assert desk.said(PlanClosed)[-1].outcome.startswith("stalled at swap")
    assert not desk.liquid(), "the tokens lie in the wallet, and the alert says so"


def test_a_reverted_swap_is_made_anew():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    desk.fails = {"swap"}
    desk.block()
    desk.fails = set()
    for _ in range(8):
        desk.block()
    steps = [i.step for i in desk.signer.done]
    assert steps.count("swap") == 2
    assert desk.said(PlanClosed)[-1].outcome == "done"
    assert len(desk.liquid()) == 1


def test_a_stalled_swap_may_be_given_up_for_a_range_that_fits():
    book = live(action=Rerange(half_width_ticks=100, stall_after_s=24, on_stall="mint_as_is"))
    desk = Desk(book)
    desk.block(push=True)
    desk.block()
    for _ in range(6):
        if [i.step for i in desk.pending] == ["approve", "swap"]:
            for intent in desk.pending:
                desk.watcher.append(Dropped(intent=intent.digest, reason="cancelled"))
            desk.pending = []
        desk.block()
    for _ in range(4):
        desk.block()
    plan = desk.said(PlanOpened)[0].plan
    tried = [i.step for i in desk.said(SubmitTransaction) if i.plan == plan]
    assert tried.count("swap") > 1, "tried until its time was over"
    assert [i.step for i in desk.signer.done if i.plan == plan][:4] == [
        "withdraw",
        "approve",
        "approve",
        "mint",
    ]
    assert desk.said(PlanClosed)[0].outcome == "done"
    assert len(desk.liquid()) == 1


def test_a_mint_that_a_reorg_takes_away_is_waited_for_and_not_made_twice():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    desk.block()
    assert [i.step for i in desk.pending][-1] == "mint"
    base = desk.watcher.fork("other")
    before = len(desk.signer.done)
    for _ in range(5):
        desk.block()
    assert desk.said(PlanClosed)
    orphaned = desk.signer.done[before:]
    desk.watcher.revert_to(base)
    desk.take()
    count = len(desk.said(SubmitTransaction))
    for _ in range(3):
        desk.block()
    assert desk.said(SubmitTransaction)[count:] == [], "the signed bytes are sent again, nothing new"
    chain = desk.watcher.chain
    chain.mine(0)
    receipts = tuple(desk.signer.execute(chain, intent) for intent in orphaned)
    desk.watcher.tell(receipts)
    desk.take()
    for _ in range(3):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == ["done", "done"], "once on each branch"
    assert len(desk.liquid()) == 1


def test_a_shard_that_begins_anew_leaves_no_book_waiting():
    desk = Desk(live())
    desk.block(push=True)
    for _ in range(7):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == ["done"]
    desk.watcher.append(Resumed(scope="shard", reason="a test", by="me"))
    desk.watcher.read_wanted()
    desk.take()
    for _ in range(3):
        desk.block()
    assert desk.said(Declined)[-1].gate == "band", "a finished plan is over, whatever was forgotten"


def test_a_plan_in_the_middle_is_closed_when_the_shard_begins_anew():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    desk.pending = []
    desk.watcher.append(Resumed(scope="shard", reason="a test", by="me"))
    desk.watcher.read_wanted()
    desk.take()
    assert desk.said(PlanClosed)[-1].outcome == "the shard forgot what was mined"
    for _ in range(3):
        desk.block()
    assert desk.said(Declined)[-1].gate != "plan" or len(desk.said(PlanOpened)) == 2


def test_the_same_story_gives_the_same_intents():
    one, two = Desk(live()), Desk(live())
    for desk in (one, two):
        desk.block(push=True)
        for _ in range(6):
            desk.block()
    assert one.said(SubmitTransaction) == two.said(SubmitTransaction)
    again = Shard(0)
    outputs = [
        o for at, event in enumerate(copy.deepcopy(one.watcher.log)) for o in advance(again, at, event)
    ]
    assert outputs == one.outputs
    assert msgspec.structs.asdict(again.tables.need("effects/alpha", BookEffects))["proposals"] == 1
    assert POOL
