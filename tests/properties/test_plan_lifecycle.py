"""Under random receipts, refusals, silence, reorgs, operators and time a plan follows the table of its states, and ends.

Each record of the log is folded alone. What it does to the plan's state must be in the table: what happens to a plan by itself, what
the plan does as it told `check_move`.
"""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from builders import FINAL_DEPTH
from desk import live
from lifecycle import Lifecycle, small_swap
from msgspec.structs import replace
from toy_sender import Wants, everything
from toy_signer import whale

from pipeline.act.lifecycle import TABLE
from pipeline.advance import plans
from pipeline.drive import drive
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanClosed, Quarantined
from pipeline.messages.effects import Plan
from pipeline.messages.events import BlockSeen, BlocksReverted, IntentRefused, IntentReport, Paused, Resumed
from pipeline.messages.journal import Attempt
from pipeline.messages.outcomes import Left
from pipeline.messages.policy import Policy, Rerange

SEEDS = (52, 7, 41, 60, 59, 1, 2, 3, 4, 9)
"""Together they walk every row but one; in the first a reorg goes below where the shard began anew."""
STEPS = 60
MOST_CALM_BLOCKS = 60
"""A deadline, the policy's time, the depth at which blocks are final, and the blocks of a plan's phases."""
REASONS = ("simulation", "market", "predecessor", "limits", "expired")
STRANGER = "0x" + "99" * 20


class WatchedLife(Lifecycle):
    """A life whose plan's state is looked at before and after each record."""

    living: "WatchedLife"
    """The one that is being lived."""

    def __init__(self, book: Policy, moves: list[tuple[str, str, str]], seed: int) -> None:
        self.moves = moves
        """Those that plans have told since they were last looked at."""
        self.taken: Counter[tuple[str, str]] = Counter()
        """By state, what happened to a plan or what it did."""
        self.strange: list[str] = []
        """What is not in the table."""
        WatchedLife.living = self
        super().__init__(book, seed=seed)

    def take(self) -> list[object]:
        new: list[object] = []
        for record in self.watcher.log[self.offset :]:
            before = self.state
            said = list(drive(self.shard, [record]))
            self.note(record, before, said)
            new += said
        return self.took(new)

    def note(self, record: object, before: str, said: list[Output]) -> None:
        """Hold a record against the table: first what it did to the plan, then what the plan did."""
        moves, self.moves[:] = list(self.moves), []
        left = any(isinstance(each, PlanClosed) and isinstance(each.outcome, Left) for each in said)
        happened = {BlocksReverted: "reorg", BlockSeen: "block"}.get(type(record), "")
        if isinstance(record, IntentReport):
            happened = "report"
        ended = not happened and before != self.state and self.state in ("over", "clearing")
        if (left and not moves) or ended:
            happened = "leave"
        after = moves[0][0] if moves else self.state
        for step in ((before, happened or "block", after), *moves):
            self.taken[step[:2]] += 1
            if step[2] not in TABLE[step[0]].get(step[1], ()):
                self.strange.append(f"{self.offset}: {step} by {type(record).__name__}")
        ends = [*(each[2] for each in moves), self.state]
        if moves and (ends[-1] != ends[-2] or any(a[2] != b[0] for a, b in pairwise(moves))):
            self.strange.append(f"{self.offset}: {moves} do not lead to {self.state}")


