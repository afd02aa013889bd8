"""A plan stalled in the middle on real bytecode: refused by a guard or by the signer, under each policy, in both token orders."""

import pytest
from chain_plans import (
    DOLLAR,
    ETHER,
    NOWHERE,
    allowances,
    desk_on,
    is_tracked,
    liquid,
    pool_name,
    push,
    until_closed,
    until_pending,
)
from msgspec.structs import replace
from signer_limits import changed

from pipeline.messages.decisions import Declined, PlanClosed, PlanStalled, StepRefused
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.policy import version_of
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
GWEI = 10**9


@pytest.mark.parametrize("name", POOLS)
def test_a_price_that_is_pushed_in_the_middle_holds_the_tokens_and_says_so(
    chain: Chain, world: World, name: str
) -> None:
    desk = desk_on(chain, world, name, "hold_and_alert", max_spot_from_twap_log_bps=300)
    push(desk, ether=130)
    assert [i.step for i in desk.pending] == ["withdraw"]
    push(desk, ether=1_000)  # behind the withdrawal, in its block
    assert [i.step for i in desk.done] == ["withdraw"]
    assert desk.said(PlanStalled)[0].reason == "spot_from_twap"
    while not desk.said(PlanClosed):
        push(desk, ether=1_500)
    assert [o.outcome for o in desk.said(PlanClosed)] == [Stalled(phase="swap", reason="spot_from_twap")]
    assert {o.reason for o in desk.said(StepRefused)} == {"spot_from_twap"}
    assert liquid(desk) == []
    assert is_tracked(desk), "nothing is lost: it lies in the wallet"


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("on_stall", ["wait", "mint_as_is", "hold_and_alert"])
def test_a_swap_that_the_signer_refuses_ends_as_the_policy_says(
    chain: Chain, world: World, name: str, on_stall: str
) -> None:
    desk = desk_on(chain, world, name, on_stall)
    usual = desk.limits
    desk.limits = changed(usual, router=NOWHERE)
    push(desk, ether=130)
    until_pending(desk, "swap")
    for _ in range(12):
        if desk.said(PlanClosed) or "mint" in [i.step for i in desk.pending]:
            break
        desk.block()
    assert {refusal.reason for refusal in desk.refusals} == {"limits"}
    assert [o.reason for o in desk.said(PlanStalled)] == ["step_failed"]
    assert not desk.said(StepRefused)
    if on_stall == "wait":
        assert not desk.said(PlanClosed)
        assert desk.said(Declined)[-1].reason == "plan_open"
        desk.limits = usual
    elif on_stall == "mint_as_is":
        assert [i.step for i in desk.pending][-1] == "mint"
        desk.limits = usual
    ended = until_closed(desk)
    assert is_tracked(desk)
    if on_stall == "hold_and_alert":
        assert (ended, liquid(desk)) == (Stalled(phase="swap", reason="step_failed"), [])
        return
    assert ended == Done(), [(r.reason, r.detail) for r in desk.refusals]
    assert len(liquid(desk)) == 1
    assert ("swap" in [i.step for i in desk.done]) == (on_stall == "wait")
    assert allowances(desk) == [0, 0, 0, 0], "also what was left by hand"


@pytest.mark.parametrize("name", POOLS)
def test_gas_above_the_ceiling_is_paid_once_the_fees_missed_are_as_much(
    chain: Chain, world: World, name: str
) -> None:
    """The swap is due and its tokens lie outside. As long as nobody trades nothing is missed, and it waits."""
    desk = desk_on(chain, world, name, "wait")
    # the withdrawal's offer reaches the dear block
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(60 * GWEI))
    push(desk, ether=130)

    def dear_block(*others: Tx) -> None:
        chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
        desk.block(*others)

    for _ in range(12):
        dear_block()
    stalled = [each.reason for each in desk.said(PlanStalled)]
    assert stalled == ["gas_price"], "201 gwei are wanted, the ceiling is 200"
    assert [each.step for each in desk.done] == ["withdraw"]
    pool, trader = world.pools[pool_name(desk)], world.accounts.traders[0]
    there = actions.swap_exact_in(world, trader, pool, world.weth, 100 * ETHER)
    back = actions.swap_exact_in(world, trader, pool, world.usdc_of(pool), 300_000 * DOLLAR)
    for _ in range(30):
        if desk.said(PlanClosed):
            break
        dear_block(there, back)
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    minted = next(each for each in desk.done if each.step == "mint")
    assert minted.max_fee_per_gas_wei == 201 * GWEI
    assert allowances(desk) == [0, 0, 0, 0]


@pytest.mark.parametrize("name", POOLS)
def test_a_swap_that_is_run_ahead_of_twice_is_made_again_after_a_minute(
    chain: Chain, world: World, name: str
) -> None:
    """Both times it reverts, and the price has moved so far since that more must be allowed: not only once in `stall_after`."""
    desk = desk_on(chain, world, name, "wait")
    book = replace(desk.book, action=replace(desk.book.action, stall_after_s=600))
    desk.book = replace(book, policy_version=version_of(book))
    desk.append(PolicySet(policy=desk.book))
    push(desk, ether=130)
    pool, robber = world.pools[pool_name(desk)], world.accounts.traders[1]
    reverted: list[int] = []
    for _ in range(80):
        if desk.said(PlanClosed):
            break
        swap = next((each for each in desk.pending[:1] if each.step == "swap"), None)
        if swap is None or len(reverted) == 2:
            desk.block()
            continue
        ahead = chain.send(actions.swap_exact_in(world, robber, pool, world.weth, 30 * ETHER))
        desk.block()
        assert chain.receipt(ahead).succeeded
        reverted += [chain.header().timestamp_s] * (not chain.receipt(desk.hashes[swap.digest]).succeeded)
    assert len(reverted) == 2
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert chain.header().timestamp_s - reverted[-1] < 240
    assert allowances(desk) == [0, 0, 0, 0]
