"""Standing allowances are neither given again nor revoked, until the policy no longer permits them."""

import pytest
from builders import BASE, MANAGER, OWNER, QUOTE, ROUTER
from desk import Desk, live
from msgspec.structs import replace

from pipeline.messages.decisions import PlanClosed, PlanOpened
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Rerange, version_of
from pipeline.messages.transactions import SubmitTransaction

MUCH = 10**24
STANDING = Rerange(half_width_log_bps=100, stall_after_s=60, standing_base=MUCH, standing_quote=MUCH)
GRANTS = [(OWNER, token, spender) for token in (BASE, QUOTE) for spender in (ROUTER, MANAGER)]


def two_plans(desk: Desk) -> list[list[str]]:
    """The steps of a first plan and of a second, each about a push of the price."""
    steps = []
    for down in (True, False):
        before = len(desk.signer.done)
        desk.block(push=down)
        for _ in range(8):
            desk.block()
        steps.append([each.step for each in desk.signer.done[before:]])
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done(), Done()]
    return steps


def allowed(desk: Desk) -> list[int]:
    return [desk.watcher.chain.allowances.get(each, 0) for each in GRANTS]


def test_a_plan_that_finds_enough_standing_takes_three_transactions():
    desk = Desk(live(action=STANDING))
    first, second = two_plans(desk)
    assert first == ["withdraw", "approve", "swap", "approve", "approve", "mint"]
    assert [step for step in second if step != "approve"] == ["withdraw", "swap", "mint"]
    assert second.count("approve") <= 1, "the router had not been allowed the other token"
    assert all(amount <= MUCH for amount in allowed(desk))
    assert any(allowed(desk))
    opened = len(desk.said(PlanOpened))
    before = len(desk.signer.done)
    desk.block(push=True)
    for _ in range(8):
        desk.block()
    assert len(desk.said(PlanOpened)) == opened + 1
    assert [each.step for each in desk.signer.done[before:]] == ["withdraw", "swap", "mint"]


def test_what_is_more_than_may_stand_is_taken_back():
    book = live(action=STANDING)
    desk = Desk(book)
    desk.watcher.chain.allowances[OWNER, BASE, MANAGER] = 2 * MUCH
    desk.block(push=True)
    for _ in range(8):
        desk.block()
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert 0 < desk.watcher.chain.allowances[OWNER, BASE, MANAGER] <= MUCH


@pytest.mark.parametrize("is_final", [True, False])
def test_once_nothing_may_stand_all_of_it_is_taken_back_without_a_plan(is_final: bool):
    book = live(action=STANDING)
    desk = Desk(book)
    two_plans(desk)
    for _ in range(70 if is_final else 0):
        desk.block()
    assert (desk.shard.tables.need("plan/alpha", Plan).closed is not None) == is_final
    opened, before = len(desk.said(PlanOpened)), len(desk.said(SubmitTransaction))
    exact = live()
    desk.set_policy(replace(exact, policy_version=version_of(exact)))
    for _ in range(6):
        desk.block()
    assert allowed(desk) == [0, 0, 0, 0]
    assert {each.step for each in desk.said(SubmitTransaction)[before:]} == {"reset"}
    assert len(desk.said(PlanOpened)) == opened
    assert len(desk.said(PlanClosed)) == opened, "a plan that was done is not done twice"


def test_a_need_beyond_what_may_stand_is_met_exactly_and_ends_within_it():
    few = Rerange(half_width_log_bps=100, stall_after_s=60, standing_base=10**15, standing_quote=10**15)
    desk = Desk(live(action=few))
    two_plans(desk)
    assert all(amount <= 10**15 for amount in allowed(desk))
    given = [each for each in desk.said(SubmitTransaction) if each.step == "approve"]
    assert given


def test_a_plan_is_foreseen_with_the_transactions_that_it_takes():
    exact, standing = Desk(live()), Desk(live(action=STANDING))
    for desk in (exact, standing):
        two_plans(desk)
    costs = [
        desk.shard.tables.need("effects/alpha", BookEffects).actions[-1].gas for desk in (exact, standing)
    ]
    assert costs[1] < costs[0]
