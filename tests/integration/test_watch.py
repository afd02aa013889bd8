"""The watcher on a real broker and a real chain: its log always equals the chain."""

import asyncio
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from chaos.proxy import NodeProxy, Refuses, Says, StandsStill, Waits
from freezing import freeze
from msgspec import UNSET
from watching import (
    PARTITIONS,
    QUICK,
    Fold,
    Log,
    assert_equals_chain,
    deployment,
    own_chain_id,
    policy_of,
    start_watcher,
    watching,
)

from pipeline.errors import FencedError
from pipeline.follow.due_reads import wanted
from pipeline.follow.routes import Arrival
from pipeline.messages.events import BlockSeen, BlocksReverted, PolicySet, WriterStarted
from pipeline.messages.policy import Policy
from pipeline.units import ChainId
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved
from streams.devnet import actions
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.ports import free_port
from streams.devnet.reads import minted_token_id, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.kafka.topics import shard_of

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

Process = subprocess.Popen[bytes]
POOL, OTHER, THIRD = "weth_usdc_low_500", "weth_usdc_high_500", "weth_usdc_low_3000"


class Scene:
    """A chain, a deployment on a broker, and order flow."""

    def __init__(self, broker: Broker, chain: Chain, world: World, log: Log) -> None:
        self.broker, self.chain, self.world, self.log = broker, chain, world, log
        self.flow = OrderFlow(chain, world, seed=7)
        self.chain_id = ChainId(chain.chain_id)

    def policy(self, book: str, owner: int, *pools: str, **changes: int) -> Policy:
        return policy_of(
            self.world, self.chain_id, book, self.world.accounts.owners[owner], pools or [POOL], **changes
        )

    async def keep(self, book: str, owner: int, *pools: str, **changes: int) -> int:
        return await self.log.set_policy(PolicySet(policy=self.policy(book, owner, *pools, **changes)), book)

    def watching(self, *before: str, **options: object):
        """Run a watcher that prefers other ways to the chain, if there are any, to the straight one."""
        urls = (*before, self.chain.url)
        return watching(self.broker.bootstrap_servers, self.chain_id, *urls, **options)

    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            await asyncio.to_thread(self.flow.block)

    async def read(self, shard: int) -> Fold:
        """Wait until nothing is wanted any more."""
        return await self.log.until(shard, lambda fold: fold.tables.head and not wanted(fold.tables))

    async def caught_up(self, shard: int, *, within_s: float = 60) -> Fold:
        fold = await self.log.until_head(shard, self.chain.header().hash, within_s=within_s)
        assert_equals_chain(fold, self.chain)
        return fold


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain whose id, and so whose topics, no other test has."""
    folder = tmp_path / "chain"
    with start_chain(folder, cache=cache, state=built[1], chain_id=own_chain_id()) as running:
        yield running


@pytest.fixture
async def scene(broker: Broker, chain: Chain, world: World) -> AsyncIterator[Scene]:
    async with deployment(broker.bootstrap_servers, ChainId(chain.chain_id)) as log:
        yield Scene(broker, chain, world, log)


async def test_bootstraps_then_follows_a_hundred_blocks(scene: Scene) -> None:
    shard = await scene.keep("one", 0)
    async with scene.watching():
        await scene.read(shard)
        await scene.mine(100)
        fold = await scene.caught_up(shard)
    assert len(fold.branch) >= 100
    assert fold.count(Arrival.APPLIES) == len(fold.arrivals)
    assert sum(len(block.logs) for block in fold.branch) > 100
    first = fold.branch[0]
    assert (first.native_checksum, len(first.reads)) == (UNSET, 1)
    assert {len(block.reads) for block in fold.branch} <= {0, 1}, "a coin balance is told when it has changed"
    checks = [event.block.number for event in fold.of(PoolObserved) if event.why == "check"]
    assert checks == [100]


async def test_catches_up_with_all_shards_at_once(scene: Scene) -> None:
    books = {shard_of(book, PARTITIONS): book for book in (f"book{n}" for n in range(40))}
    for owner, book in enumerate(books.values()):
        await scene.keep(book, owner, POOL, THIRD)
    async with scene.watching():
        for shard in books:
            await scene.read(shard)
    await scene.mine(150)
    async with scene.watching():
        for shard in books:
            fold = await scene.caught_up(shard)
            assert len(fold.branch) == 150


async def test_it_goes_on_with_another_node_while_the_first_one_fails_or_stands_still(scene: Scene) -> None:
    shard = await scene.keep("one", 0)
    first = NodeProxy(scene.chain.url, free_port())
    await first.start()
    try:
        async with scene.watching(first.url_for("here")):
            await scene.read(shard)
            await scene.mine(5)
            await scene.caught_up(shard)
            for trouble in (
                Refuses(random.Random(1), share=1.0),
                Says("eth_getBlockReceipts", code=-32601, message="the method does not exist"),
                StandsStill(scene.chain.header().number, first),
                Waits(),
            ):
                with first.troubled(trouble):
                    async with asyncio.timeout(60):  # who has just failed is not asked again at once
                        while trouble.met == 0:
                            await scene.mine(1)
                            await scene.caught_up(shard)
                    await scene.mine(5)
                    await scene.caught_up(shard)
            await scene.mine(5)
            fold = await scene.caught_up(shard)
    finally:
        await first.stop()
    assert len(fold.branch) >= 30
    assert fold.of(BlocksReverted) == []


@pytest.mark.parametrize("depth", [1, 5, 64])
async def test_a_branch_that_goes_away_and_is_built_anew(scene: Scene, depth: int) -> None:
    shard = await scene.keep("one", 0, POOL, OTHER)
    async with scene.watching():
        await scene.read(shard)
        await scene.mine(depth + 3)
        old = (await scene.caught_up(shard)).tables.head
        await asyncio.to_thread(scene.chain.rollback, depth)
        common = scene.chain.header()
        await scene.mine(depth + 2)
        fold = await scene.caught_up(shard)
    (reverted,) = fold.applied(BlocksReverted)
    assert reverted.to.hash == common.hash
    assert reverted.reverted[0] == old.hash
    assert len(reverted.reverted) == depth
    assert fold.count(Arrival.SET_ASIDE) == 0


async def test_a_chain_that_only_gets_shorter(scene: Scene) -> None:
    shard = await scene.keep("one", 0)
    async with scene.watching():
        await scene.read(shard)
        await scene.mine(6)
        await scene.caught_up(shard)
        before = len(await scene.log.events(shard))
        await asyncio.to_thread(scene.chain.rollback, 4)
        await asyncio.sleep(20 * QUICK.poll_s)  # some looks
        assert len(await scene.log.events(shard)) == before, "less of the chain is not another chain"
        await asyncio.to_thread(scene.chain.mine, base_fee_wei=10**9)
        fold = await scene.caught_up(shard)
        assert len(fold.applied(BlocksReverted)) == 1
        await scene.mine(2)
        await scene.caught_up(shard)


async def test_a_reorg_while_nobody_watches(scene: Scene) -> None:
    shard = await scene.keep("one", 0)
    async with scene.watching():
        await scene.read(shard)
        await scene.mine(10)
        await scene.caught_up(shard)
    await asyncio.to_thread(scene.chain.rollback, 8)
    await scene.mine(20)
    async with scene.watching():
        fold = await scene.caught_up(shard)
    assert len(fold.applied(BlocksReverted)) == 1


async def test_killed_at_random_times_nothing_is_missing_and_nothing_doubled(
    scene: Scene, tmp_path: Path
) -> None:
    """While blocks are mined, reorganised and policies set, the watcher dies by kill -9 again and again."""
    dice = random.Random(3)
    shards = {await scene.keep("one", 0, POOL), await scene.keep("two", 1, OTHER, THIRD)}
    for life in range(8):
        watcher = start_watcher(
            scene.broker.bootstrap_servers,
            scene.chain_id,
            scene.chain.url,
            instance=f"life{life}",
            log=tmp_path / "watch.log",
        )
        try:
            if dice.random() < 0.75:  # the others die in the middle of their beginning

                def has_begun(fold: Fold, life: int = life, watcher: Process = watcher) -> bool:
                    assert watcher.poll() is None, (tmp_path / "watch.log").read_text()[-2_000:]
                    return f"life{life}" in {event.instance for event in fold.of(WriterStarted)}

                await scene.log.until(0, has_begun)
            for _ in range(dice.randrange(6)):
                await scene.mine(dice.choice([1, 3]))
                if dice.random() < 0.15:
                    depth = dice.choice([1, 3, 9])
                    await asyncio.to_thread(scene.chain.rollback, depth)
                    await scene.mine(depth + 1)
        finally:
            watcher.kill()
            watcher.wait()
        if life == 4:
            await scene.keep("one", 0, POOL, THIRD)
    async with scene.watching(instance="last"):
        for shard in shards:
            await scene.read(shard)
            fold = await scene.caught_up(shard)
            assert fold.count(Arrival.SET_ASIDE) == 0
            assert len({event.block.hash for event in fold.branch}) == len(fold.branch)
            terms = [event.term for event in fold.applied(WriterStarted)]
            assert terms == sorted(set(terms))
            assert len(terms) >= 5


async def test_of_two_watchers_only_the_higher_term_counts(scene: Scene) -> None:
    shard = await scene.keep("one", 0)
    async with scene.watching(instance="first") as first:
        await scene.read(shard)
        await scene.mine(3)
        async with scene.watching(instance="second"):
            with pytest.raises(FencedError):
                await asyncio.wait_for(first, 60)
            await scene.mine(10)
            fold = await scene.caught_up(shard)
    assert [event.instance for event in fold.applied(WriterStarted)] == ["first", "second"]
    seen = [event.block.hash for event in fold.applied(BlockSeen)]
    assert len(seen) == len(set(seen))


async def test_two_watchers_that_go_on_for_ever_take_turns(scene: Scene) -> None:
    """The first stands by while the second writes, and goes on when the second has ended."""
    timing = msgspec.structs.replace(QUICK, stand_by_s=5.0)
    shard = await scene.keep("one", 0)
    async with scene.watching(instance="first", stands_by=True, timing=timing) as first:
        await scene.read(shard)
        await scene.mine(3)
        async with scene.watching(instance="second", stands_by=True, timing=timing) as second:
            await scene.log.until(shard, lambda fold: len(fold.of(WriterStarted)) == 2)
            for _ in range(12):
                await scene.mine(1)
                await asyncio.sleep(0.5)
            await scene.caught_up(shard)
            assert not first.done()
            assert not second.done()
        await scene.mine(2)
        fold = await scene.caught_up(shard)
    assert [event.instance for event in fold.applied(WriterStarted)] == ["first", "second", "first"]


async def test_a_watcher_frozen_while_another_takes_over_writes_nothing_that_counts(
    scene: Scene, tmp_path: Path
) -> None:
    shard = await scene.keep("one", 0)
    frozen = start_watcher(
        scene.broker.bootstrap_servers,
        scene.chain_id,
        scene.chain.url,
        instance="frozen",
        log=tmp_path / "frozen.log",
    )
    try:
        await scene.read(shard)
        await scene.mine(3)
        await scene.caught_up(shard)
        freeze(frozen.pid)
        await scene.mine(3)
        async with scene.watching(instance="second"):
            await scene.caught_up(shard)
            await scene.mine(3)
            frozen.send_signal(signal.SIGCONT)
            assert await asyncio.to_thread(frozen.wait, 20) != 0
            assert "another watcher writes since" in (tmp_path / "frozen.log").read_text()
            await scene.mine(3)
            fold = await scene.caught_up(shard)
    finally:
        frozen.kill()
        frozen.wait()
    seen = [event.block.hash for event in fold.applied(BlockSeen)]
    assert len(seen) == len(set(seen))


async def test_ends_cleanly_when_told(scene: Scene, tmp_path: Path) -> None:
    shard = await scene.keep("one", 0)
    watcher = start_watcher(
        scene.broker.bootstrap_servers,
        scene.chain_id,
        scene.chain.url,
        instance="told",
        log=tmp_path / "told.log",
    )
    try:
        await scene.read(shard)
        watcher.terminate()
        assert await asyncio.to_thread(watcher.wait, 10) == 0
    finally:
        watcher.kill()
        watcher.wait()


async def test_a_policy_in_the_middle_adds_a_pool_which_is_read_and_followed(scene: Scene) -> None:
    shard = await scene.keep("one", 0, POOL)
    async with scene.watching():
        await scene.read(shard)
        await scene.mine(5)
        await scene.keep("one", 0, POOL, THIRD)
        await scene.mine(5)
        added = scene.world.pool(THIRD).address
        await scene.log.until(shard, lambda fold: added in {e.pool for e in fold.applied(PoolObserved)})
        await scene.mine(10)
        fold = await scene.caught_up(shard)
    emitters = {log.address for block in fold.branch[-8:] for log in block.logs}
    assert added in emitters


async def test_an_nft_transferred_in_is_read_before_the_next_block(scene: Scene) -> None:
    world, chain = scene.world, scene.chain
    provider, owner = world.accounts.providers[0], world.accounts.owners[0]
    shard = await scene.keep("one", 0)
    async with scene.watching():
        await scene.read(shard)
        await scene.mine(2)
        pool = world.pool(POOL)
        mint = actions.mint_position(
            world, provider, pool, range_around(chain, pool, -100, 100), world.amounts(pool, 10**17)
        )
        (receipt,) = await asyncio.to_thread(chain.execute, mint)
        token_id = minted_token_id(receipt, world)
        await scene.mine(2)
        manager = world.position_manager
        approve = function("uniswap-v3/NonfungiblePositionManager", "approve").calldata(owner, token_id)
        await asyncio.to_thread(chain.execute, Tx(sender=provider, to=manager, data=approve))
        taken = function("uniswap-v3/NonfungiblePositionManager", "transferFrom").calldata(
            provider, owner, token_id
        )  # by the owner: else it is a stranger's gift
        moved = await asyncio.to_thread(scene.flow.block, Tx(sender=owner, to=manager, data=taken))
        await scene.mine(4)
        fold = await scene.caught_up(shard)
    (seen,) = [event for event in fold.applied(PositionObserved) if event.token_id == token_id]
    assert seen.block.hash == moved.hash
    assert seen.position.owner == owner
    assert seen.position.pool == pool.address
    assert seen.position.liquidity > 0
    assert seen.pool_position.liquidity >= seen.position.liquidity


async def test_what_owners_have_at_the_beginning_is_found(scene: Scene) -> None:
    world, chain = scene.world, scene.chain
    owner, pool = world.accounts.owners[1], world.pool(OTHER)
    minted = []
    for width in (50, 200):
        mint = actions.mint_position(
            world, owner, pool, range_around(chain, pool, -width, width), world.amounts(pool, 10**17)
        )
        (receipt,) = await asyncio.to_thread(chain.execute, mint)
        minted.append(minted_token_id(receipt, world))
    shard = await scene.keep("one", 1, OTHER)
    async with scene.watching():
        fold = await scene.read(shard)
    (listed,) = fold.applied(OwnerObserved)
    assert list(listed.token_ids) == minted
    assert [event.token_id for event in fold.applied(PositionObserved)] == minted


@pytest.mark.parametrize("fault", ["stops", "dies"])
async def test_a_node_that_goes_silent_and_comes_back(scene: Scene, fault: str) -> None:
    shard = await scene.keep("one", 0)
    timing = QUICK
    async with scene.watching(timing=timing):
        await scene.read(shard)
        await scene.mine(3)
        await scene.caught_up(shard)
        process = scene.chain.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.0 if fault == "stops" else timing.call_timeout_s + 1)
        process.send_signal(signal.SIGCONT)
        await scene.mine(3)
        fold = await scene.caught_up(shard)
    assert fold.count(Arrival.APPLIES) == len(fold.arrivals)
