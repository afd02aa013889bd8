"""A refusal in the middle of a plan, by each guard, in each phase, under each policy: tokens in the wallet are always reported."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE, ROOMY_SIGNER, ROUTER, STRANGER
from desk import Desk, live
from msgspec.structs import replace
from toy_signer import whale
from uptime import by_the_sequencer

from pipeline.act.guards import guards_with
from pipeline.advance.books import stock_of
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanStalled,
    Quarantined,
    RebalanceProposed,
    StepRefused,
)
from pipeline.messages.effects import Plan
from pipeline.messages.events import IntentRefused, Paused, Resumed
from pipeline.messages.goals import read_terms
from pipeline.messages.outcomes import AnyPlanOutcome, Done, NeverSent, Stalled
from pipeline.messages.policy import Policy, Rerange
from pipeline.messages.prices import Par, Reference
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView
from pipeline.units import RawAmount, Seconds, SqrtPriceX96
from pipeline.venues.uniswap_v3.act import actions, drafts, market
from pipeline.venues.uniswap_v3.act.missed_fees import Growth, missed_fees
from pipeline.venues.uniswap_v3.act.range_goal import range_of
from pipeline.venues.uniswap_v3.act.withdrawals import WITHDRAW_GAS

Refusing = Callable[[Desk, pytest.MonkeyPatch], Any]
PATIENCE_BLOCKS = 3
"""What `stall_after` gives."""


# ------------------------------------------------------------------ what makes each guard refuse
@contextmanager
def paused(desk: Desk, _: pytest.MonkeyPatch) -> Iterator[None]:
    desk.watcher.append(Paused(scope="book/alpha", reason="stop", by="me"))
    yield
    desk.watcher.append(Resumed(scope="book/alpha", reason="go", by="me"))


@contextmanager
def dear_gas(desk: Desk, _: pytest.MonkeyPatch) -> Iterator[None]:
    desk.watcher.base_fee_wei = 10**12
    yield
    desk.watcher.base_fee_wei = 10**9


def other_limits(**changes: Any) -> Refusing:
    """The same book, under limits that its market does not keep."""
    return another(lambda book: {"limits": replace(book.limits, **changes)})


def another(changes: Callable[[Policy], dict[str, Any]]) -> Refusing:
    """The same book under another policy for a while."""

    @contextmanager
    def changed(desk: Desk, _: pytest.MonkeyPatch) -> Iterator[None]:
        book = desk.shard.tables.need("policy/alpha", Policy)
        desk.set_policy(replace(book, **changes(book), policy_version="narrow"))
        yield
        desk.set_policy(book)

    return changed


def patched(where: Any, name: str, make: Callable[[Any], Any]) -> Refusing:
    """A plan that is made wrong: no honest state leads there, so the planner is."""

    @contextmanager
    def wrong(_: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, make(getattr(where, name)))
            yield

    return wrong


def elsewhere(was: Any) -> Any:
    return lambda *a: tuple(replace(each, call=replace(each.call, to=STRANGER)) for each in was(*a))


def any_limit(was: Any) -> Any:
    return lambda *a: replace(was(*a), limit_x96=SqrtPriceX96(10**10))


def cut_short(was: Any) -> Any:
    return lambda *a: replace(was(*a), limited=True)


def never_ending(_: Any) -> Any:
    return lambda _, market: Seconds(market.now_s + 10**6)


def for_nothing(_: Any) -> Any:
    return lambda *_, **__: RawAmount(1)


REFUSING: dict[str, Refusing] = {
    "paused": paused,
    "sequencer": another(lambda book: {"chain": by_the_sequencer(book).chain}),
    "spot_from_twap": other_limits(max_spot_from_twap_log_bps=-1),
    "references": another(lambda _: {"references": (Reference(price=Par(unit=QUOTE)),)}),
    "gas_price": dear_gas,
    "swap_limited": patched(drafts, "size_swap", cut_short),
    "cost": other_limits(max_cost_bps=0),
    "not_allowed": patched(actions, "draft", elsewhere),
    "mint_limited": other_limits(max_slippage_bps=0),
    "depth": other_limits(signer=replace(ROOMY_SIGNER, max_share_of_depth_bps=0)),
    "min_out": patched(drafts, "least_of_quote", for_nothing),
    "price_limit": patched(drafts, "size_swap", any_limit),
    "deadline": patched(market, "deadline_of", never_ending),
}
OPENINGS = {"no_improvement", "notional", "daily_notional", "daily_actions", "daily_cost", "daily_gas"}
"""These limit a whole action: once it has begun nothing of them is asked."""
SWAP_ONLY = {"swap_limited", "min_out", "price_limit"}
MINT_ONLY = {"mint_limited", "depth"}
NOT_OF_RESETS = {
    *SWAP_ONLY,
    "deadline",
    "paused",
    "sequencer",
    "spot_from_twap",
    "references",
    "gas_price",
    "cost",
}
CASES = [
    (guard, phase)
    for guard in REFUSING
    for phase in ("withdraw", "swap", "mint", "reset")
    if not (guard in SWAP_ONLY and phase != "swap")
    and not (guard in MINT_ONLY and phase != "mint")
    and not (guard in NOT_OF_RESETS and phase == "reset")
]
POLICIES = ("wait", "mint_as_is", "hold_and_alert")


def desk_at(phase: str, on_stall: str) -> Desk:
    """A desk whose next block makes a phase due."""
    desk = Desk(
        live(action=Rerange(half_width_log_bps=100, stall_after_s=12 * PATIENCE_BLOCKS, on_stall=on_stall))
    )
    desk.block(push=True)
    before = {"withdraw": "withdraw", "swap": "withdraw", "mint": "swap", "reset": "mint"}[phase]
    while desk.pending[-1].step != before:
        desk.block()
    if phase == "withdraw":  # the first one reverts, so there is a second
        desk.fails = {"withdraw"}
        desk.block()
        desk.fails = set()
    if phase == "reset":
        for token in (BASE, QUOTE):
            desk.watcher.chain.allowances[OWNER, token, ROUTER] = 7
    return desk


def stalls(desk: Desk, phase: str) -> list[str]:
    return [o.reason for o in desk.said(PlanStalled) if o.phase == phase]


def ending(desk: Desk) -> AnyPlanOutcome:
    """How the plan ends, in not too long a time."""
    for _ in range(14):
        if desk.said(PlanClosed):
            break
        desk.block()
    return desk.said(PlanClosed)[0].outcome


def is_whole(desk: Desk) -> bool:
    """All liquidity in one range, and nobody may take anything."""
    return len(desk.liquid()) == 1 and not any(desk.watcher.chain.allowances.values())


def test_every_guard_that_may_refuse_in_the_middle_has_its_stories():
    assert REFUSING.keys() | OPENINGS | {"stale_block"} == guards_with(actions.GUARDS).keys()


@pytest.mark.parametrize("on_stall", POLICIES)
@pytest.mark.parametrize(("guard", "phase"), CASES)
def test_a_refusal_in_the_middle_is_told_and_ends_as_the_policy_says(guard, phase, on_stall, monkeypatch):
    desk = desk_at(phase, on_stall)
    with REFUSING[guard](desk, monkeypatch):
        if phase == "reset":  # the block that mints: the NFT is read behind it
            desk.block()
        commanded = len(desk.said(SubmitTransaction))
        for _ in range(PATIENCE_BLOCKS - 1):
            desk.block()
            assert stalls(desk, phase)[-1] == guard
            assert len(desk.said(SubmitTransaction)) == commanded, "while it is refused nothing goes out"
        assert stalls(desk, phase).count(guard) == 1, "told once"
        assert [o.reason for o in desk.said(StepRefused)] == [guard]
        assert not desk.said(PlanClosed)
        gave_up_swap = on_stall == "mint_as_is" and phase == "swap"
        if on_stall == "wait":
            for _ in range(PATIENCE_BLOCKS + 4):
                desk.block()
            assert not desk.said(PlanClosed)
            assert desk.said(Declined)[-1].reason in {"plan_open", "paused"}
        elif not gave_up_swap:
            assert ending(desk) == Stalled(phase=phase, reason=guard)
            return
        elif guard not in SWAP_ONLY:  # what refuses the swap refuses the mint as well
            assert ending(desk) == Stalled(phase="mint", reason=guard)
            assert stalls(desk, "mint") == [guard]
            return
        else:
            assert ending(desk) == Done()
    assert ending(desk) == Done()
    assert is_whole(desk)
    plan_id = desk.said(PlanStalled)[0].plan
    swapped = [i for i in desk.signer.done if i.plan == plan_id and i.step == "swap"]
    assert bool(swapped) != gave_up_swap


@pytest.mark.parametrize("on_stall", POLICIES)
@pytest.mark.parametrize("phase", ["swap", "mint", "reset"])
def test_a_middle_that_comes_back_on_a_shorter_branch_waits_for_it_to_be_as_high(phase, on_stall):
    desk = desk_at(phase, on_stall)
    book = desk.shard.tables.need("policy/alpha", Policy)
    desk.set_policy(replace(book, limits=replace(book.limits, max_age_blocks=3), policy_version="v2"))
    desk.watcher.append(Paused(scope="all", reason="hold", by="me"))
    desk.block()
    base = desk.watcher.fork("other")
    for _ in range(PATIENCE_BLOCKS - 1):
        desk.block()
    for _ in range(6):
        desk.watcher.chain.mine(0)
        desk.watcher.tell()
    desk.watcher.revert_to(base)
    desk.watcher.append(Resumed(scope="all", reason="go", by="me"))
    before = len(desk.said(SubmitTransaction))
    desk.take()
    closed = len(desk.said(PlanClosed))
    for _ in range(3):
        desk.block()
        if not closed:
            assert stalls(desk, phase)[-1] == "stale_block"
            assert len(desk.said(SubmitTransaction)) == before
    ended = ending(desk)
    assert (ended == Done() and is_whole(desk)) or isinstance(ended, Stalled)


@pytest.mark.parametrize("on_stall", POLICIES)
@pytest.mark.parametrize("phase", ["swap", "mint", "reset"])
def test_a_step_that_keeps_failing_ends_as_the_policy_says(phase, on_stall):
    """No guard, but transactions that revert: the same clock, the same ends."""
    desk = desk_at(phase, on_stall)
    desk.fails = {phase}
    if on_stall == "wait":
        for _ in range(PATIENCE_BLOCKS + 4):
            desk.block()
        assert not desk.said(PlanClosed)
        desk.fails = set()
    ended = ending(desk)
    assert stalls(desk, phase) == ["step_failed"]
    if on_stall == "wait" or (on_stall == "mint_as_is" and phase == "swap"):
        assert ended == Done()
        assert is_whole(desk)
    else:
        assert ended == Stalled(phase=phase, reason="step_failed")


def test_what_keeps_failing_is_not_tried_at_every_block_for_ever():
    desk = desk_at("swap", "wait")
    book = desk.shard.tables.need("policy/alpha", Policy)
    desk.set_policy(replace(book, action=replace(book.action, stall_after_s=120), policy_version="v2"))
    desk.fails = {"swap"}
    tried = []
    for _ in range(60):
        desk.block()
        tried.append(sum(i.step == "swap" for i in desk.signer.done))
    assert 4 <= tried[11] <= 7, "at first at each block that it can"
    assert tried[-1] - tried[11] <= 5, "then once in ten blocks"
    desk.fails = set()
    assert ending(desk) == Done()
    assert is_whole(desk)


# ------------------------------------------------------------------ a book that is not known
@pytest.mark.parametrize("on_stall", POLICIES)
@pytest.mark.parametrize("phase", ["swap", "mint", "reset"])
def test_a_quarantine_in_the_middle_is_told_of_the_plan_and_gives_nothing_up(phase, on_stall):
    desk = desk_at(phase, on_stall)
    item = f"balance/{OWNER}/{BASE}"
    wrong = replace(desk.watcher.chain.read(item, "check", desk.watcher.term), amount=1)
    desk.watcher.append(wrong)
    for _ in range(PATIENCE_BLOCKS + 6):
        desk.block()
    assert [o.item for o in desk.said(Quarantined)] == [item]
    assert [(o.reason, o.detail) for o in desk.said(PlanStalled)] == [("quarantined", item)]
    assert not desk.said(PlanClosed)
    desk.watcher.append(Resumed(scope=item, reason="looked", by="me"))
    desk.watcher.read_wanted()
    assert ending(desk) == Done()
    assert is_whole(desk)


def test_a_block_in_which_an_nft_is_not_read_yet_is_no_stall():
    desk = desk_at("mint", "hold_and_alert")
    assert ending(desk) == Done()
    assert "observed" in [o.gate for o in desk.said(Declined)]
    assert not desk.said(PlanStalled)


# ------------------------------------------------------------------ what was left in the wallet
@pytest.mark.parametrize("phase", ["swap", "mint"])
def test_tokens_that_a_plan_left_in_the_wallet_are_taken_up_again(phase, monkeypatch):
    """Also where the share is as it should be: without liquidity the book is idle."""
    desk = desk_at(phase, "hold_and_alert")
    with REFUSING["gas_price"](desk, monkeypatch):
        assert ending(desk) == Stalled(phase=phase, reason="gas_price")
        assert not desk.liquid()
        book = desk.shard.tables.need("policy/alpha", Policy)
        share = desk.said(BookView)[-1].base_share_bps
        at_target = replace(book.strategy, target_share_bps=share, hold_out_of_range_s=60)
        desk.set_policy(replace(book, strategy=at_target, policy_version="v2"))
    before = len(desk.said(RebalanceProposed))
    for _ in range(18):
        desk.block()
    again = desk.said(RebalanceProposed)[before:]
    assert [o.trigger for o in again] == ["out_of_range"]
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert is_whole(desk)


def test_a_book_that_never_had_liquidity_is_not_idle():
    """Whether tokens that merely lie there are to be provided is the owner's to say: by a share out of its band."""
    desk = Desk(live())
    chain = desk.watcher.chain
    chain.mine(0)
    chain.decrease(2, chain.nfts[2].liquidity)
    chain.collect(2)
    desk.watcher.tell()
    for _ in range(12):
        desk.block()
    assert not desk.liquid()
    assert not desk.said(RebalanceProposed)


