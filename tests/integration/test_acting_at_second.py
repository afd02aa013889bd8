"""A book whose pool belongs to a second deployment of Uniswap V3 acts there: its plan is mined, within the signer's file."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from chain_desk import ACTION, ChainDesk, book_on
from chain_plans import NOWHERE, is_tracked, until_closed
from followed import Followed, node_of
from intents import intent
from msgspec.structs import replace
from second_deployment import FORK, HERE, MANAGER, POOL, amounts_of, profile_of, provide, second_deployment
from sender_house import ROOMY, limits_of, priced_pool
from signer_limits import uniswap

from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import PoolsAt
from pipeline.messages.decisions import PlanOpened, RebalanceProposed
from pipeline.messages.effects import DryRuns
from pipeline.messages.goals import read_terms
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.assess import PositionTerms
from streams.devnet import actions
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, position, read, token_ids
from streams.devnet.world import World
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.venues.registry import contract_faults
from streams.rehearse.anvil import AnvilForks
from streams.rehearse.trial import Trial
from streams.submit.calldata import known_calls
from streams.submit.file_limits import read_limits
from streams.submit.limits import SignerLimits
from streams.submit.node import HttpSenderNode
from streams.submit.signer_file import load_signer_file
from streams.submit.venues.registry import venues_of
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, References
from streams.submit.verdict import Refusal

pytestmark = pytest.mark.anvil


def live_at(chain: Chain, world: World, fork: World, owner: str, **changes: Any) -> Policy:
    """A live book whose only pool is of the second deployment, with an NFT there and little else."""
    pool = fork.pools[FORK]
    provide(chain, fork, owner, pool, 5 * 10**18)
    for token, kept in ((world.weth, 10**18), (world.usdc_low, 1_000 * 10**6)):
        chain.execute(actions.transfer(token, owner, NOWHERE, balance(chain, token, owner) - kept))
    chain.rpc("anvil_setBalance", owner, hex(10**18))
    chain_id = int(chain.rpc("eth_chainId"), 16)
    profile = replace(profile_of(world, fork, chain_id), check_every_blocks=10)
    return book_on(
        world,
        pool,
        owner,
        chain=profile,
        pools_at=(PoolsAt(venue=FORK, pools=(pool.address,)),),
        action=replace(ACTION, stall_after_s=48),
        **changes,
    )


def signed_at(*worlds: World) -> SignerLimits:
    """A signer's limits whose file names these deployments."""
    usual = limits_of(
        worlds[0], **ROOMY | {"max_loss_bps": 500, "references": References(may_be_single=True)}
    )
    deployments = tuple(
        ListedDeployment(
            router=each.router,
            position_manager=each.position_manager,
            pools=tuple(priced_pool(pool) for name, pool in each.pools.items() if name in {HERE, FORK}),
        )
        for each in worlds
    )
    return replace(usual, venues=(replace(uniswap(usual), deployments=deployments),))


def give_past(chain: Chain, fork: World) -> None:
    """Let the pool of the second deployment have a mean."""
    pool, trader = fork.pools[FORK], fork.accounts.traders[0]
    chain.execute(actions.grow_observations(pool, trader, 60))
    for _ in range(3):
        chain.execute(actions.swap_exact_in(fork, trader, pool, fork.weth, 10**15))
    chain.rpc("anvil_mine", hex(20), hex(12))


def held_at(chain: Chain, world: World, owner: str) -> object:
    """How many NFTs an owner has at the first deployment, and the price in its pool."""
    nfts = read(chain, world.position_manager, MANAGER, "balanceOf", owner)
    return nfts, read(chain, world.pool(HERE).address, POOL, "slot0")[0]


def left_allowed(chain: Chain, desk: ChainDesk, fork: World) -> list[int]:
    """What the second deployment's contracts may take."""
    return [
        read(chain, token, "tokens/ERC20", "allowance", desk.book.owner, spender)
        for token in (desk.book.base, desk.book.quote)
        for spender in (fork.router, fork.position_manager)
    ]


