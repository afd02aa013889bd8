"""Methods that a node lacks: the alternatives give the same results, and where there is none the user is told in time."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from chaos.proxy import NodeProxy, Says, TakesBatchesOf, TakesNoOverrides, Trouble
from msgspec.structs import replace
from odd_tokens import place_token, token_code
from watching import policy_of

from pipeline.errors import PASSING_TROUBLE, NodeBusyError, SettingsError
from pipeline.units import Address, BlockNumber, Seconds
from streams.cli.node_abilities import findings, try_node
from streams.devnet import actions
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.node.abilities import try_abilities
from streams.node.contract_calls import ContractReader
from streams.node.http_node import HttpNode
from streams.node.multicall import MULTICALL3
from streams.node.port import CallToSimulate
from streams.node.rpc import Rpc
from streams.node.tokens import token_fault
from streams.submit.forked import ForkingSenderNode, check_simulation

pytestmark = pytest.mark.anvil

ODD = Address("0x" + "ff" * 18 + "0dd1")
POOL = "weth_usdc_low_500"
NO_SIMULATION = "the method eth_simulateV1 does not exist/is not available"


def no_simulation() -> Trouble:
    return Says("eth_simulateV1", code=-32601, message=NO_SIMULATION)


async def fault(node: HttpNode, world: World, token: str, *, acts: bool) -> str | None:
    at = (await node.newest()).block
    reader = ContractReader(node, multicall=MULTICALL3, at=at.hash)
    holders = (Address(world.pool(POOL).address),)
    return await token_fault(reader, Address(token), holders, at, acts=acts)


# ------------------------------------------------------------------ tokens
HABITS = {
    "plain": token_code(),
    "silent": token_code(silent=True, races=False),
    "fee": token_code(silent=True, fee_bps=5),
    "large fee": token_code(fee_bps=9_000),
    "shares": token_code(answers="sharesOf(address)"),
    "underlying": token_code(answers="UNDERLYING_ASSET_ADDRESS()"),
}


@pytest.mark.parametrize("habit", HABITS)
async def test_a_token_is_judged_alike_with_and_without_simulation(
    chain: Chain, world: World, proxy: NodeProxy, node: HttpNode, habit: str
) -> None:
    place_token(chain, ODD, HABITS[habit])
    chain.execute(actions.mint_usdc(ODD, world.accounts.deployer, world.pool(POOL).address, 10**12))
    told = await fault(node, world, ODD, acts=True)
    assert (told is None) == (habit in {"plain", "silent"})
    with proxy.troubled(no_simulation()) as trouble:
        assert await fault(node, world, ODD, acts=True) == told
    assert trouble.met


async def test_a_tax_on_the_way_back_is_found_without_simulation(
    chain: Chain, world: World, proxy: NodeProxy, node: HttpNode
) -> None:
    """Each transfer comes from its own sender."""
    pool = world.pool(POOL)
    place_token(chain, ODD, token_code(fee_bps=100, taxed=pool.address))
    chain.execute(actions.mint_usdc(ODD, world.accounts.deployer, pool.address, 10**12))
    with proxy.troubled(no_simulation()):
        assert "takes a fee on transfers" in str(await fault(node, world, ODD, acts=True))


async def test_where_no_transfer_can_be_tried_only_live_books_are_refused(
    chain: Chain, world: World, proxy: NodeProxy, node: HttpNode
) -> None:
    place_token(chain, ODD, token_code(answers="sharesOf(address)"))
    with ExitStack() as stack:
        stack.enter_context(proxy.troubled(no_simulation()))
        stack.enter_context(proxy.troubled(TakesNoOverrides()))
        assert await fault(node, world, world.weth, acts=False) is None
        said = str(await fault(node, world, world.weth, acts=True))
        assert "cannot be tried, as a live book needs" in said
        assert NO_SIMULATION in said
        assert "rebasing" in str(await fault(node, world, ODD, acts=False)), "functions are looked at still"


@pytest.mark.parametrize("code", [429, -32005, -32000])
async def test_a_limit_on_simulation_is_no_fault_of_a_token(
    world: World, proxy: NodeProxy, node: HttpNode, code: int
) -> None:
    message = "header not found" if code == -32000 else "slow down"
    limited = Says("eth_simulateV1", code=code, message=message)
    with proxy.troubled(limited), pytest.raises(PASSING_TROUBLE, match="eth_simulateV1"):
        await fault(node, world, world.weth, acts=True)
    assert await fault(node, world, world.weth, acts=True) is None


# ------------------------------------------------------------------ a signer's simulation
def wrapped(world: World) -> list[CallToSimulate]:
    owner = world.accounts.owners[0]
    sent = actions.wrap(world, owner, 7)
    return [
        CallToSimulate(
            sender=Address(owner), to=Address(sent.to), data=sent.data, value_wei=7, gas_limit=200_000
        )
    ]


async def test_an_intent_is_simulated_on_a_fork_with_the_same_gas_and_logs(
    chain: Chain, world: World, proxy: NodeProxy, cache: Path
) -> None:
    chain.mine()
    node = ForkingSenderNode(proxy.url_for("here"), timeout_s=10, program=anvil_program(cache=cache))
    at = (await node.newest()).block
    time_s = Seconds(at.timestamp_s + 12)
    direct = await node.simulate(wrapped(world), at.hash, time_s)
    with proxy.troubled(no_simulation()) as trouble:
        forked = await node.simulate(wrapped(world), at.hash, time_s)
        await check_simulation(node, Address(world.accounts.owners[0]))
    assert trouble.met == 2
    assert forked == direct
    assert direct[0].succeeded
    assert direct[0].logs
    await node.close()


async def test_a_signer_with_nothing_to_simulate_by_does_not_begin(world: World, proxy: NodeProxy) -> None:
    owner = Address(world.accounts.owners[0])
    node = ForkingSenderNode(proxy.url_for("here"), timeout_s=10, program=None)
    await check_simulation(node, owner)
    says = f"no book of signer {owner} can be live.*no anvil here"
    with proxy.troubled(no_simulation()), pytest.raises(SettingsError, match=says):
        await check_simulation(node, owner)
    with proxy.troubled(Says("eth_simulateV1", code=429, message="slow down")), pytest.raises(NodeBusyError):
        await check_simulation(node, owner)
    await node.close()


# ------------------------------------------------------------------ what the doctor tries
LACKS: dict[str, tuple[list[Trouble], bool, str | None, str | None]] = {
    "nothing": ([], True, None, None),
    "receipts of blocks": (
        [Says("eth_getBlockReceipts", code=-32601, message="no")],
        True,
        None,
        "receipts are asked for one by one",
    ),
    "all receipts": (
        [Says("eth_getBlockReceipts", "eth_getTransactionReceipt", code=-32601, message="no")],
        True,
        "no receipts, so no block can be followed",
        None,
    ),
    "calls": (
        [Says("eth_call", code=-32601, message="no")],
        True,
        "no eth_call, so nothing can be followed",
        None,
    ),
    "fees": (
        [Says("eth_feeHistory", code=-32601, message="no")],
        True,
        "no eth_feeHistory, so one cannot be live",
        None,
    ),
    "simulation": ([no_simulation()], True, None, "intents of one are simulated on a fork"),
    "simulation and anvil": ([no_simulation()], False, "no anvil here to fork with", None),
    "simulation and overrides": (
        [no_simulation(), TakesNoOverrides()],
        True,
        "no token can be tried and one cannot be live",
        "tokens are tried not at all",
    ),
    "batches": ([TakesBatchesOf(7)], True, None, "batches of 6 questions"),
}


@pytest.mark.parametrize("lack", LACKS)
async def test_each_lack_is_found_with_what_follows_from_it(
    chain: Chain, world: World, proxy: NodeProxy, lack: str
) -> None:
    troubles, anvil_here, wrong, note = LACKS[lack]
    policy = policy_of(world, chain.chain_id, "one", world.accounts.owners[0], [POOL])
    live = replace(policy, mode="live")
    for _ in range(2):
        chain.mine()
    node, rpc = HttpNode(proxy.url_for("here")), Rpc(proxy.url_for("here"), timeout_s=10)
    with ExitStack() as stack:
        for trouble in troubles:
            stack.enter_context(proxy.troubled(trouble))
        newest = await node.newest()
        (old,) = await node.headers([BlockNumber(newest.block.number - 1)])
        assert old is not None
        tried = await try_abilities(rpc, newest, old.block)
    found = findings(tried, [live], anvil_here=anvil_here, depth_blocks=65)
    assert wrong in {None, *found.wrong} or any(wrong in each for each in found.wrong)
    assert bool(found.wrong) == (wrong is not None)
    assert (note is None and lack != "batches") or any(str(note) in each for each in found.notes)
    assert not found.unclear
    watch_only = findings(tried, [policy], anvil_here=False, depth_blocks=65)
    assert bool(watch_only.wrong) == (lack in {"all receipts", "calls"}), "books that do not act need less"
    await node.close()
    await rpc.close()


async def test_a_limit_is_no_lack(chain: Chain, world: World, proxy: NodeProxy) -> None:
    policy = policy_of(world, chain.chain_id, "one", world.accounts.owners[0], [POOL])
    url = proxy.url_for("here")
    assert "no state 65 blocks back" in await try_node(url, [policy], anvil_here=True)
    for _ in range(66):
        chain.mine()
    assert "all that these books need" in await try_node(url, [policy], anvil_here=True)
    limited = Says("eth_getBlockReceipts", "eth_simulateV1", code=429, message="slow down")
    with proxy.troubled(limited), pytest.raises(NodeBusyError, match="eth_simulateV1 was not tried"):
        await try_node(url, [policy], anvil_here=True)
    with proxy.troubled(Says("eth_getCode", code=-32601, message="no")):
        assert "no eth_getCode" in await asyncio.wait_for(try_node(url, [policy], anvil_here=True), 30)