# ------------------------------------------------------------------ what was left allowed
def left_allowed(desk: Desk) -> dict:
    return {key: amount for key, amount in desk.watcher.chain.allowances.items() if amount}


def stalled_behind_its_allowance() -> Desk:
    """The swap's allowance is mined, the swap is refused until the plan gives up: its tokens and the allowance lie there."""
    desk = desk_at("swap", "hold_and_alert")
    for _ in range(PATIENCE_BLOCKS + 6):
        if desk.said(PlanClosed):
            break
        for intent in [i for i in desk.pending if i.step == "swap"]:
            desk.watcher.append(IntentRefused(intent=intent.digest, reason="simulation", detail="a test"))
        desk.pending = [i for i in desk.pending if i.step != "swap"]
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Stalled(phase="swap", reason="step_failed")]
    return desk


def test_an_allowance_that_a_plan_leaves_in_the_middle_is_taken_back():
    desk = stalled_behind_its_allowance()
    assert left_allowed(desk)
    desk.block()
    desk.block()
    assert not left_allowed(desk)
    resets = [i for i in desk.signer.done if i.step == "reset"]
    assert {i.plan for i in resets} == {desk.said(PlanClosed)[0].plan}


@pytest.mark.parametrize("guard", ["paused", "gas_price", "spot_from_twap", "references", "cost"])
def test_neither_price_nor_gas_nor_a_pause_holds_a_permission_that_is_taken_back(guard, monkeypatch):
    desk = stalled_behind_its_allowance()
    with REFUSING[guard](desk, monkeypatch):
        for _ in range(3):
            desk.block()
        assert not left_allowed(desk)
        last = [i for i in desk.said(SubmitTransaction) if i.step == "reset"][-1]
        assert last.max_fee_per_gas_wei >= 2 * desk.watcher.base_fee_wei


