"""One of several nodes lies to the signer about a price, a balance, a nonce, a receipt or the head; nothing is signed because of it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from chaos.proxy import Answer, NodeProxy, Question, Trouble
from stepping import SaysHttp, SaysNo, Stepping, proxied
from structlog.testing import capture_logs

from pipeline.errors import BlockUnknownError, BrokenAnswerError, NodeBusyError, NodeError, NodesDisagreeError
from streams.node.proof.header_hash import HeaderFields, header_hash
from streams.submit.agreeing_nodes import AgreedNode, sender_node
from streams.submit.node import HttpSenderNode

pytestmark = pytest.mark.anvil

OBSERVE = "883bdbfd"


class Lies(Trouble):
    """The node answers questions of a method with something else, where a lie applies to them."""

    def __init__(self, method: str, lie: Callable[[Question, Any], Any]) -> None:
        super().__init__()
        self._method, self._lie = method, lie

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] != self._method or "result" not in answer:
            return answer
        result = self._lie(question, answer["result"])
        self.met += result != answer["result"]
        return {**answer, "result": result}


class Behind(Trouble):
    """The node has not seen the newest blocks."""

    def __init__(self, proxy: NodeProxy, blocks: int) -> None:
        super().__init__()
        self._proxy, self._blocks = proxy, blocks

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] != "eth_getBlockByNumber":
            return answer
        head = int((await self._proxy.ask("eth_blockNumber"))["result"], 16)
        if question["params"][0] == "latest":
            self.met += 1
            older = await self._proxy.ask("eth_getBlockByNumber", hex(head - self._blocks), False)
            return {**answer, "result": older["result"]}
        return {**answer, "result": None} if int(question["params"][0], 16) > head - self._blocks else answer


@asynccontextmanager
async def several(chain, world, count: int = 2):
    """Run a signer on several nodes of one chain, each behind a proxy of its own; the first is honest."""
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(proxied(chain)) for _ in range(count)]
        node = sender_node([proxy.url_for("signer") for proxy in proxies], timeout_s=5)
        stage = Stepping(chain, world)
        await stage.start(node)
        stack.push_async_callback(stage.submit.close)
        yield stage, proxies


async def is_stopped(stage: Stepping, error: type[NodeError]) -> None:
    """Let the signer look at several blocks; nothing may be signed by what it sees."""
    before = stage.bound()
    for _ in range(3):
        stage.chain.mine()
        with pytest.raises(error):
            await stage.submit.step()
    assert [bound.attempts for bound in stage.bound()] == [bound.attempts for bound in before]


def sale_of_weth(stage: Stepping) -> Any:
    """Ask for a sale at a minimum that an honest price allows."""
    from sender_house import SenderHouse

    world = stage.world
    terms = SenderHouse("", stage.chain, world, None).swap(world.weth, 10**18, 2_994 * 10**6)
    return stage.ask(terms.call.to, terms.call.data, gas_limit=400_000)


def another_tick(question: Question, result: Any) -> Any:
    """Move the mean tick of every pool: `observe` answers inside one call of many."""
    return (
        result[:-4] + "%04x" % (int(result[-4:], 16) ^ 1)
        if OBSERVE in question["params"][0]["data"]
        else result
    )


async def test_one_node_that_lies_about_a_price_sells_nothing(chain, world):
    async with several(chain, world) as (stage, (_, liar)):
        await stage.block(20)  # the pools need a past before they have a mean
        with liar.troubled(Lies("eth_call", another_tick)) as lie:
            sale_of_weth(stage)
            await is_stopped(stage, NodesDisagreeError)
        assert lie.met >= 3
        assert stage.bound() == []
        await stage.block()
        assert len(stage.bound()) == 1, "the truth alone would have been signed"


def other(question: Question, result: Any) -> Any:
    return hex(int(result, 16) + 1)


def no_logs(question: Question, result: Any) -> Any:
    return [{**block, "calls": [{**call, "logs": []} for call in block["calls"]]} for block in result]


def rich(question: Question, result: Any) -> Any:
    (block,) = result
    call = block["calls"][-1]
    changed = call["returnData"][:-2] + "ff"
    return [{**block, "calls": [*block["calls"][:-1], {**call, "returnData": changed}]}]


def dear(question: Question, result: Any) -> Any:
    return {**result, "baseFeePerGas": [*result["baseFeePerGas"][:-1], hex(10**12)]}


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("eth_getBalance", other),
        ("eth_getTransactionCount", other),
        ("eth_simulateV1", no_logs),
        ("eth_simulateV1", rich),
        ("eth_feeHistory", dear),
    ],
)
async def test_a_different_answer_at_the_same_block_signs_nothing_and_is_said_by_name(
    chain, world, method, lie
):
    async with several(chain, world) as (stage, (_, liar)):
        with liar.troubled(Lies(method, lie)) as trouble:
            stage.ask()
            await is_stopped(stage, NodesDisagreeError)
            with capture_logs() as lines:
                serving = asyncio.ensure_future(stage.submit.serve())
                async with asyncio.timeout(30):
                    while not lines:  # noqa: ASYNC110 - lines of a log come without an event
                        await asyncio.sleep(0.02)
                serving.cancel()
        assert trouble.met >= 3
        (line, *_) = lines
        assert (line["log_level"], line["event"]) == ("error", "nodes disagree, nothing is signed")
        assert line["error"].count("127.0.0.1:") == 2, "both nodes are named"
        # the lie over, the same intent is carried out
        await stage.block(2)
        assert stage.bound()[0].inclusion is not None


@pytest.mark.parametrize("field", ["status", "blockHash", "gasUsed"])
async def test_a_forged_receipt_changes_nothing_in_the_journal(chain, world, field):
    def lie(question: Question, result: Any) -> Any:
        if result is None:
            return result
        return {
            **result,
            field: "0x0" if field == "status" else result[field][:-1] + _other(result[field][-1]),
        }

    async with several(chain, world) as (stage, (_, liar)):
        stage.ask()
        await stage.step()
        (before,) = stage.bound()
        with liar.troubled(Lies("eth_getTransactionReceipt", lie)) as trouble:
            await is_stopped(stage, NodesDisagreeError)
        assert trouble.met
        assert stage.bound() == [before]


async def test_a_hidden_receipt_is_waited_for_and_halts_nobody(chain, world):
    async with several(chain, world) as (stage, (_, liar)):
        stage.ask()
        await stage.step()
        with liar.troubled(Lies("eth_getTransactionReceipt", lambda *_: None)) as trouble:
            await is_stopped(stage, BlockUnknownError)
        assert trouble.met
        await stage.step()
        assert stage.bound()[0].inclusion is not None


def with_another_hash(header: Any) -> Any:
    return {**header, "hash": "0x" + "66" * 32}


def with_another_root(header: Any) -> Any:
    """Forge a header whole: its fields are those of its hash."""
    forged = {**header, "stateRoot": "0x" + "66" * 32}
    return {**forged, "hash": header_hash(msgspec.convert(forged, HeaderFields))}


@pytest.mark.parametrize(
    ("forge", "error"), [(with_another_hash, BrokenAnswerError), (with_another_root, BlockUnknownError)]
)
async def test_a_forged_head_is_broken_or_another_branch_and_waited_for(chain, world, forge, error):
    def lie(question: Question, result: Any) -> Any:
        return forge(result) if question["params"][0] == "latest" else result

    async with several(chain, world) as (stage, (_, liar)):
        with liar.troubled(Lies("eth_getBlockByNumber", lie)) as trouble:
            stage.ask()
            await is_stopped(stage, error)
        assert trouble.met


async def test_a_node_two_blocks_behind_is_no_liar(chain, world):
    async with several(chain, world) as (stage, (_, slow)):
        await stage.block(3)  # a chain that was loaded has no states before its own first block
        with slow.troubled(Behind(slow, 2)) as trouble:
            await stage.block()
            stage.ask()
            await stage.step(3)
            assert stage.bound() == [], "the intent's block is not known everywhere"
            await stage.block(3)
            assert len(stage.bound()) == 1
        assert trouble.met


async def test_a_node_far_behind_brings_no_old_prices_back(chain, world):
    async with several(chain, world) as (stage, (_, slow)):
        with slow.troubled(Behind(slow, 8)) as trouble:
            stage.ask()
            await is_stopped(stage, BlockUnknownError)
        assert trouble.met


async def test_a_node_that_lies_about_what_others_tip_raises_no_offer_beyond_the_cap(chain, world):
    def generous(question: Question, result: Any) -> Any:
        return {**result, "reward": [[hex(198 * 10**9)] for _ in result["reward"]]}

    async with several(chain, world, 1) as (stage, (liar,)):
        with liar.troubled(Lies("eth_feeHistory", generous)) as lie:
            stage.ask()
            await stage.step()
            assert stage.attempts()[0].tip_wei == stage.limits.max_tip_wei
    async with several(chain, world) as (stage, (_, liar)):
        with liar.troubled(Lies("eth_feeHistory", generous)) as second:
            stage.ask()
            await stage.step()
            assert stage.attempts()[0].tip_wei < stage.limits.max_tip_wei, (
                "of two nodes the smaller tip counts"
            )
    assert (lie.met, second.met) == (1, 1)


async def test_with_three_nodes_one_may_be_away_or_far_behind(chain, world):
    async with several(chain, world, 3) as (stage, (first, _, third)):
        everything = ("eth_getBlockByNumber", "eth_getBalance", "eth_call", "eth_simulateV1")
        with first.troubled(SaysHttp(503, *everything)) as away:
            stage.ask()
            await stage.step()
            assert len(stage.bound()) == 1
        with third.troubled(Behind(third, 8)) as behind:
            stage.ask()
            await stage.block()
            assert len(stage.bound()) == 2
        assert (away.met > 0, behind.met > 0) == (True, True)


async def test_of_two_nodes_one_alone_is_not_believed(chain, world):
    async with several(chain, world) as (stage, (first, _)):
        with first.troubled(SaysHttp(503, "eth_getBlockByNumber")):
            stage.ask()
            await is_stopped(stage, NodeBusyError)


async def test_bytes_go_to_every_node_and_one_that_takes_them_is_enough(chain, world):
    async with several(chain, world) as (stage, (first, second)):
        with first.troubled(SaysNo("txpool is full", "eth_sendRawTransaction")) as refusing:
            wanted = stage.ask()
            await stage.step()
        assert refusing.met == 1
        assert "Sent" in stage.names(wanted)
        assert len(stage.pool()) == 1
        del second


async def test_a_call_that_fails_at_one_node_only_is_a_contradiction(chain, world):
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(proxied(chain)) for _ in range(2)]
        nodes = {
            name: HttpSenderNode(p.url_for("x"), timeout_s=5) for name, p in (("a", first), ("b", second))
        }
        node = AgreedNode(nodes)
        stack.push_async_callback(node.close)
        at = (await node.newest()).block.hash
        balance = bytes.fromhex("70a08231" + stage_word(world.accounts.owners[0]))
        assert len(await node.call(world.weth, balance, at)) == 32
        reverting = second.troubled(SaysNo("execution reverted", "eth_call", code=3))
        with reverting, pytest.raises(NodesDisagreeError, match="whether a call fails"):
            await node.call(world.weth, balance, at)


def _other(digit: str) -> str:
    return "7" if digit != "7" else "8"


def stage_word(address: str) -> str:
    return address.removeprefix("0x").rjust(64, "0")
