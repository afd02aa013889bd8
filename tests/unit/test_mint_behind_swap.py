"""A mint that is submitted with its swap: in one block where both are mined, made again where one of them fails."""

import pytest
from builders import BASE, MANAGER, OWNER, QUOTE, ROUTER
from desk import Desk, live
from msgspec.structs import replace

from pipeline.messages.decisions import PlanClosed, Quarantined
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, Rerange
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.uniswap_v3.calldata import read_calls

MUCH = 10**24
STANDING = Rerange(half_width_log_bps=100, stall_after_s=60, standing_base=MUCH, standing_quote=MUCH)


def withdrawn(book: Policy) -> Desk:
    """A book whose withdrawal is mined, and whose spenders may take what they need."""
    desk = Desk(book)
    for token in (BASE, QUOTE):
        for spender in (ROUTER, MANAGER):
            desk.watcher.chain.allowances[OWNER, token, spender] = MUCH
    desk.block()
    desk.block(push=True)
    desk.block()
    return desk


def until_done(desk: Desk) -> list[str]:
    for _ in range(8):
        desk.block()
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert len(desk.liquid()) == 1
    assert not desk.said(Quarantined)
    return [each.step for each in desk.signer.done]


def test_both_go_out_together_the_mint_for_the_least_that_the_swap_brings():
    desk = withdrawn(live(action=STANDING))
    swap, mint = desk.pending
    assert (swap.step, mint.step, mint.after) == ("swap", "mint", swap.digest)
    held = {token: desk.watcher.chain.balances[OWNER, token] for token in (BASE, QUOTE)}
    changes = {each.token: each.delta for each in swap.minimums}
    (call,) = read_calls(mint.call.data)
    there = [held[token] + changes[token] for token in (BASE, QUOTE)]
    bought = 0 if changes[BASE] > 0 else 1
    assert call.arguments[5 + bought] == there[bought], "the least that the swap brings, and what is there"
    assert 0.99 * there[1 - bought] < call.arguments[6 - bought] <= there[1 - bought], (
        "as much as goes with it"
    )
    desk.block()
    assert len(desk.liquid()) == 1, "one block after the withdrawal"
    assert until_done(desk) == ["withdraw", "swap", "mint"]


@pytest.mark.parametrize("fails", [{"swap", "mint"}, {"mint"}], ids=["both", "the mint"])
def test_what_fails_is_made_again(fails: set[str]):
    desk = withdrawn(live(action=STANDING))
    desk.fails = fails
    desk.block()
    desk.fails = set()
    again = ["swap", "mint"] if "swap" in fails else ["mint"]
    assert until_done(desk) == ["withdraw", "swap", "mint", *again]


def test_a_swap_that_fails_lets_the_mint_behind_it_fail_too():
    desk = withdrawn(live(action=STANDING))
    chain = desk.watcher.chain
    mint = desk.pending[1]
    with pytest.raises(AssertionError):
        desk.signer.execute(chain, mint)


def test_a_mint_that_fails_twice_alike_waits_for_its_swap():
    desk = withdrawn(live(action=replace(STANDING, on_stall="wait", stall_after_s=600)))
    desk.fails = {"swap", "mint"}
    for _ in range(3):
        desk.block()
    desk.fails = {"mint"}
    while "mint" not in [each.step for each in desk.pending]:
        desk.block()
    desk.fails = set()
    assert until_done(desk)[-1] == "mint"


@pytest.mark.parametrize(("reserve", "together"), [(0, True), (1, True), (10**17, True), (4 * 10**18, False)])
def test_a_mint_takes_nothing_of_the_reserves_where_its_swap_fails(reserve: int, together: bool):
    desk = withdrawn(live(action=replace(STANDING, reserve_base=reserve, reserve_quote=reserve)))
    assert [each.step for each in desk.pending] == (["swap", "mint"] if together else ["swap"])
    if together and reserve:
        (call,) = read_calls(desk.pending[1].call.data)
        bought = next(each.token for each in desk.pending[0].minimums if each.delta > 0)
        least = call.arguments[7:9][0 if bought == BASE else 1]
        assert least > desk.watcher.chain.balances[OWNER, bought]
    until_done(desk)
    assert all(desk.watcher.chain.balances[OWNER, token] >= reserve for token in (BASE, QUOTE))


def test_where_something_must_be_allowed_first_the_swap_goes_alone():
    desk = withdrawn(live(action=STANDING))
    assert [each.step for each in desk.pending] == ["swap", "mint"]
    exact = Desk(live())
    exact.block(push=True)
    exact.block()
    assert [each.step for each in exact.said(SubmitTransaction)] == ["withdraw", "approve", "swap"]
