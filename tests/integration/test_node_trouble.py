"""Real parts behind a node with errors: what is written equals the chain, or is not written yet."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from chaos.proxy import Forgets, NodeProxy, Nulls, Refuses, Says, StandsStill, TakesBatchesOf, Trouble, Waits
from watching import QUICK, Fold, Log, assert_equals_chain, deployment, own_chain_id, policy_of, watching

from pipeline.errors import MethodMissingError, NodeBusyError, NodeError
from pipeline.follow.due_reads import wanted
from pipeline.follow.routes import Arrival
from pipeline.messages.events import BlocksReverted, HeadStalled, ObservationFailed, PolicySet
from pipeline.units import BlockNumber, ChainId
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.world import World
from streams.node.http_node import HttpNode
from streams.node.port import Header

pytestmark = pytest.mark.anvil

POOL = "weth_usdc_low_500"
WHOLE, SINGLE = "eth_getBlockReceipts", "eth_getTransactionReceipt"


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain whose id, and so whose topics, no other test has."""
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=own_chain_id()) as running:
        yield running


async def full_blocks(chain: Chain, world: World, node: HttpNode, count: int = 6) -> list[Header]:
    flow = OrderFlow(chain, world, seed=5)
    for _ in range(count):
        await asyncio.to_thread(flow.block)
    newest = (await node.newest()).block.number
    found = await node.headers([BlockNumber(newest - below) for below in range(count)])
    return [header for header in found if header is not None]


# ------------------------------------------------------------------ receipts
@pytest.mark.parametrize(
    "case",
    [
        (Says(WHOLE, code=-32601, message="the method eth_getBlockReceipts does not exist"), 1),
        (Says(WHOLE, code=-32000, message="some new sentence"), 1),
        (Says(WHOLE, code=-32603, message="Internal error"), 3),
        (Says(WHOLE, code=429, message="this method is limited"), 3),
        (Forgets(random.Random(1), "eth_getBlockReceipts"), 20),
    ],
    ids=["missing", "refused", "internal error", "limited", "receipts without logs"],
)
async def test_receipts_come_one_by_one_where_whole_blocks_do_not(
    chain: Chain, world: World, proxy: NodeProxy, node: HttpNode, case: tuple[Trouble, int]
) -> None:
    trouble, tries = case
    headers = await full_blocks(chain, world, node)
    whole = await node.bodies(headers)
    assert sum(len(body.logs) for body in whole if body) > 20
    with proxy.troubled(trouble):
        for left in reversed(range(tries)):
            try:
                single = await node.bodies(headers)
                break
            except NodeError:
                assert left, "it never came to the other way"
        assert single == whole
        met = trouble.met
        assert await node.bodies(headers) == whole
        assert trouble.met == met, "the way that works is kept for a while"


async def test_single_receipts_of_a_block_that_is_gone_are_no_block(
    chain: Chain, world: World, proxy: NodeProxy, node: HttpNode
) -> None:
    """Its transactions may be in another block by now: their receipts are of that one."""
    headers = await full_blocks(chain, world, node, 2)
    await asyncio.to_thread(chain.rollback, 1)
    with proxy.troubled(Says(WHOLE, code=-32601, message="method not found")):
        gone, kept = await node.bodies(headers)
    assert gone is None
    assert kept is not None


async def test_a_node_that_serves_no_receipts_at_all_says_so(
    chain: Chain, world: World, proxy: NodeProxy, node: HttpNode
) -> None:
    headers = await full_blocks(chain, world, node, 1)
    nothing = Says(WHOLE, SINGLE, code=-32601, message="method not found")
    with proxy.troubled(nothing), pytest.raises(MethodMissingError, match=SINGLE):
        await node.bodies(headers)


async def test_what_waits_ten_seconds_is_busy(chain: Chain, proxy: NodeProxy) -> None:
    asked = HttpNode(proxy.url_for("here"), timeout_s=0.3)
    with (
        proxy.troubled(Waits("eth_chainId")),
        pytest.raises(NodeBusyError, match=r"eth_chainId: no answer within"),
    ):
        await asked.chain_id()
    await asked.close()


# ------------------------------------------------------------------ a watcher behind it
class Scene:
    def __init__(self, chain: Chain, world: World, proxy: NodeProxy, log: Log, url: str) -> None:
        self.chain, self.world, self.proxy, self.log, self.url = chain, world, proxy, log, url
        self.flow = OrderFlow(chain, world, seed=7)

    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            await asyncio.to_thread(self.flow.block)

    async def keep(self) -> int:
        owner = self.world.accounts.owners[0]
        policy = policy_of(self.world, self.chain.chain_id, "one", owner, [POOL])
        return await self.log.set_policy(PolicySet(policy=policy), "one")

    async def read(self, shard: int) -> None:
        await self.log.until(shard, lambda fold: fold.tables.head and not wanted(fold.tables))

    async def equals_chain(self, shard: int) -> None:
        fold = await self.log.until_head(shard, self.chain.header().hash, within_s=60)
        assert_equals_chain(fold, self.chain)
        assert not fold.of(ObservationFailed), "what ails a node is not a fact"
        assert all(arrival is Arrival.APPLIES for _, arrival in fold.arrivals)


