"""All nodes agree on a block that is too old: it is reported once each time, with its end."""

import pytest
from fake_world import OWNERS, fake_policy
from rigs import Rig
from watching import Fold

from pipeline.drive import drive
from pipeline.messages.decisions import ChainStalled
from pipeline.messages.events import HeadStalled, PolicySet
from pipeline.state.shard import Shard
from pipeline.units import Seconds, ShardId
from streams.node.fake import FakeChain
from streams.node.several_nodes import SeveralNodes
from streams.watch.clock_lag import ClockLag
from streams.watch.watcher import Watch

BOUND_S = Seconds(180)
ONE = PolicySet(policy=fake_policy("one", OWNERS[0]))


def age(rig: Rig, age_s: int) -> None:
    """Let the newest block be so old."""
    rig.wall_s = rig.chain.head.block.timestamp_s + age_s


async def watched(rig: Rig) -> Watch:
    rig.late_s = BOUND_S
    age(rig, 0)
    await rig.append(0, ONE)
    watch = rig.watch()
    rig.run(watch)
    await rig.settled()
    return watch


def told(rig: Rig) -> list[HeadStalled]:
    fold: Fold = rig.fold()
    return fold.of(HeadStalled)


async def test_an_old_block_is_told_once_and_again_after_it_has_been_one_of_now() -> None:
    async with Rig() as rig:
        watch = await watched(rig)
        for times in (1, 2):
            rig.chain.mine()
            age(rig, BOUND_S)
            await rig.settled()
            await rig.turns()
            assert len(told(rig)) == times - 1, "as old as it may be"
            assert watch.progress().trouble is None
            age(rig, BOUND_S + 3_600)
            await rig.until(lambda times=times: len(told(rig)) == times)
            event, number = told(rig)[-1], rig.chain.head.block.number
            assert event.age_s == BOUND_S + 3_600
            assert event.cause == (
                f"block {number}, the newest, is 1h3m behind this machine's clock, more than 3m: "
                "all nodes that were asked lag or are cut off, the chain stands still, or the clock is wrong"
            )
            assert watch.progress().trouble == event.cause
            rig.chain.mine()  # blocks go on to come, as old as before
            age(rig, BOUND_S + 3_600)
            await rig.settled()
            age(rig, BOUND_S - 1)
            await rig.turns()
            assert len(told(rig)) == times
            assert watch.progress().trouble is not None, "it is over below half of the bound"
            age(rig, BOUND_S // 2)
            await rig.until(lambda: watch.progress().trouble is None)
        outputs = drive(Shard(ShardId(0)), rig.events(0))
        assert [each.cause for each in outputs if isinstance(each, ChainStalled)] == [
            each.cause for each in told(rig)
        ]


async def test_each_shard_with_books_is_told_and_no_other() -> None:
    async with Rig(partitions=3) as rig:
        await rig.append(2, PolicySet(policy=fake_policy("two", OWNERS[1])))
        await watched(rig)
        age(rig, 10_000)
        await rig.until(lambda: rig.fold(0).of(HeadStalled) and rig.fold(2).of(HeadStalled))
        assert not rig.fold(1).of(HeadStalled)


@pytest.mark.parametrize(("bound_s", "own_time"), [(None, False), (BOUND_S, True)], ids=["no bound", "anvil"])
async def test_where_times_tell_nothing_nothing_is_said(bound_s: Seconds | None, own_time: bool) -> None:
    chain = FakeChain()
    chain.own_time = own_time
    lag = ClockLag(chain, bound_s, wall=lambda: chain.head.block.timestamp_s + 10**9)
    await lag.look(chain.head)
    assert lag.late is None
    assert ClockLag(FakeChain(), BOUND_S, wall=lambda: 0.0).late is None


async def test_one_node_that_says_it_is_an_anvil_silences_nothing() -> None:
    nodes = [FakeChain(), FakeChain()]
    nodes[0].own_time = True
    several = SeveralNodes({"a": nodes[0], "b": nodes[1]}, quorum=1)
    lag = ClockLag(several, BOUND_S, wall=lambda: nodes[0].head.block.timestamp_s + 10**9)
    await lag.look(nodes[0].head)
    assert lag.late is not None