def out_of_its_band(desk: ChainDesk, fork: World) -> None:
    """Let a trader at the second deployment sell until the book wants to act."""
    trader, weth = desk.world.accounts.traders[0], desk.world.weth
    for _ in range(6):
        desk.block()
    desk.block(actions.swap_exact_in(fork, trader, fork.pools[FORK], weth, 40 * 10**18))
    for _ in range(12):
        if desk.said(PlanOpened):
            return
        desk.block()
    raise AssertionError(f"no plan: {desk.outputs[-4:]}")


def test_a_rebalance_is_mined_at_the_second_deployment(chain: Chain, world: World, cache: Path) -> None:
    fork, owner = second_deployment(chain, world, cache), world.accounts.owners[0]
    give_past(chain, fork)
    first = held_at(chain, world, owner)
    desk = ChainDesk(chain, world, live_at(chain, world, fork, owner))
    desk.limits = signed_at(world, fork)
    out_of_its_band(desk, fork)
    closed = until_closed(desk)
    assert (closed, desk.refusals) == (Done(), [])
    assert {"withdraw", "swap", "mint"} <= {each.step for each in desk.done}
    assert {each.call.to for each in desk.done} == {
        fork.router,
        fork.position_manager,
        world.weth,
        world.usdc_low,
    }, "nothing went to the first deployment"
    assert held_at(chain, world, owner) == first
    liquid = [
        position(chain, fork, token_id)
        for token_id in token_ids(chain, fork, owner)
        if position(chain, fork, token_id).liquidity
    ]
    assert len(liquid) == 1, "the old range is empty, the new one holds the book"
    assert is_tracked(desk)
    assert left_allowed(chain, desk, fork) == [0, 0, 0, 0]
    desk.block()
    (*_, view) = desk.said(BookView)
    told = {h.token: h.wallet + h.native + h.principal + h.fees for h in view.holdings}
    assert told == amounts_of(chain, (replace(world, pools=fork.pools), fork), owner)


async def test_a_dry_run_there_carries_the_plan_out_on_a_fork(
    chain: Chain, world: World, cache: Path
) -> None:
    fork, owner = second_deployment(chain, world, cache), world.accounts.owners[0]
    give_past(chain, fork)
    book, pool = live_at(chain, world, fork, owner, mode="dry-run"), fork.pools[FORK]
    node = node_of(chain.url)
    dry = Followed(node, book)
    await dry.begin()
    trader = world.accounts.traders[0]
    chain.execute(actions.swap_exact_in(fork, trader, pool, world.weth, 40 * 10**18))
    for _ in range(12):
        if [said for said in await dry.catch_up() if isinstance(said, RebalanceProposed)]:
            break
        chain.mine()
    untried = dry.shard.tables.need("dry-run/alpha", DryRuns).untried[-1]
    trial = Trial(dry.copy(), "alpha", untried, *dry.record_of(untried.at))
    async with AnvilForks(anvil_program(cache=cache), chain.url).at(untried.at, owner, trial.block_s) as copy:
        told = await trial.run(copy)
    assert (told.outcome, told.reason) == ("done", "")
    assert {step.step for step in told.steps} >= {"withdraw", "swap", "mint"}
    assert all(step.succeeded for step in told.steps)
    assert abs(told.after.deviation_bps) < abs(told.before.deviation_bps)
    ((_, had),) = [(each, position(chain, fork, each)) for each in token_ids(chain, fork, owner)]
    assert had.liquidity, "the real chain knows nothing of it"
    (made,) = told.new_positions
    nft = read_terms(made.terms, PositionTerms)
    assert (made.venue, nft.pool) == ("uniswap_v3", pool.address)
    assert (nft.tick_lower, nft.tick_upper) != (had.lower, had.upper)
    await node.close()


async def test_what_check_tries_are_the_contracts_of_that_deployment(
    chain: Chain, world: World, cache: Path
) -> None:
    fork, owner = second_deployment(chain, world, cache), world.accounts.owners[0]
    chain_id, pool = int(chain.rpc("eth_chainId"), 16), fork.pools[FORK]
    node = node_of(chain.url)
    at = (await node.newest()).block
    client, reader = node.web3(at.hash), ContractReader(node, multicall=MULTICALL3, at=at.hash)
    told = []
    for contracts in (fork, replace(fork, router=world.router), replace(fork, factory=world.factory)):
        book = book_on(
            world,
            pool,
            owner,
            chain=profile_of(world, contracts, chain_id),
            pools_at=(PoolsAt(venue=FORK, pools=(pool.address,)),),
        )
        told.append({fault.field async for fault in contract_faults(client, reader, book, at)})
    await node.close()
    assert told == [set(), {"router"}, {"factory", "position_manager", "router"}]


