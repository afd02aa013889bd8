"""The footprint of an ordinary plan on real bytecode: transactions, gas, and blocks without liquidity."""

import pytest
from chain_desk import ChainDesk
from chain_plans import DOLLAR, ETHER, allowances, buy, cancel_all, desk_on, is_tracked, liquid, push, undo
from msgspec.structs import replace

from pipeline.act.allowances import write_approve
from pipeline.messages.decisions import PlanClosed, PlanOpened, StepRefused
from pipeline.messages.events import IntentRefused, PolicySet
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.act.usual_gas import USUAL_GAS
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

STANDING = {"standing_base": 1_000 * ETHER, "standing_quote": 3_000_000 * DOLLAR}
_PLANS_BEFORE = 3
"""After these each spender has been allowed each token, and the wallet has kept something of both."""
_LATE_BLOCKS = 26
"""After which the deadline of what waits is past."""
_GAS_TOLERANCE = 0.03
"""What a plan is foreseen to use of gas is within 3 % of what the published bytecode uses."""
POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")


@pytest.mark.parametrize("name", POOLS)
def test_an_ordinary_plan_is_small(chain: Chain, world: World, name: str) -> None:
    desk = desk_on(chain, world, name, "wait")
    set_standing(desk, **STANDING)
    push(desk, ether=130)
    until_done(desk, 1)
    assert desk.refusals, "the signer's file lets nothing stand yet"
    let_stand(desk)
    until_done(desk, 1)
    gas = []
    for plans, buys in ((2, True), (3, False), (4, True), (5, False)):
        open_another(desk, plans, buys=buys)
        until_done(desk, plans)
        gas += [gas_of_small_plan(desk)] if plans > _PLANS_BEFORE else []
    assert sum(gas) <= 800_000 * len(gas), "a plan in one direction and one in the other"
    assert all(0 <= amount <= bound for amount, bound in zip(allowances(desk), bounds(), strict=True))
    set_standing(desk, standing_base=0, standing_quote=0)
    for _ in range(6):
        desk.block()
    assert allowances(desk) == [0, 0, 0, 0]


@pytest.mark.parametrize("mined", ["both", "the swap"])
def test_a_reorg_takes_a_swap_from_under_the_mint_behind_it(chain: Chain, world: World, mined: str) -> None:
    """Past their deadline the signer cancels what waits, and refuses what follows it: both are made again, once."""
    desk = desk_on(chain, world, POOLS[mined == "both"], "wait")
    set_standing(desk, **STANDING)
    let_stand(desk)
    allow_all(desk)
    push(desk, ether=130)
    for _ in range(4):
        if [each.step for each in desk.pending] == ["swap", "mint"]:
            break
        desk.block_of_all()
    assert [each.step for each in desk.pending] == ["swap", "mint"], desk.said(StepRefused)
    if mined == "both":
        desk.block_of_all()
    else:
        desk.block()
    waiting, closed = list(desk.pending), len(desk.said(PlanClosed))
    undo(desk, 1)
    for each in waiting:
        says = "it follows what a reorg took away"
        desk.append(IntentRefused(intent=each.digest, reason="predecessor", detail=says))
    for _ in range(_LATE_BLOCKS):
        desk.block()
    assert len(cancel_all(desk)) == 1 + (mined == "both")
    until_done(desk, closed + 1)
    assert [each.outcome for each in desk.said(PlanClosed)][closed:] == [Done()]
    plan = desk.said(PlanOpened)[-1].plan
    made = [each.step for each in desk.done if each.plan == plan and is_mined(desk, each)]
    assert [made.count(step) for step in ("withdraw", "swap", "mint")] == [1, 1, 1], made
    assert len(liquid(desk)) == 1
    assert is_tracked(desk)
    assert all(0 <= amount <= bound for amount, bound in zip(allowances(desk), bounds(), strict=True))


def allow_all(desk: ChainDesk) -> None:
    """Let router and position manager take what may stand, as plans before have left it."""
    tokens = (desk.book.base, STANDING["standing_base"]), (desk.book.quote, STANDING["standing_quote"])
    approvals = [
        Tx(sender=desk.book.owner, to=token, data=write_approve(spender, RawAmount(amount)), gas=80_000)
        for token, amount in tokens
        for spender in (desk.world.router, desk.world.position_manager)
    ]
    desk.block(*approvals)


def is_mined(desk: ChainDesk, intent: SubmitTransaction) -> bool:
    return desk.chain.rpc("eth_getTransactionReceipt", desk.hashes[intent.digest]) is not None


def set_standing(desk: ChainDesk, **amounts: int) -> None:
    book = replace(desk.book, action=replace(desk.book.action, **amounts))
    desk.book = replace(book, policy_version=version_of(book))
    desk.append(PolicySet(policy=desk.book))


def let_stand(desk: ChainDesk) -> None:
    """Put into the signer's file what the policy lets stand."""
    of_tokens = {desk.book.base: STANDING["standing_base"], desk.book.quote: STANDING["standing_quote"]}
    desk.limits = replace(desk.limits, standing_allowances=of_tokens)


def bounds() -> list[int]:
    return [amount for amount in STANDING.values() for _ in range(2)]


def open_another(desk: ChainDesk, plans: int, *, buys: bool) -> None:
    """Move the price until one more plan is opened."""
    for _ in range(10):
        if len(desk.said(PlanOpened)) >= plans:
            return
        if buys:
            buy(desk, 400_000)
        else:
            push(desk, ether=130)
    raise AssertionError([type(each).__name__ for each in desk.outputs[-6:]])


def until_done(desk: ChainDesk, plans: int) -> None:
    """Let blocks pass until so many plans are done, or nothing comes of one for long."""
    for _ in range(12):
        if len(desk.said(PlanClosed)) >= plans:
            break
        desk.block_of_all()


def gas_of_small_plan(desk: ChainDesk) -> int:
    """Tell the gas of the last plan, which takes three transactions and is outside for one block at most."""
    receipts = receipts_of_last_plan(desk)
    assert [step for step, _ in receipts] == ["withdraw", "swap", "mint"]
    withdrawn, swapped, minted = (int(receipt["blockNumber"], 16) for _, receipt in receipts)
    assert swapped == minted
    assert minted - withdrawn <= 1, "blocks at whose end the book has no liquidity"
    for step, receipt in receipts:
        used = int(receipt["gasUsed"], 16)
        assert used == pytest.approx(USUAL_GAS[step], rel=_GAS_TOLERANCE), (step, used)
    return sum(int(receipt["gasUsed"], 16) for _, receipt in receipts)


def receipts_of_last_plan(desk: ChainDesk) -> list[tuple[str, dict[str, str]]]:
    plan = desk.said(PlanOpened)[-1].plan
    return [
        (each.step, desk.chain.rpc("eth_getTransactionReceipt", desk.hashes[each.digest]))
        for each in desk.done
        if each.plan == plan
    ]
