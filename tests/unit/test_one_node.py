"""The health of a single node is reported like that of several: head, age, latency, share of failures."""

import pytest

from pipeline.errors import NodeError
from streams.cli.processes import _says_of
from streams.node.budget import NodeBudget, RateLimit
from streams.node.connect import connect
from streams.node.fake import FakeChain
from streams.node.several_nodes import SeveralNodes
from streams.node.single_node import OneNode


class Time:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += 0.04
        return self.now_s


def chain(blocks: int = 5) -> FakeChain:
    made = FakeChain()
    for _ in range(blocks):
        made.mine()
    return made


async def test_its_answers_are_its_own_and_its_health_is_told() -> None:
    node, budget = chain(), NodeBudget(RateLimit(per_day=9))
    asked = OneNode("a.example:443", node, budget=budget, clock=Time())
    (before,) = asked.seen()
    assert (before.head, before.lag_blocks, before.latency_ms, before.head_time_s) == (None, None, None, None)
    head = await asked.newest()
    assert head == node.head
    assert await asked.headers([head.block.number]) == [head]
    budget.reserve([2])
    (seen,) = asked.seen()
    assert (seen.name, seen.head, seen.lag_blocks, seen.failing_percent) == (
        "a.example:443", head.block.number, 0, 0,
    )  # fmt: skip
    assert (seen.latency_ms, seen.asked_in_a_day, seen.trouble) == (40, 2, None)
    assert seen.head_time_s == head.block.timestamp_s
    said = ", ".join(_says_of(seen, head.block.timestamp_s + 75))
    assert said == f"at block {head.block.number}, 1m15s old, 40 ms, 2 questions in 24h"


async def test_its_errors_are_its_own_and_are_counted() -> None:
    node = chain()
    asked = OneNode("a.example:443", node, clock=Time())
    head = await asked.newest()
    node.fail("bodies", "stall", "stall")
    for _ in range(2):
        with pytest.raises(NodeError) as raised:
            await asked.bodies([head])
    (seen,) = asked.seen()
    assert seen.failing_percent == 10
    assert seen.trouble == str(raised.value)
    assert (await asked.bodies([head]))[0] is not None, "it is asked at once: there is no other"
    assert asked.seen()[0].trouble is None
    assert asked.seen()[0].asked_in_a_day is None, "without a budget nothing is counted"


async def test_one_url_is_a_node_whose_health_is_kept_and_two_of_one_host_are_one() -> None:
    for urls in (["https://a.example/x"], ["https://a.example/x", "https://a.example/y"]):
        node = connect(urls, timeout_s=1)
        assert isinstance(node, OneNode)
        assert [each.name for each in node.seen()] == ["a.example:443"]
        await node.close()
    several = connect(["https://a.example", "https://b.example"], timeout_s=1)
    assert isinstance(several, SeveralNodes)
    await several.close()
