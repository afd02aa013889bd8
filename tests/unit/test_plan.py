"""A proposal carried out on the toy chain: withdraw, swap, mint, reset, each made when it is due."""

import copy
from collections import Counter

import msgspec
import pytest
from builders import BASE, FINAL_DEPTH, MANAGER, OWNER, POOL, QUOTE, ROOMY_SIGNER, ROUTER
from desk import Desk, live

from pipeline.act.settle import note_failure
from pipeline.advance.wait_or_continue import waits_to_allow_s
from pipeline.drive import drive
from pipeline.messages.base import Receipt
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanStalled,
    Quarantined,
    RebalanceProposed,
)
from pipeline.messages.effects import BookEffects, Intent, Plan
from pipeline.messages.entries import Allowance
from pipeline.messages.events import (
    CancellationSigned,
    Dropped,
    IntentRefused,
    Paused,
    PolicyRemoved,
    Resumed,
    Signed,
)
from pipeline.messages.outcomes import Done, Left, NeverSent, Reverted, SignerRefused, Stalled
from pipeline.messages.policy import Limits, Rerange
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3.act.drafts import draft
from pipeline.venues.uniswap_v3.act.market import read_market
from pipeline.venues.uniswap_v3.act.range_goal import range_of
from pipeline.venues.uniswap_v3.calldata import read_calls


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
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    (position,) = desk.liquid()
    moved = range_of(opened[0].goal)
    assert (position.tick_lower, position.tick_upper) == (moved.tick_lower, moved.tick_upper)
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


def test_a_plan_of_which_nothing_was_sent_gives_its_cooldown_back():
    desk = Desk(live())
    desk.block(push=True)
    desk.refuse("orphaned")
    desk.block()
    assert isinstance(desk.said(PlanClosed)[0].outcome, NeverSent)
    desk.block()
    assert len(desk.said(PlanOpened)) >= 2, "it may propose at once again"
    assert len({i.digest for i in desk.said(SubmitTransaction)}) == len(desk.said(SubmitTransaction))


@pytest.mark.parametrize("reason", ["limits", "malformed", "paused"])
def test_what_a_signer_would_refuse_again_is_not_asked_at_every_block(reason):
    desk = Desk(live())
    desk.block(push=True)
    desk.refuse(reason)
    for _ in range(3):
        desk.block()
        assert [type(o.outcome) for o in desk.said(PlanClosed)] == [NeverSent]
        assert len(desk.said(PlanOpened)) == 1, "its cooldown runs"
    effects = desk.shard.tables.need("effects/alpha", BookEffects)
    assert effects.actions == (), "but it counts for nothing"
    desk.block()
    assert len(desk.said(PlanOpened)) == 2


def test_a_pause_in_the_middle_stalls_and_then_holds():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    assert [i.step for i in desk.pending] == ["approve", "swap"]
    desk.refuse("paused")
    desk.watcher.append(Paused(scope="book/alpha", reason="stop", by="me"))
    for _ in range(8):
        desk.block()
    assert [o.reason for o in desk.said(PlanStalled)] == ["step_failed", "paused"]
    assert desk.said(PlanClosed)[-1].outcome == Stalled(phase="swap", reason="paused")
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
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert len(desk.liquid()) == 1


def test_a_stalled_swap_may_be_given_up_for_a_range_that_fits():
    book = live(action=Rerange(half_width_log_bps=100, stall_after_s=24, on_stall="mint_as_is"))
    desk = Desk(book)
    desk.block(push=True)
    desk.block()
    for _ in range(6):
        if [i.step for i in desk.pending] == ["approve", "swap"]:
            for intent in desk.pending:
                desk.watcher.append(
                    Dropped(intent=intent.digest, cause="cancelled", detail="nonce 1 was cancelled")
                )
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
    assert desk.said(PlanClosed)[0].outcome == Done()
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
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done(), Done()], "once on each branch"
    assert len(desk.liquid()) == 1


def test_a_shard_that_begins_anew_leaves_no_book_waiting():
    desk = Desk(live())
    desk.block(push=True)
    for _ in range(7):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
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
    assert desk.said(PlanClosed)[-1].outcome == Left(phase="swap", reason="shard_forgot")
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
    assert drive(again, copy.deepcopy(one.watcher.log)) == one.outputs
    assert msgspec.structs.asdict(again.tables.need("effects/alpha", BookEffects))["proposals"] == 1
    assert POOL