def test_a_pause_of_everything_holds_that_too():
    desk = stalled_behind_its_allowance()
    desk.pending = []
    desk.watcher.append(Paused(scope="all", reason="stop", by="me"))
    commanded = len(desk.said(SubmitTransaction))
    for _ in range(8):
        desk.block()
    assert len(desk.said(SubmitTransaction)) == commanded
    desk.watcher.append(Resumed(scope="all", reason="go", by="me"))
    for _ in range(14):
        desk.block()
    assert not left_allowed(desk)


def test_a_reset_that_keeps_failing_neither_floods_nor_blocks_the_book():
    desk = stalled_behind_its_allowance()
    desk.fails = {"reset"}
    for _ in range(24):
        desk.block()
    closed = desk.said(PlanClosed)[0].plan
    tried = [i for i in desk.signer.done if i.step == "reset" and i.plan == closed]
    assert 2 <= len(tried) <= 2 + 24 // PATIENCE_BLOCKS
    desk.fails = set()
    for _ in range(24):
        desk.block()
    assert not left_allowed(desk)


def test_a_plan_of_which_nothing_was_sent_leaves_what_the_owner_allows():
    fresh = Desk(live())
    fresh.watcher.chain.allowances[OWNER, BASE, ROUTER] = 7
    fresh.block(push=True)
    fresh.refuse("limits")
    for _ in range(3):
        fresh.block()
    assert isinstance(fresh.said(PlanClosed)[0].outcome, NeverSent)
    assert fresh.watcher.chain.allowances[OWNER, BASE, ROUTER] == 7


