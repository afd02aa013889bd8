"""The middle of a plan on real bytecode: refused by a guard or by the signer, under each policy, both token orders."""

import pytest
from chain_desk import ACTION, LIMITS, ChainDesk, book_on
from msgspec.structs import replace

from pipeline.messages.decisions import Declined, PlanClosed, PlanStalled, StepRefused
from pipeline.messages.entries import Balance, NftPosition
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, position, range_around, read
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

ETHER, DOLLAR = 10**18, 10**6
NOWHERE = "0x" + "00" * 18 + "dead"


def desk_on(chain: Chain, world: World, name: str, on_stall: str, **limits: int) -> ChainDesk:
    """A live book with a position of its own, some tokens, an ether for gas, and allowances left by hand."""
    pool, owner = world.pool(name), world.accounts.owners[0]
    ticks = range_around(chain, pool, -300, 300)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, ETHER), (world.usdc_of(pool), 3_000 * DOLLAR)):
        chain.execute(actions.transfer(token, owner, NOWHERE, balance(chain, token, owner) - kept))
    chain.rpc("anvil_setBalance", owner, hex(ETHER))
    book = book_on(
        world,
        pool,
        owner,
        action=replace(ACTION, on_stall=on_stall, stall_after_s=48),
        limits=replace(LIMITS, **limits),
    )
    desk = ChainDesk(chain, world, book)
    for _ in range(6):
        desk.block()
    return desk


def push(desk: ChainDesk, *, ether: int) -> None:
    """Let a trader sell, and a block pass."""
    pool, trader = desk.world.pools[pool_name(desk)], desk.world.accounts.traders[0]
    desk.block(actions.swap_exact_in(desk.world, trader, pool, desk.world.weth, ether * ETHER))


def pool_name(desk: ChainDesk) -> str:
    (name,) = (n for n, pool in desk.world.pools.items() if pool.address == desk.book.reference_pool)
    return name


def until_pending(desk: ChainDesk, step: str) -> None:
    for _ in range(12):
        if step in [intent.step for intent in desk.pending]:
            return
        desk.block()
    raise AssertionError(f"no {step} came: {[type(o).__name__ for o in desk.outputs[-6:]]}")


def until_closed(desk: ChainDesk) -> str:
    for _ in range(30):
        if desk.said(PlanClosed):
            break
        desk.block()
    return desk.said(PlanClosed)[0].outcome


def liquid(desk: ChainDesk) -> list[NftPosition]:
    manager = desk.world.position_manager
    return [
        held
        for key, held in desk.shard.tables.group(f"position/{manager}", NftPosition)
        if held.liquidity and position(desk.chain, desk.world, int(key.rpartition("/")[2])).liquidity
    ]


def allowances(desk: ChainDesk) -> list[int]:
    spenders = desk.world.router, desk.world.position_manager
    return [
        read(desk.chain, token, "tokens/ERC20", "allowance", desk.book.owner, spender)
        for token in (desk.book.base, desk.book.quote)
        for spender in spenders
    ]


def is_tracked(desk: ChainDesk) -> bool:
    """What the shard thinks is in the wallet is what the chain says."""
    return all(
        desk.shard.tables.need(f"balance/{desk.book.owner}/{token.address}", Balance).amount
        == balance(desk.chain, token.address, desk.book.owner)
        for token in desk.book.tokens
    )


POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")


@pytest.mark.parametrize("name", POOLS)
def test_a_price_that_is_pushed_in_the_middle_holds_the_tokens_and_says_so(
    chain: Chain, world: World, name: str
) -> None:
    desk = desk_on(chain, world, name, "hold_and_alert", max_spot_from_twap_ticks=300)
    push(desk, ether=130)
    assert [i.step for i in desk.pending] == ["withdraw"]
    push(desk, ether=1_000)  # behind the withdrawal, in its block
    assert [i.step for i in desk.done] == ["withdraw"]
    assert desk.said(PlanStalled)[0].reason.startswith("spot_from_twap")
    while not desk.said(PlanClosed):
        push(desk, ether=1_500)
    assert [o.outcome for o in desk.said(PlanClosed)] == ["stalled at swap: spot_from_twap"]
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
    desk.limits = replace(usual, router=NOWHERE)
    push(desk, ether=130)
    until_pending(desk, "swap")
    for _ in range(12):
        if desk.said(PlanClosed) or "mint" in [i.step for i in desk.pending]:
            break
        desk.block()
    assert {refusal.reason for refusal in desk.refusals} == {"limits"}
    assert [o.reason.partition(":")[0] for o in desk.said(PlanStalled)] == ["step_failed"]
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
        assert (ended, liquid(desk)) == ("stalled at swap: step_failed", [])
        return
    assert ended == "done", [(r.reason, r.detail) for r in desk.refusals]
    assert len(liquid(desk)) == 1
    assert ("swap" in [i.step for i in desk.done]) == (on_stall == "wait")
    assert allowances(desk) == [0, 0, 0, 0], "also what was left by hand"