@asynccontextmanager
async def watched(broker: Broker, chain: Chain, world: World, proxy: NodeProxy) -> AsyncIterator[Scene]:
    """A book that is read and followed by a watcher that asks through the proxy."""
    async with AsyncExitStack() as stack:
        chain_id = ChainId(chain.chain_id)
        log = await stack.enter_async_context(deployment(broker.bootstrap_servers, chain_id))
        url = proxy.url_for("here")
        await stack.enter_async_context(watching(broker.bootstrap_servers, chain_id, url, timing=QUICK))
        yield Scene(chain, world, proxy, log, url)


@pytest.mark.kafka
@pytest.mark.parametrize(
    "trouble",
    [
        Says(WHOLE, code=-32603, message="Internal error"),
        Says(
            "eth_call",
            "eth_getBalance",
            WHOLE,
            code=429,
            message="slow down",
            dice=random.Random(2),
            share=0.2,
        ),
        Says("eth_call", code=-32000, message="header not found", dice=random.Random(3), share=0.2),
        Says("eth_simulateV1", code=-32005, message="limit exceeded", dice=random.Random(4), share=0.2),
        TakesBatchesOf(3),
        TakesBatchesOf(1),
    ],
    ids=["no receipts", "limited in 200", "not yet", "limited trial", "batches of 3", "no batches"],
)
async def test_a_book_is_read_and_followed_through_trouble(
    broker: Broker, chain: Chain, world: World, proxy: NodeProxy, trouble: Trouble
) -> None:
    async with watched(broker, chain, world, proxy) as scene:
        with proxy.troubled(trouble):
            shard = await scene.keep()
            await scene.read(shard)
            with proxy.troubled(Waits()):  # or blocks would come one by one, and never many questions at once
                await scene.mine(25)
            await scene.equals_chain(shard)
        assert trouble.met
        await scene.mine(3)
        await scene.equals_chain(shard)


@pytest.mark.kafka
async def test_a_replica_ninety_blocks_behind_changes_nothing(
    broker: Broker, chain: Chain, world: World, proxy: NodeProxy
) -> None:
    """More than the shard can undo. It is waited for; the standstill names it."""
    async with AsyncExitStack() as stack:
        chain_id = ChainId(chain.chain_id)
        log = await stack.enter_async_context(deployment(broker.bootstrap_servers, chain_id))
        timing = type(QUICK)(
            **{name: getattr(QUICK, name) for name in QUICK.__struct_fields__} | {"stall_after_s": 5.0}
        )
        url = proxy.url_for("here")
        await stack.enter_async_context(watching(broker.bootstrap_servers, chain_id, url, timing=timing))
        scene = Scene(chain, world, proxy, log, url)
        shard = await scene.keep()
        await scene.read(shard)
        await scene.mine(95)
        newest = chain.header()
        await log.until_head(shard, newest.hash)
        number = newest.number

        def stalls(fold: Fold) -> list[HeadStalled]:
            """List the alerts about this head; a busy machine may also have paused during the book's reads."""
            return [event for event in fold.of(HeadStalled) if event.block and event.block.number == number]

        with proxy.troubled(StandsStill(number - 90, proxy)) as trouble:
            fold = await log.until(shard, stalls)
            await scene.mine(2)
        assert trouble.met
        (told,) = stalls(fold)
        assert (
            told.cause == f"the node is behind: its newest block is {number - 90}, the shard is at {number}"
        )
        await scene.equals_chain(shard)
        assert not (await log.fold(shard)).of(BlocksReverted)


@pytest.mark.kafka
@pytest.mark.parametrize(
    "trouble", [Nulls(), Refuses(random.Random(9), share=0.5)], ids=["nulls", "pages and halves"]
)
async def test_what_is_no_answer_leaves_no_trace(
    broker: Broker, chain: Chain, world: World, proxy: NodeProxy, trouble: Trouble
) -> None:
    async with watched(broker, chain, world, proxy) as scene:
        shard = await scene.keep()
        await scene.read(shard)
        with proxy.troubled(trouble):
            await scene.mine(5)
            await scene.log.until(shard, lambda _: trouble.met >= 20)
        await scene.equals_chain(shard)