# ------------------------------------------------------------------ allowances
@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("spender", [ROUTER, MANAGER])
def test_an_allowance_that_is_in_the_way_is_cleared_first(down, spender):
    """The toy's tokens go from one allowance to another only by way of 0, as USDT does."""
    desk = Desk(live())
    for token in (BASE, QUOTE):
        desk.watcher.chain.allowances[OWNER, token, spender] = 2**256 - 1
    desk.block(push=down)
    for _ in range(9):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    assert not desk.said(PlanStalled)
    assert not any(desk.watcher.chain.allowances.values())
    granted = [
        (i.call.to, *read_calls(i.call.data)[0].arguments) for i in desk.signer.done if i.step == "approve"
    ]
    assert 0 in [amount for _, whom, amount in granted if whom == spender]
    assert 0 not in [amount for _, whom, amount in granted if whom != spender]


def test_a_swap_that_failed_behind_its_allowance_is_made_anew():
    """The allowance of the first attempt prevents that of the second, unless it is equal."""
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    desk.fails = {"swap"}
    desk.block()
    left = desk.watcher.chain.allowances[OWNER, BASE, ROUTER]
    assert left > 0
    desk.fails = set()
    for _ in range(9):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    assert not any(desk.watcher.chain.allowances.values())


@pytest.mark.parametrize(
    ("granted", "approved"), [(0, [True]), (1, [False, True]), (None, [False, True]), ("just right", [])]
)
def test_what_is_allowed_already_says_what_must_be_approved(granted, approved):
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    _, swap = desk.pending
    desk.pending = []
    amount = read_calls(swap.call.data)[0].arguments[4]
    shard, key = desk.shard, f"allowance/{OWNER}/{BASE}/{ROUTER}"
    found = amount if granted == "just right" else granted
    shard.tables.put(key, None if found is None else Allowance(amount=found))
    goal = range_of(shard.tables.need("plan/alpha", Plan).goal)
    drafts = draft("swap", shard, live(), goal, read_market(shard, live(), swap.made_at.timestamp_s, 1))
    *approvals, last = drafts
    assert last.step == "swap"
    calls = [read_calls(each.call.data)[0].arguments for each in approvals]
    assert calls == [(ROUTER, amount if whole else 0) for whole in approved]


# ------------------------------------------------------------------ the base is token1
@pytest.mark.parametrize("down", [True, False])
def test_where_the_base_is_token1_every_sign_is_right(down):
    desk = Desk(live(base=QUOTE, quote=BASE))
    desk.block(push=down)
    for _ in range(9):
        desk.block()
    (proposed,) = desk.said(RebalanceProposed)
    # token0 falls in price when it is sold: token1, the base, rises, and its range has turned into token0
    assert (proposed.deviation_bps < 0) == down
    assert (proposed.base_to_buy > 0) == down
    (swap,) = (i for i in desk.signer.done if i.step == "swap")
    token_in = read_calls(swap.call.data)[0].arguments[0]
    assert token_in == (BASE if down else QUOTE), "what there is too much of is sold"
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    assert len(desk.liquid()) == 1
    share = desk.said(BookView)[-1].base_share_bps
    assert abs(share - 5_000) < 500


# ------------------------------------------------------------------ out of live in the middle
@pytest.mark.parametrize("mode", ["dry-run", "watch"])
def test_a_book_that_leaves_live_leaves_its_plan_and_says_so(mode):
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    assert [i.step for i in desk.pending] == ["approve", "swap"]
    desk.pending = []
    desk.set_policy(live(mode=mode, policy_version="v2"))
    assert [o.outcome for o in desk.said(PlanClosed)] == [Left(phase="swap", reason="policy_replaced")]
    commanded = len(desk.said(SubmitTransaction))
    for _ in range(8):
        desk.block()
    assert len(desk.said(SubmitTransaction)) == commanded
    assert desk.said(Declined)[-1].gate != "plan"
    desk.set_policy(live(policy_version="v3"))
    desk.block(push=False)
    for _ in range(12):
        desk.block()
    assert desk.said(PlanClosed)[-1].outcome == Done(), "live again, it begins anew"