# ------------------------------------------------------------------ finishing is worth more than beginning
def a_little_too_dear(desk: Desk) -> None:
    """Set the gas price one gwei above the policy's ceiling of 200."""
    desk.watcher.base_fee_wei = 100 * 10**9


def trade(desk: Desk, *, blocks: int) -> None:
    """Others trade much, there and back: liquidity in range earns."""
    for _ in range(blocks):
        chain = desk.watcher.chain
        desk.block()
        chain.mine(0)
        for down in (True, False):
            whale(chain, down=down, amount=5 * 10**20)
        desk.watcher.tell()
        desk.take()


@pytest.mark.parametrize("phase", ["swap", "mint"])
def test_gas_above_the_ceiling_is_paid_once_waiting_has_cost_as_much(phase):
    desk = desk_at(phase, "wait")
    a_little_too_dear(desk)
    desk.block()
    for _ in range(12):
        desk.block()
    assert stalls(desk, phase) == ["gas_price"], "where nobody trades nothing is missed"
    assert not desk.said(PlanClosed)
    trade(desk, blocks=8)
    assert desk.said(PlanClosed), "by then the fees that were missed would have paid for it"
    dear = [i for i in desk.signer.done if i.step == phase]
    assert dear[-1].max_fee_per_gas_wei == 201 * 10**9