class Walk:
    """A plan that meets with trouble of every kind, in any order, and then with none."""

    def __init__(self, seed: int, moves: list[tuple[str, str, str]]) -> None:
        self.dice = Random(seed)
        on_stall = self.dice.choice(["wait", "mint_as_is", "mint_as_is", "hold_and_alert"])
        patience_s = self.dice.choice([0, 60, 60])
        self.book = live(action=Rerange(half_width_log_bps=100, stall_after_s=patience_s, on_stall=on_stall))
        self.unanswered: list[str] = []
        self.life = WatchedLife(self.book, moves, seed)

    def trouble(self) -> None:
        kinds = {
            self.calm_block: 6,
            self.push: 4,
            self.leave_out: 3,
            self.refuse: 3,
            self.say_nothing: 2,
            self.revert_some: 3,
            self.reorg: 3,
            self.storm: 2,
            self.pause: 1,
            self.tighten: 1,
            self.leave: 1,
            self.begin_anew: 1,
            self.say_again: 3,
        }
        self.push()
        for _ in range(STEPS):
            self.dice.choices(list(kinds), list(kinds.values()))[0]()

    def calm_block(self) -> None:
        self.life.block()

    def push(self) -> None:
        down = self.dice.random() < 0.5
        self.life.block(lambda chain: whale(chain, down=down), wants=self.some())

    def some(self) -> Wants:
        kept = self.dice.random()
        return lambda _: self.dice.random() < kept

    def leave_out(self) -> None:
        for _ in range(self.dice.randint(1, 4)):
            self.life.block(wants=self.some())

    def refuse(self) -> None:
        for each in self.life.queue:
            reason = self.dice.choice(REASONS)
            self.life.watcher.append(IntentRefused(intent=each.digest, reason=reason, detail="a test"))
        self.life.queue.clear()
        self.life.take()

    def say_again(self) -> None:
        """Let a report come twice, however old it is."""
        reports = [each for each in self.life.watcher.log if isinstance(each, IntentReport)]
        if reports:
            self.life.watcher.append(self.dice.choice(reports[-6:]))
            self.life.take()

    def say_nothing(self) -> None:
        self.unanswered += [each.digest for each in self.life.queue]
        self.life.queue.clear()
        for _ in range(self.dice.randint(1, 8)):
            self.life.block()

    def revert_some(self) -> None:
        self.life.sender.reverts = self.some()
        for _ in range(self.dice.randint(1, 3)):
            self.life.block()
        self.life.sender.reverts = lambda _: False

    def reorg(self) -> None:
        head, heads = self.life.chain.head.number, self.life.before
        deepest = min(6, head - min(heads), head - max(heads) + FINAL_DEPTH - 3)
        if deepest > 0:
            self.life.reorg(self.dice.randint(1, deepest), again=self.dice.random() < 0.5)

    def storm(self) -> None:
        self.life.watcher.base_fee_wei = 10**12
        for _ in range(self.dice.randint(1, 8)):
            self.life.block()
        self.life.watcher.base_fee_wei = 10**9

    def pause(self) -> None:
        self.life.watcher.append(Paused(scope="book/alpha", reason="stop", by="me"))
        for _ in range(self.dice.randint(1, 9)):
            self.life.block()
        self.life.watcher.append(Resumed(scope="book/alpha", reason="go", by="me"))

    def tighten(self) -> None:
        """Let the policy's limits refuse everything for a while."""
        limits = replace(self.book.limits, max_spot_from_twap_log_bps=-1)
        self.life.watcher.set_policy(replace(self.book, limits=limits, policy_version="tight"))
        for _ in range(self.dice.randint(1, 8)):
            self.life.block()
        self.life.watcher.set_policy(self.book)

    def leave(self) -> None:
        """Give the book another signer, and its own back; for a while nothing is mined."""
        self.life.watcher.set_policy(replace(self.book, signer=STRANGER, mode="watch", policy_version="away"))
        self.life.block()
        self.life.watcher.set_policy(self.book)
        self.life.take()
        for number in range(self.dice.randint(0, 7)):
            down = bool(number % 2)
            self.life.block(lambda chain, down=down: whale(chain, down=down), wants=lambda _: False)

    def begin_anew(self) -> None:
        self.life.watcher.append(Resumed(scope="shard", reason="a test", by="me"))
        self.life.watcher.read_wanted()
        self.life.take()

    def until_settled(self) -> int:
        """Let the signer answer and the policy wait no longer, then nothing more happen.

        Counts the blocks until the plan is over, or another one was begun. Under `wait` a plan whose step keeps failing has no other
        end than the operator's.
        """
        action = replace(self.book.action, on_stall="hold_and_alert")
        self.life.watcher.set_policy(replace(self.book, action=action, policy_version="ends"))
        for digest in self.unanswered:
            self.life.watcher.append(IntentRefused(intent=digest, reason="expired", detail="a test"))
        self.life.take()
        plan = self.life.shard.tables.find("plan/alpha", Plan)
        for blocks in range(MOST_CALM_BLOCKS):
            now = self.life.shard.tables.find("plan/alpha", Plan)
            if now is None or plan is None or now.id != plan.id or self.life.state == "over":
                return blocks
            self.life.block(small_swap, wants=everything)
        raise AssertionError(f"{self.life.state} after {MOST_CALM_BLOCKS} calm blocks: {plan}")