def test_other_limits_change_nothing_of_an_open_plan():
    desk = Desk(live())
    desk.block(push=True)
    desk.set_policy(
        live(
            policy_version="v2",
            limits=Limits(
                twap_window_s=24,
                max_spot_from_twap_log_bps=2_000,
                max_cost_bps=400,
                max_slippage_bps=2_000,
                signer=ROOMY_SIGNER,
            ),
        )
    )
    assert not desk.said(PlanClosed)
    for _ in range(8):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]


def test_a_book_that_is_removed_in_the_middle_leaves_its_plan_and_says_so():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    desk.watcher.append(PolicyRemoved(book="alpha"))
    desk.take()
    assert desk.said(PlanClosed)[-1].outcome == Left(phase="swap", reason="book_removed")


def test_a_finished_plan_is_nothing_to_leave():
    desk = Desk(live())
    desk.block(push=True)
    for _ in range(8):
        desk.block()
    desk.set_policy(live(mode="watch", policy_version="v2"))
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]


# ------------------------------------------------------------------ the goal
@pytest.mark.parametrize("reserve", [0, 2 * 10**18, 3 * 10**18])
@pytest.mark.parametrize("base_is_token0", [True, False])
def test_reserves_do_not_keep_the_book_from_its_target(reserve, base_is_token0):
    """What stays in the wallet counts: the range holds so much less of it."""
    tokens = {} if base_is_token0 else {"base": QUOTE, "quote": BASE}
    desk = Desk(
        live(**tokens, action=Rerange(half_width_log_bps=300, stall_after_s=60, reserve_base=reserve))
    )
    desk.block(push=base_is_token0)
    for _ in range(7):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    assert abs(desk.said(BookView)[-1].base_share_bps - 5_000) < 200
    kept = desk.watcher.chain.balances[OWNER, tokens.get("base", BASE)]
    assert reserve <= kept <= reserve + 10**15


# ------------------------------------------------------------------ reports that mend at once
def test_a_cancellation_counts_with_its_block_and_goes_away_with_it():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    approve, swap = desk.pending
    desk.pending = []
    for intent, name in ((approve, "0xa1"), (swap, "0xa2")):
        desk.watcher.append(Signed(intent=intent.digest, nonce=1, transaction_hash=name))
        desk.watcher.append(CancellationSigned(intent=intent.digest, nonce=1, transaction_hash=f"{name}c"))
    desk.block()
    assert desk.shard.tables.need("intent/" + swap.digest, Intent).cancellations == ("0xa2c",)
    assert not desk.pending, "until one of the two is mined nothing is commanded"
    base = desk.watcher.fork("other")
    desk.watcher.chain.mine(0)
    desk.watcher.tell(tuple(receipt(f"{name}c") for name in ("0xa1", "0xa2")))
    desk.take()
    desk.watcher.chain.mine(0)
    desk.watcher.tell()
    desk.take()
    assert [i.step for i in desk.pending][-1] == "swap", "made again at the next block, not at final depth"
    assert desk.pending[0].after not in {approve.digest, swap.digest}
    desk.pending = []
    desk.watcher.revert_to(base)
    desk.take()
    before = len(desk.said(SubmitTransaction))
    for _ in range(3):
        desk.block()
    assert len(desk.said(SubmitTransaction)) == before, "the bytes that were dropped may be mined again"


def test_what_the_signer_has_forgotten_is_not_followed_again():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    followed = desk.pending[0].after
    assert followed is not None
    desk.refuse("predecessor")
    for _ in range(2):
        desk.block()
    assert desk.said(SubmitTransaction)[-1].step == "swap"
    assert desk.said(SubmitTransaction)[-2].after is None
    for _ in range(8):
        desk.block()
    assert desk.said(PlanClosed)[-1].outcome == Done()


def test_a_plan_that_no_reorg_opens_again_is_closed_for_good():
    desk = Desk(live())
    desk.block(push=True)
    for _ in range(8):
        desk.block()
    assert desk.shard.tables.need("plan/alpha", Plan).closed is None
    for _ in range(FINAL_DEPTH + 1):
        desk.block()
    assert desk.shard.tables.need("plan/alpha", Plan).closed == Done()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    desk.watcher.chain.allowances[OWNER, BASE, ROUTER] = 7
    for _ in range(3):
        desk.block()
    assert len(desk.said(PlanOpened)) == 1
    assert desk.said(SubmitTransaction)[-1].plan == desk.said(PlanOpened)[0].plan
    assert desk.watcher.chain.allowances[OWNER, BASE, ROUTER] == 7, "what the owner allows is the owner's"