@pytest.mark.parametrize("phase", ["swap", "mint"])
@pytest.mark.parametrize("ends", ["the storm is over", "others trade", "three quarters of the time are over"])
def test_gas_far_above_the_foreseen_is_waited_out(phase, ends):
    """Twenty times as dear, and far below the ceiling: until it falls, or waiting has cost as much, or a plan would be left outside."""
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=480, on_stall="wait")))
    desk.block(push=True)
    while desk.pending[-1].step != {"swap": "withdraw", "mint": "swap"}[phase]:
        desk.block()
    desk.watcher.base_fee_wei = 20 * 10**9
    opened_s = desk.said(PlanOpened)[0].because_of.block.timestamp_s
    while desk.watcher.chain.head.timestamp_s < opened_s + 348:
        desk.block()
    went = [i.step for i in (*desk.signer.done, *desk.pending)]
    assert phase not in went, "360 s are not over"
    assert stalls(desk, phase) == ["gas_price"]
    if ends == "the storm is over":
        desk.watcher.base_fee_wei = 10**9
    if ends == "others trade":
        trade(desk, blocks=5)
    for _ in range(2):
        desk.block()
    went = [i.step for i in (*desk.signer.done, *desk.pending)]
    assert phase in went, [(o.phase, o.reason) for o in desk.said(PlanStalled)]


@pytest.mark.parametrize("fee_gwei", [2, 3])
def test_gas_that_is_a_little_dearer_than_foreseen_is_paid_at_once(fee_gwei):
    desk = desk_at("swap", "wait")
    desk.watcher.base_fee_wei = fee_gwei * 10**9
    desk.block()
    assert desk.pending[-1].step == "swap"


def test_no_phase_offers_more_for_its_gas_than_the_whole_plans_was_foreseen_to_cost():
    """A storm that begins while it waits would have it bumped to the policy's ceiling, far above what the guards let pass."""
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=480, on_stall="wait")))
    desk.block(push=True)
    while not desk.said(PlanClosed):
        desk.block()
    foreseen = desk.said(PlanOpened)[0].foreseen
    commanded = {each.made_at.number: [] for each in desk.signer.done if each.step != "reset"}
    for each in desk.signer.done:
        commanded.get(each.made_at.number, []).append(each.call.gas_limit * each.max_fee_per_gas_wei)
        assert each.max_fee_per_gas_wei >= 3 * 10**9, "twice the base fee and the tip"
    assert len(commanded) == 3
    for at_most_wei in commanded.values():
        assert sum(at_most_wei) < foreseen.gas_at_limits * 11 // 10, (
            "valued at spot, which is within a tenth of one"
        )


