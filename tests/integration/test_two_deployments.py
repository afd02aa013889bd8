"""Two deployments of Uniswap V3 on one chain: pools and NFTs of both are followed, exact to the unit."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from followed import Followed, node_of, world_policy
from msgspec.structs import replace
from second_deployment import (
    FORK,
    amounts_of,
    profile_of,
    provide,
    second_deployment,
)

from pipeline.advance.books import stock_of
from pipeline.drive import drive
from pipeline.follow.log_filter import log_filter
from pipeline.messages.chain_profile import PoolsAt
from pipeline.messages.events import BlocksReverted, PolicyRemoved, PolicySet
from pipeline.messages.policy import Policy, version_of
from pipeline.messages.views import BookView
from pipeline.state.policies import policies
from pipeline.units import BlockNumber, BookId
from pipeline.venues.uniswap_v3.forms.views import PositionView
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.world import DevnetPool, World
from streams.node.file_facts import contradictions
from streams.verify import Verdict, against_the_chain

pytestmark = pytest.mark.anvil


def policy_of(
    world: World, fork: World, chain_id: int, owner: str, *pools: DevnetPool, **changes: Any
) -> Policy:
    elsewhere = tuple(pool.address for pool in pools if pool.name == FORK)
    return world_policy(
        world,
        owner,
        pools[0],
        chain_id,
        chain=profile_of(world, fork, chain_id),
        pools=tuple(pool.address for pool in pools),
        pools_at=(PoolsAt(venue=FORK, pools=elsewhere),),
        mode="watch",
        **{"publishes": tuple(pool.address for pool in pools), **changes},
    )


def books_are_those_of_the_chain(
    followed: Followed, chain: Chain, books: dict[str, tuple[str, tuple[World, ...]]]
):
    assert {said.book for said in followed.said if isinstance(said, BookView)} == books.keys()
    present = {each.book: stock_of(followed.shard, each) for each in policies(followed.shard.tables)}
    for book, (owner, worlds) in books.items():
        told = {h.token: h.wallet + h.native + h.principal + h.fees for h in present[book].holdings}
        assert told == amounts_of(chain, worlds, owner), book


async def compared(followed: Followed) -> Counter[str]:
    verdict = Verdict()
    await against_the_chain(followed.node, followed.shard, verdict)
    assert verdict.wrong == []
    return verdict.compared


async def test_a_pool_is_held_against_the_factory_of_its_venue(
    chain: Chain, world: World, cache: Path
) -> None:
    fork = second_deployment(chain, world, cache)
    here, there = world.pool("weth_usdc_low_500"), fork.pools[FORK]
    chain_id, owner = int(chain.rpc("eth_chainId"), 16), world.accounts.owners[0]
    right = policy_of(world, fork, chain_id, owner, here, there)
    swapped = replace(right, pools_at=(PoolsAt(venue=FORK, pools=(here.address,)),))
    node = node_of(chain.url)
    client = node.web3((await node.newest()).block.hash)
    told = [
        [(each.path, each.says) async for each in contradictions(client, policy, ("books", 0))]
        for policy in (right, swapped)
    ]
    await node.close()
    of_the_first = f"{there.address} is not a pool of the factory {world.factory}"
    of_the_fork = f"{here.address} is not a pool of the factory {fork.factory}"
    assert told == [
        [],
        [
            (("books", 0, "pools", 0), of_the_fork),
            (("books", 0, "pools", 1), of_the_first),
            (("books", 0, "reference_pool"), of_the_fork),
        ],
    ]


async def test_pools_and_nfts_of_both_are_those_of_the_chain(chain: Chain, world: World, cache: Path) -> None:
    fork = second_deployment(chain, world, cache)
    here, there = world.pool("weth_usdc_low_500"), fork.pools[FORK]
    (alpha, beta, *_), trader = world.accounts.owners, world.accounts.traders[0]
    chain_id = int(chain.rpc("eth_chainId"), 16)
    mine = provide(chain, world, alpha, here, 5 * 10**18)
    ours = provide(chain, fork, alpha, there, 7 * 10**18)
    theirs = provide(chain, fork, beta, there, 3 * 10**18)
    node = node_of(chain.url)
    both = policy_of(world, fork, chain_id, alpha, here, there)
    followed = Followed(node, both)
    await followed.begin()
    second = policy_of(world, fork, chain_id, beta, there, book=BookId("beta"), publishes=())
    followed.take(PolicySet(policy=replace(second, policy_version=version_of(second))))
    head = followed.shard.tables.head
    assert head is not None
    await followed.read_wanted(head)
    wanted = log_filter(followed.shard.tables)
    assert wanted is not None
    assert [each.token_ids for each in wanted.of_venues[:2]] == [{mine}, {ours, theirs}]  # type: ignore[attr-defined]
    books = {"alpha": (alpha, (world, fork)), "beta": (beta, (fork,))}
    weth = world.weth
    for number in range(1, 4):
        chain.execute(
            actions.swap_exact_in(world, trader, here, weth, number * 10**18),
            actions.swap_exact_in(fork, trader, there, weth, 2 * number * 10**18),
            actions.collect(fork, alpha, ours) if number == 2 else actions.wrap(world, trader, 1),
        )
        await followed.catch_up()
        books_are_those_of_the_chain(followed, chain, books)
    # NFTs that come, change hands and go at the second deployment
    provide(chain, fork, beta, there, 10**18)
    chain.execute(actions.transfer_nft(fork, beta, trader, theirs))
    await followed.catch_up()
    books_are_those_of_the_chain(followed, chain, books)
    assert await compared(followed) == {"pools": 2, "positions": 3, "balances": 4}
    shown = {(said.manager, said.pool) for said in followed.said if isinstance(said, PositionView)}
    assert shown == {(world.position_manager, here.address), (fork.position_manager, there.address)}

    # a reorg takes the transfer and the mint back
    to = (await node.headers([BlockNumber(chain.header().number - 3)]))[0]
    assert to is not None
    chain.reorg(3)
    reverted = tuple(
        block.hash for block in followed.shard.tables.sealed_blocks() if block.number > to.block.number
    )
    followed.take(BlocksReverted(term=1, to=to.block, reverted=reverted))
    await followed.catch_up()
    chain.execute(actions.swap_exact_in(fork, trader, there, weth, 10**18))
    await followed.catch_up()
    books_are_those_of_the_chain(followed, chain, books)
    assert followed.copy().tables.entries() == followed.shard.tables.entries()

    # without the second deployment nothing of it is kept
    alone = policy_of(world, fork, chain_id, alpha, here)
    alone = replace(alone, pools_at=(), chain=replace(both.chain, venues=()))
    drive(followed.shard, [PolicyRemoved(book=BookId("beta")), PolicySet(policy=alone)])
    assert not [key for key in followed.shard.tables.entries() if fork.position_manager in key]
    assert not [key for key in followed.shard.tables.entries() if there.address in key]
    await node.close()
