"""Tokens with unusual behaviour on real bytecode: supported ones go through a whole re-range, others are refused at the start."""

from collections.abc import Callable

import msgspec
import pytest
from chain_desk import ChainDesk, book_on
from odd_tokens import ONE, place_token, set_index, token_code

from pipeline.messages.decisions import Declined, PlanClosed, Quarantined, ReadFailed, RebalanceProposed
from pipeline.messages.outcomes import Done
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.calldata import read_calls
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import range_around, read
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import DevnetPool, World

pytestmark = pytest.mark.anvil

ETHER, DOLLAR = 10**18, 10**6
MANAGER = "uniswap-v3/NonfungiblePositionManager"
BELOW_WETH, ABOVE_WETH = "0x" + "00" * 18 + "0dd1", "0x" + "ff" * 18 + "0dd1"


def odd_world(chain: Chain, world: World, token: str, code: str) -> tuple[World, DevnetPool]:
    """Put an odd dollar on the chain, a deep pool of it, and an owner with a position."""
    place_token(chain, token, code)
    world = msgspec.structs.replace(world, usdc_low=token)
    usual = world.pool("weth_usdc_high_500" if token > world.weth else "weth_usdc_low_500")
    price_x96 = read(chain, usual.address, "uniswap-v3/UniswapV3Pool", "slot0")[0]
    provider, owner = world.accounts.providers[0], world.accounts.owners[0]
    token0, token1 = sorted((world.weth, token))
    create = function(MANAGER, "createAndInitializePoolIfNecessary").calldata(token0, token1, 500, price_x96)
    chain.execute(Tx(sender=provider, to=world.position_manager, data=create, gas=DEPLOY_GAS))
    address = read(chain, world.factory, "uniswap-v3/UniswapV3Factory", "getPool", token0, token1, 500)
    pool = DevnetPool(
        name="odd", address=address, token0=token0, token1=token1, fee_pips=500, tick_spacing=10
    )
    world = msgspec.structs.replace(world, pools={"odd": pool})
    trader = world.accounts.traders[0]
    for who in (provider, owner, trader):
        chain.execute(
            actions.mint_usdc(token, who, who, 10**9 * DOLLAR),
            *(
                Tx(sender=who, to=token, data=function("tokens/ERC20", "approve").calldata(spender, 2**200))
                for spender in (world.router, world.position_manager)
            ),
        )
    return world, pool


def provide(chain: Chain, world: World, pool: DevnetPool) -> None:
    provider, owner = world.accounts.providers[0], world.accounts.owners[0]
    chain.execute(
        actions.grow_observations(pool, provider, 60),
        actions.mint_position(world, provider, pool, pool.full_range(), world.amounts(pool, 20_000 * ETHER)),
        actions.mint_position(
            world, owner, pool, range_around(chain, pool, -300, 300), world.amounts(pool, 20 * ETHER)
        ),
    )


def push(world: World, pool: DevnetPool, ether: int) -> Tx:
    return actions.swap_exact_in(world, world.accounts.traders[0], pool, world.weth, ether * ETHER)


def leave(chain: Chain, owner: str, amounts: dict[str, int]) -> None:
    """Let an owner keep so much in the wallet, and one ether for gas: what there is more goes to nobody."""
    for token, kept in amounts.items():
        has = read(chain, token, "tokens/ERC20", "balanceOf", owner)
        chain.execute(actions.transfer(token, owner, "0x" + "00" * 18 + "dead", has - kept))
    chain.rpc("anvil_setBalance", owner, hex(ETHER))


@pytest.mark.parametrize("token", [BELOW_WETH, ABOVE_WETH], ids=["token0", "token1"])
def test_a_token_like_usdt_goes_through_a_rerange_with_allowances_left_by_hand(
    chain: Chain, world: World, token: str
) -> None:
    """It returns nothing, and refuses to go from one allowance to another but by way of 0."""
    world, pool = odd_world(chain, world, token, token_code(silent=True, races=False))
    provide(chain, world, pool)
    owner = world.accounts.owners[0]
    leave(chain, owner, {world.weth: ETHER, token: 3_000 * DOLLAR})
    desk = ChainDesk(chain, world, book_on(world, pool, owner))
    spenders = (world.router, world.position_manager)

    def allowances() -> list[int]:
        return [
            read(chain, each, "tokens/ERC20", "allowance", owner, spender)
            for each in (world.weth, token)
            for spender in spenders
        ]

    assert min(allowances()) > 0, "left by hand"
    for _ in range(6):
        desk.block()
    desk.block(push(world, pool, 700))
    for _ in range(25):
        desk.block()
    assert desk.refusals == []
    assert [each.outcome for each in desk.said(PlanClosed)][:1] == [Done()]
    assert len(desk.said(RebalanceProposed)) >= 1
    assert max(allowances()) == 0
    approvals = [read_calls(i.call.data)[0].arguments[1] for i in desk.done if i.step == "approve"]
    assert 0 in approvals
    assert not desk.said(Quarantined)


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "fee": (lambda: token_code(fee_bps=10), "takes a fee on transfers"),
    "small fee": (lambda: token_code(silent=True, fee_bps=1), "takes a fee on transfers"),
    "stETH": (lambda: token_code(answers="getPooledEthByShares(uint256)"), "rebasing"),
    "aToken": (lambda: token_code(rebases=True, answers="scaledBalanceOf(address)"), "rebasing"),
    "AMPL": (lambda: token_code(rebases=True, answers="scaledTotalSupply()"), "rebasing"),
}


@pytest.mark.parametrize("mode", ["live", "dry-run"])
@pytest.mark.parametrize("habit", REFUSED)
def test_a_book_with_such_a_token_never_acts(chain: Chain, world: World, habit: str, mode: str) -> None:
    code, says = REFUSED[habit]
    world, pool = odd_world(chain, world, ABOVE_WETH, code())
    chain.execute(actions.mint_usdc(ABOVE_WETH, world.accounts.deployer, pool.address, 10**6 * DOLLAR))
    desk = ChainDesk(chain, world, book_on(world, pool, world.accounts.owners[0], mode=mode))
    for _ in range(3):
        desk.block()
    failed = desk.said(ReadFailed)[0]
    assert failed.item == f"balance/{desk.book.owner}/{ABOVE_WETH}"
    assert says in failed.reason
    assert ABOVE_WETH in failed.reason
    declined = desk.said(Declined)[-1]
    assert (declined.gate, declined.item) == ("observed", failed.item)
    assert not desk.said(RebalanceProposed)
    assert not desk.said(SubmitTransaction)


def test_a_balance_that_changes_without_a_transfer_is_quarantined_by_the_next_check(
    chain: Chain, world: World
) -> None:
    """It rebases, and nothing that it answers says so."""
    world, pool = odd_world(chain, world, ABOVE_WETH, token_code(rebases=True))
    provide(chain, world, pool)
    leave(chain, world.accounts.owners[0], {world.weth: ETHER, ABOVE_WETH: 3_000 * DOLLAR})
    desk = ChainDesk(chain, world, book_on(world, pool, world.accounts.owners[0]))
    for _ in range(12):
        desk.block()
    assert desk.said(Declined)[-1].gate == "band", "until then it is a token like any other"
    set_index(chain, ABOVE_WETH, ONE + ONE // 1_000)
    for _ in range(11):
        desk.block()
    (held,) = desk.said(Quarantined)
    assert held.item == f"balance/{desk.book.owner}/{ABOVE_WETH}"
    assert "without a transfer" in held.reason
    assert (desk.said(Declined)[-1].gate, desk.said(Declined)[-1].item) == ("quarantine", held.item)