def test_a_withdrawal_is_not_made_again_in_a_storm():
    """Nothing is outside, so nothing is missed by waiting; a plan that begins later counts what gas costs then."""
    desk = desk_at("withdraw", "wait")
    desk.watcher.base_fee_wei = 20 * 10**9
    for _ in range(3):
        desk.block()
    assert stalls(desk, "withdraw")[-1] == "gas_price"
    assert [i.step for i in desk.signer.done] == ["withdraw"], "the one that reverted"
    desk.watcher.base_fee_wei = 2 * 10**9
    desk.block()
    assert desk.pending[-1].step == "withdraw"


@pytest.mark.parametrize("is_outside", [True, False])
def test_a_withdrawal_made_again_pays_for_gas_only_where_a_part_of_it_lies_outside(is_outside):
    """Of two transactions one was mined and one reverted, or both reverted: then nothing misses any fees."""
    limits = replace(live().limits, signer=replace(ROOMY_SIGNER, max_gas_limit=2 * WITHDRAW_GAS))
    action = Rerange(half_width_log_bps=100, stall_after_s=60, on_stall="wait")
    desk = Desk(live(limits=limits, action=action))
    desk.watcher.chain.mine(0)
    for upper in (60, 70):
        desk.watcher.chain.mint(OWNER, -50, upper, 10**16)
    desk.watcher.tell()
    desk.take()
    desk.block(push=True)
    first, _ = desk.pending
    assert {each.step for each in desk.pending} == {"withdraw"}
    with only(desk, {first.digest} if is_outside else set()):
        desk.block()
    a_little_too_dear(desk)
    for _ in range(12):
        desk.block()
    assert stalls(desk, "withdraw")[-1] == "gas_price", "where nobody trades nothing is missed"
    assert len(desk.signer.done) == 2
    trade(desk, blocks=8)
    again = desk.signer.done[2:]
    assert bool(again) == is_outside
    if is_outside:
        withdrawn = [each for each in again if each.step == "withdraw"]
        assert len(withdrawn) == 1, "what is mined already is not withdrawn again"
        assert withdrawn[0].max_fee_per_gas_wei == 201 * 10**9


@contextmanager
def only(desk: Desk, mined: set[str]) -> Iterator[None]:
    """Of what goes into the next block let only these succeed."""
    execute = desk.signer.execute
    desk.signer.execute = lambda chain, each, **_: execute(chain, each, succeeds=each.digest in mined)
    yield
    desk.signer.execute = execute


def test_a_plan_is_not_begun_above_the_ceiling_whatever_is_traded():
    desk = Desk(live())
    a_little_too_dear(desk)
    desk.block(push=True)
    trade(desk, blocks=4)
    assert {o.reason for o in desk.said(StepRefused)} == {"gas_price"}
    assert not desk.said(SubmitTransaction)


def test_a_mint_may_be_further_from_the_mean_once_waiting_has_cost_as_much():
    desk = desk_at("mint", "wait")
    book = desk.shard.tables.need("policy/alpha", Policy)
    narrow = replace(book, limits=replace(book.limits, max_slippage_bps=0), policy_version="narrow")
    desk.set_policy(narrow)
    for _ in range(8):
        desk.block()
    assert stalls(desk, "mint") == ["mint_limited"], "where nobody trades nothing is missed"
    assert not desk.said(PlanClosed)
    for _ in range(8):
        if not desk.pending:
            trade(desk, blocks=1)
    assert [each.step for each in desk.pending][-1:] == ["mint"]
    desk.refuse("simulation")  # the trades behind it have moved the price
    assert ending(desk) == Done()
    assert is_whole(desk)


def test_fees_that_a_reorg_took_back_are_not_missed():
    desk = desk_at("mint", "wait")
    a_little_too_dear(desk)
    desk.block()
    desk.block()
    plan = desk.shard.tables.need("plan/alpha", Plan)
    since = read_terms(plan.idle_since, Growth)
    ahead = Growth(growth0_x128=since.growth0_x128 + 2**120, growth1_x128=2**255)
    stock = stock_of(desk.shard, live())
    assert missed_fees(desk.shard, live(), range_of(plan.goal), ahead, stock) == 0