def of_failing_resets(moves: list[tuple[str, str, str]]) -> WatchedLife:
    """A swap reverts until its plan ends, then what would take its allowance back does: another plan begins all the same."""
    life = WatchedLife(live(action=Rerange(half_width_log_bps=100, stall_after_s=60)), moves, seed=5)

    def reverts(attempt: Attempt) -> bool:
        digest = attempt.transaction_hash[-16:]
        return any(
            each.digest.rjust(16, "0") == digest
            for step in ("swap", "reset")
            for each in life.commanded(step)
        )

    life.sender.reverts = reverts
    for _ in range(60):
        life.block(lambda chain: whale(chain, down=True))
        if life.taken["clearing", "open"]:
            break
    return life


@pytest.fixture(scope="module")
def lives():
    moves: list[tuple[str, str, str]] = []
    real, walked = plans.check_move, []

    def told(before: str, move: str) -> None:
        moves.append((before, move, WatchedLife.living.state))
        real(before, move)

    plans.check_move = told
    try:
        for seed in SEEDS:
            walk = Walk(seed, moves)
            walk.trouble()
            walk.until_settled()
            walked.append(walk.life)
        yield [*walked, of_failing_resets(moves)]
    finally:
        plans.check_move = real


def test_nothing_leaves_the_table(lives):
    assert [strange for life in lives for strange in life.strange] == []
    assert [said for life in lives for said in life.said(Quarantined)] == []


def test_every_state_is_reached_and_every_row_of_it_is_walked(lives):
    taken: Counter[tuple[str, str]] = sum((life.taken for life in lives), Counter())
    rows = {(state, event) for state, events in TABLE.items() for event in events}
    assert {state for state, _ in taken} == TABLE.keys()
    assert rows - taken.keys() == set(), taken


def test_from_every_state_the_table_leads_to_an_end():
    leads = {
        state: {after for afters in events.values() for after in afters} for state, events in TABLE.items()
    }
    moves = {
        state: {
            a
            for e, afters in events.items()
            if e in ("command", "hold", "give_up", "end", "block")
            for a in afters
        }
        for state, events in TABLE.items()
    }
    ends = {"over"}
    while more := {state for state, afters in moves.items() if afters & ends} - ends:
        ends |= more
    assert ends | {"none"} == TABLE.keys()
    assert leads["over"] >= {"commanded"}, "and another plan may begin"


def test_a_reorg_below_where_a_shard_began_ends_its_plan():
    """No block before its new beginning shows the outcome of the plan's transactions."""
    walk = Walk(1, [])
    walk.begin_anew()
    life = walk.life
    began = life.chain.head.number
    while life.state != "commanded":
        life.block(lambda chain: whale(chain, down=True), wants=lambda _: False)
    life.reorg(life.chain.head.number - began + 1)
    plan = life.shard.tables.need("plan/alpha", Plan)
    assert isinstance(plan.closed, Left)
    assert plan.closed.reason == "shard_forgot"
    assert not plan.steps
