"""Several nodes used as one: a failing one is skipped, a lagging one causes no revert, and contradictions decide nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from pipeline.errors import BlockUnknownError, CallRevertedError, NodeBusyError, SettingsError
from pipeline.units import Address, BlockNumber, ChainId
from streams.node.fake import FakeChain
from streams.node.port import Header
from streams.node.several_nodes import SeveralNodes, usual_quorum

TOKEN = Address("0x" + "aa" * 20)


class Time:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def chains(count: int, blocks: int = 5) -> list[FakeChain]:
    """Nodes of one chain: each has mined the same blocks."""
    made = [FakeChain() for _ in range(count)]
    for chain in made:
        for _ in range(blocks):
            chain.mine()
    return made


def several(nodes: Sequence[FakeChain], quorum: int | None = None, time: Time | None = None) -> SeveralNodes:
    named = {f"node{place}": node for place, node in enumerate(nodes)}
    quorum = usual_quorum(len(nodes)) if quorum is None else quorum
    return SeveralNodes(named, quorum=quorum, clock=time or Time())


def fork(chain: FakeChain, depth: int, blocks: int) -> None:
    """Let a node be on another branch."""
    chain.rollback(depth)
    for _ in range(blocks):
        chain.mine()


async def test_the_first_node_is_asked_while_it_answers() -> None:
    nodes = chains(2)
    asked = several(nodes)
    head = await asked.newest()
    assert head == nodes[0].head
    await asked.bodies([head])
    assert "bodies" in nodes[0].questions
    assert "bodies" not in nodes[1].questions


async def test_another_answers_for_one_that_fails_and_it_is_asked_again_later() -> None:
    nodes, time = chains(2), Time()
    asked = several(nodes, time=time)
    head = await asked.newest()
    nodes[0].fail("bodies", "stall", "stall")
    assert (await asked.bodies([head]))[0] is not None
    assert asked.health["node0"].trouble
    assert (await asked.bodies([head]))[0] is not None
    assert nodes[0].questions.count("bodies") == 1, "it rests"
    time.now_s += 2
    assert (await asked.bodies([head]))[0] is not None
    time.now_s += 1.5
    await asked.bodies([head])
    assert nodes[0].questions.count("bodies") == 2, "it rests twice as long"
    time.now_s += 1
    await asked.bodies([head])
    assert nodes[0].questions.count("bodies") == 3
    assert asked.health["node0"].trouble == ""


async def test_where_all_fail_each_is_named_with_its_reason() -> None:
    nodes = chains(2)
    asked = several(nodes)
    for node in nodes:
        node.fail("newest", "stall")
    with pytest.raises(NodeBusyError, match=r"no node answers: node0: .*; node1: "):
        await asked.newest()
    assert (await asked.newest()) == nodes[0].head, "where all rest, all are asked"


async def test_a_node_that_is_behind_does_not_take_the_head_back() -> None:
    nodes = chains(2)
    asked = several(nodes)
    head = await asked.newest()
    nodes[0].lags_blocks = 3
    assert (await asked.newest()) == head
    header = await asked.headers([head.block.number])
    assert header == [head], "who has the newest block is asked about it"


async def test_what_one_node_does_not_know_another_is_asked_for() -> None:
    nodes = chains(2)
    asked = several(nodes)
    head = await asked.newest()
    nodes[0].fail("header", "null")
    assert await asked.header(head.block.hash) == head
    nodes[0].fail("bodies", "null")
    assert (await asked.bodies([head]))[0] is not None
    nodes[0].keeps_states = nodes[1].keeps_states = 0
    assert await asked.native_balances([(TOKEN, nodes[0].blocks()[0][0].block.hash)]) == [None]


async def test_the_head_is_the_highest_that_enough_nodes_have() -> None:
    nodes = chains(3)
    asked = several(nodes)
    nodes[0].mine()
    assert (await asked.newest()).block.number == BlockNumber(5)
    nodes[2].mine()
    assert (await asked.newest()) == nodes[0].head
    nodes[2].lags_blocks = 4
    assert (await asked.newest()).block.number == BlockNumber(5), "two of three are enough"


async def test_a_branch_that_one_node_alone_tells_of_is_not_followed() -> None:
    nodes = chains(3)
    fork(nodes[0], depth=2, blocks=4)
    asked = several(nodes)
    head = await asked.newest()
    assert head == nodes[1].head
    assert await asked.headers([head.block.number]) == [head]
    assert await asked.bodies([head]) == await nodes[1].bodies([head])


async def test_where_no_branch_has_enough_nodes_nothing_is_decided_and_each_is_named() -> None:
    nodes = chains(3)
    fork(nodes[0], depth=2, blocks=2)
    fork(nodes[1], depth=2, blocks=2)
    nodes[1].rollback(1)
    nodes[1].mine()
    asked = several(nodes)
    with pytest.raises(
        BlockUnknownError, match=r"different branches: block 5 is .* at node0, .* at node1, .* at node2"
    ):
        await asked.newest()
    fork(nodes[0], depth=2, blocks=0)
    for _ in range(2):
        nodes[0]._branch.append(nodes[2].blocks()[len(nodes[0].blocks())])
    assert (await asked.newest()) == nodes[2].head


async def test_headers_by_height_are_compared_too() -> None:
    nodes = chains(3)
    asked = several(nodes)
    head = await asked.newest()
    fork(nodes[1], depth=1, blocks=1)
    with pytest.raises(BlockUnknownError, match="different branches"):
        await asked.headers([head.block.number])
    assert await asked.headers([BlockNumber(4)]) == [nodes[0].blocks()[4][0]]


async def test_a_frozen_node_keeps_nobody_waiting_for_long() -> None:
    nodes = chains(3)

    async def never() -> Header:
        await asyncio.Event().wait()
        raise AssertionError

    nodes[0].newest = never  # type: ignore[method-assign]
    asked = several(nodes)
    assert (await asyncio.wait_for(asked.newest(), 30)) == nodes[1].head
    assert "after the others" in asked.health["node0"].trouble
    assert (await asyncio.wait_for(asked.newest(), 30)) == nodes[1].head


async def test_too_few_answers_for_a_quorum_are_a_standstill_with_its_reason() -> None:
    nodes = chains(3)
    asked = several(nodes)
    nodes[0].fail("newest", "stall")
    nodes[1].fail("newest", "stall")
    with pytest.raises(NodeBusyError, match=r"1 of 3 nodes answer: node0: .*; node1: "):
        await asked.newest()


async def test_who_rests_is_asked_where_the_others_are_too_few() -> None:
    nodes = chains(3)
    asked = several(nodes)
    head = await asked.newest()
    for node in nodes[:2]:
        node.fail("bodies", "stall")
    assert (await asked.bodies([head]))[0] is not None
    assert asked.health["node0"].trouble
    assert asked.health["node1"].trouble
    assert await asked.newest() == head, "one alone would be too few"
    assert asked.health["node0"].trouble == ""


async def test_who_rests_is_asked_last_where_all_others_fail() -> None:
    nodes = chains(2)
    asked = several(nodes)
    head = await asked.newest()
    nodes[0].fail("bodies", "stall")
    nodes[1].fail("bodies", "null", "stall")
    assert (await asked.bodies([head])) == [None], "another has an answer, though it lacks something"
    assert (await asked.bodies([head]))[0] is not None
    assert nodes[0].questions.count("bodies") == 2


async def test_who_is_no_longer_waited_for_is_asked_no_more() -> None:
    nodes = chains(2)
    ended = asyncio.Event()

    async def never() -> Header:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    nodes[0].newest = nodes[1].newest = never  # type: ignore[method-assign]
    asking = asyncio.ensure_future(several(nodes).newest())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()


async def test_what_a_contract_refuses_is_asked_once() -> None:
    nodes = chains(2)
    for node in nodes:
        node.contracts[TOKEN] = lambda *_: None
    asked = several(nodes)
    head = await asked.newest()
    with pytest.raises(CallRevertedError):
        await asked.call(TOKEN, b"", head.block.hash)
    assert "call" not in nodes[1].questions


async def test_each_node_is_told_of_with_head_lag_errors_and_trouble() -> None:
    nodes, time = chains(3), Time()
    asked = several(nodes, time=time)
    nodes[1].lags_blocks = 2
    await asked.newest()
    head = nodes[0].head
    for _ in range(2):
        nodes[0].fail("bodies", "stall")
        await asked.bodies([head])
        time.now_s += 60
    first, second, third = asked.seen()
    assert (first.name, first.head, first.lag_blocks, first.failing_percent) == ("node0", 5, 0, 10)
    assert first.trouble == "bodies: no answer in time"
    assert (second.head, second.lag_blocks, second.failing_percent, second.trouble) == (3, 2, 0, None)
    assert (third.head, third.latency_ms, third.asked_in_a_day) == (5, 0, None)


async def test_nodes_of_different_chains_are_a_wrong_setting() -> None:
    asked = several([FakeChain(), FakeChain(chain_id=1)])
    with pytest.raises(SettingsError, match="node0 follows 31337, node1 follows 1"):
        await asked.chain_id()
    assert await several(chains(2)).chain_id() == ChainId(31_337)