def receipt(transaction_hash: str) -> Receipt:
    return Receipt(
        transaction_hash=transaction_hash,
        transaction_index=0,
        sender=OWNER,
        to=OWNER,
        succeeded=True,
        gas_used=21_000,
        effective_gas_price_wei=1,
    )


# ------------------------------------------------------------------ allowances for nothing
def only_approvals(desk: Desk) -> list[SubmitTransaction]:
    """Let the signer refuse every swap that is commanded, behind the allowance for it."""
    refused = [i for i in desk.pending if i.step == "swap"]
    desk.pending = [i for i in desk.pending if i.step != "swap"]
    for intent in refused:
        desk.watcher.append(IntentRefused(intent=intent.digest, reason="simulation", detail="a test"))
    return refused


def test_what_is_refused_for_the_same_reason_costs_no_allowance_at_each_block():
    """For example a router that takes another kind of call: the allowance is given, and the swap is not signed."""
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=240, on_stall="wait")))
    desk.block(push=True)
    swaps = 0
    for place in range(60):
        swaps += len(only_approvals(desk))
        # the price moves so far at each block that what was allowed before does not do
        desk.block(push=bool(place % 2) if place < 50 else None)
    granted = Counter(
        i.plan
        for i in desk.signer.done
        if i.step == "approve" and read_calls(i.call.data)[0].arguments[0] == ROUTER
    )
    assert swaps >= 3
    assert max(granted.values()) > 3, "one of the plans cannot go on without the swap"
    assert max(granted.values()) <= 2 * (2 + 60 * 12 // 240), "twice, then at most once in `stall_after`"
    for _ in range(40):
        desk.block()
    assert desk.said(PlanClosed)[0].outcome == Done(), "and once the signer takes it, the plan goes on"


@pytest.mark.parametrize(
    ("outcome", "waits"),
    [
        (Reverted(), [0, 60, 120, 240, 480, 600, 600]),
        (SignerRefused(reason="market"), [0, 60, 120, 240, 480, 600, 600]),
        (SignerRefused(reason="expired"), [0, 60, 120, 240, 480, 600, 600]),
        (SignerRefused(reason="limits"), [0, 600, 600, 600, 600, 600, 600]),
        (SignerRefused(reason="simulation"), [0, 600, 600, 600, 600, 600, 600]),
    ],
)
def test_what_the_market_lets_fail_is_allowed_for_again_after_growing_waits(outcome, waits):
    """What the signer refuses by its own limits it refuses again, so only after the policy's whole time to wait."""
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=600)))
    desk.block(push=True)
    plan, told = desk.shard.tables.need("plan/alpha", Plan), []
    for _ in waits:
        plan = note_failure(plan, "swap", "swap", outcome)
        told.append(
            waits_to_allow_s(plan, "swap", live(action=Rerange(half_width_log_bps=100, stall_after_s=600)))
        )
    assert told == waits
    assert waits_to_allow_s(plan, "mint", live()) == 0


def test_an_allowance_that_is_a_little_more_is_used_as_it_stands():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    _, swap = desk.pending
    desk.pending = []
    amount = read_calls(swap.call.data)[0].arguments[4]
    shard = desk.shard
    goal = range_of(shard.tables.need("plan/alpha", Plan).goal)
    market = read_market(shard, live(), swap.made_at.timestamp_s, 1)
    for granted, count in ((amount + amount // 20, 0), (amount + amount // 20 + 1, 2), (amount - 1, 2)):
        shard.tables.put(f"allowance/{OWNER}/{BASE}/{ROUTER}", Allowance(amount=granted))
        assert len(draft("swap", shard, live(), goal, market)) == count + 1


def test_what_failed_in_one_phase_holds_no_allowance_of_the_next_one():
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=600)))
    desk.block(push=True)
    for _ in range(4):
        only_approvals(desk)
        desk.block()
    while "swap" not in [i.step for i in desk.signer.done]:
        desk.block()
    assert [i.step for i in desk.pending][-1] == "mint", "commanded in the block of the swap"