def test_what_goes_to_a_deployment_that_the_signers_file_does_not_name_is_refused(
    chain: Chain, world: World, cache: Path
) -> None:
    fork, owner = second_deployment(chain, world, cache), world.accounts.owners[0]
    give_past(chain, fork)
    desk = ChainDesk(chain, world, live_at(chain, world, fork, owner))
    desk.limits = signed_at(world)
    out_of_its_band(desk, fork)
    for _ in range(4):
        desk.block()
    assert desk.done == []
    assert {(each.reason, each.detail) for each in desk.refusals} == {
        ("limits", f"contract {fork.position_manager} is not on the list")
    }


def test_a_deployments_contracts_are_called_for_its_own_pools_only(
    chain: Chain, world: World, cache: Path
) -> None:
    """Both files name both deployments; one of them lists no pool at the first, though it is of the same pair and fee."""
    fork, owner = second_deployment(chain, world, cache), world.accounts.owners[0]
    both = signed_at(world, fork)
    first, second = uniswap(both).deployments
    one = replace(both, venues=(replace(uniswap(both), deployments=(replace(first, pools=()), second)),))
    terms = (world.weth, world.usdc_low, 500, owner, 10**15, 1, 0)
    swap = function("uniswap-v3/SwapRouter02", "exactInputSingle").calldata(terms)
    allowed = function("tokens/ERC20", "approve").calldata(first.router, 1)
    asked = [
        intent(to=to, data=data, signer=owner)
        for to, data in ((first.router, swap), (second.router, swap), (world.weth, allowed))
    ]

    assert all(known_calls(each, venues_of(both)) for each in asked)
    assert known_calls(asked[1], venues_of(one))
    for each in (asked[0], asked[2]):
        with pytest.raises(Refusal, match=r"limits: .* not on the list"):
            known_calls(each, venues_of(one))


async def test_the_signers_file_names_them(chain: Chain, world: World, cache: Path, tmp_path: Path) -> None:
    fork, here = second_deployment(chain, world, cache), world.pool(HERE)
    entry = {
        "name": FORK,
        "kind": "uniswap_v3",
        "factory": fork.factory,
        "router": fork.router,
        "position_manager": fork.position_manager,
        "pools": [fork.pools[FORK].address],
    }
    told = {
        "chain": 31_337,
        "devnet_account": world.accounts.owners[0],
        **{role: getattr(world, role) for role in ("factory", "router", "position_manager")},
        "wrapped_native": world.weth,
        "pools": [here.address],
        "venues": [entry],
        "budget_token": world.weth,
        "max_loss_per_day": 1,
        "max_notional": 100,
        "max_notional_per_day": 1_000,
    }

    async def limits_read(**changes: Any) -> SignerLimits:
        path = tmp_path / "signer.yaml"
        path.write_text(yaml.safe_dump(told | changes))
        path.chmod(0o600)
        node = HttpSenderNode(chain.url, timeout_s=10)
        try:
            return await read_limits(node, load_signer_file(path), None)
        finally:
            await node.close()

    listed = [priced_pool(here)], [priced_pool(fork.pools[FORK])]
    assert [list(each.pools) for each in uniswap(await limits_read()).deployments] == list(listed)
    alone = await limits_read(pools=[])
    assert [list(each.pools) for each in uniswap(alone).deployments] == [listed[1]]
    for wrong in ({"factory": world.factory}, {"pools": [here.address]}):
        with pytest.raises(SettingsError, match="was not made by factory"):
            await limits_read(venues=[entry | wrong])
    with pytest.raises(SettingsError, match=r"venues\[0\].router: missing"):
        await limits_read(venues=[{name: value for name, value in entry.items() if name != "router"}])
    with pytest.raises(SettingsError, match=r"is a contract of two deployments, or has two roles"):
        await limits_read(venues=[entry | {"router": world.router}])
