"""How processes end when told to, in any trouble, and restart; and what `up` logs about it."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from chaos.crew import Member
from chaos.ground import HouseError
from chaos.house import House, opened
from chaos.proxy import Waits

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.anvil,
    pytest.mark.timeout(720),
    pytest.mark.asyncio(loop_scope="module"),
]

ENDED = {0, 143, -signal.SIGTERM}
"""In order; before it served; and before the first line of ours ran."""
IN_TIME_S = 25.0
"""Their own bounds come to 8 s and the rest is work; without them they would wait 30 s for the broker, or for ever."""
SESSION_S = 10.0
"""So long the group keeps a silent worker's place."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(tmp_path_factory.mktemp("house"), 3, hurried=False) as house:
        yield house


async def told_to_end(house: House) -> dict[str, tuple[float, int]]:
    """Tell everybody at once, and return who took how long and how it ended."""
    members = [house.members[name] for name in ("n1", "w1", "w2")]
    processes = [member.process for member in members]
    took_s = await asyncio.gather(*(member.stop(within_s=90) for member in members))
    return {
        member.name: (seconds, process.returncode)
        for member, seconds, process in zip(members, took_s, processes, strict=True)
    }


async def begin_again(house: House) -> None:
    for name in ("n1", "w1", "w2"):
        house.members[name].start()
    await house.recovered()


async def test_they_end_in_order_at_work(house):
    await house.burst()
    ended = await told_to_end(house)
    assert {name: code for name, (_, code) in ended.items()} == {"n1": 0, "w1": 0, "w2": 0}
    assert max(seconds for seconds, _ in ended.values()) < IN_TIME_S, ended
    await begin_again(house)


async def test_a_watcher_ends_while_the_node_says_nothing(house):
    with house.proxy.troubled(Waits()) as gate:
        await asyncio.wait_for(gate.somebody_waits.wait(), 90)
        await asyncio.sleep(1)
        ended = await told_to_end(house)
    assert {name: code for name, (_, code) in ended.items()} == {"n1": 0, "w1": 0, "w2": 0}
    assert max(seconds for seconds, _ in ended.values()) < IN_TIME_S, ended
    await begin_again(house)


async def test_they_end_while_the_broker_says_nothing(house):
    """A worker may then leave a commit behind: it says so, and ends with the code of that."""
    await house.burst()
    house.devnet.broker.pause()
    try:
        await asyncio.sleep(1)
        ended = await told_to_end(house)
    finally:
        house.devnet.broker.resume()
    assert ended["n1"][1] == 0
    assert {ended["w1"][1], ended["w2"][1]} <= {0, 70}
    assert max(seconds for seconds, _ in ended.values()) < IN_TIME_S, ended
    await begin_again(house)


async def test_a_worker_that_comes_back_under_its_name_has_its_shards_at_once(house):
    """Within its session nobody else is asked to take them over."""
    await house.ensure_workers(2)
    workers = [house.members[name] for name in ("w1", "w2")]
    await until(lambda: shared(workers), "two workers shared all shards")
    for killed, other in (workers, workers[::-1]):
        before, times = set(killed.shards), other.log.read_text().count("keeps shards")
        starts = killed.starts
        killed.kill()
        killed_s = time.monotonic()
        await until(lambda k=killed, s=starts: k.starts > s and shared(workers), "it had them again")
        away_s = time.monotonic() - killed_s
        await house.recovered()
        if away_s < SESSION_S:  # a machine that takes longer to start a worker gives its place away
            assert killed.shards == before
            assert other.log.read_text().count("keeps shards") == times


def shared(workers: list[Member]) -> bool:
    for worker in workers:
        worker.read()
    each = [worker.shards for worker in workers]
    return all(each) and sorted(shard for shards in each for shard in shards) == [0, 1, 2, 3]


@pytest.mark.parametrize("after_s", [1.0, 3.0])
async def test_they_end_while_they_begin(house, after_s):
    """Also those that wait for their group, or for what they must load first."""
    await told_to_end(house)
    for name in ("n1", "w1", "w2"):
        house.members[name].start()
    await asyncio.sleep(after_s)
    ended = await told_to_end(house)
    assert {code for _, code in ended.values()} <= ENDED
    assert max(seconds for seconds, _ in ended.values()) < IN_TIME_S, ended
    await begin_again(house)


async def test_they_end_while_they_wait_for_a_broker(house):
    await told_to_end(house)
    house.devnet.broker.pause()
    try:
        for name in ("n1", "w1", "w2"):
            house.members[name].start()
        await asyncio.sleep(4)
        ended = await told_to_end(house)
    finally:
        house.devnet.broker.resume()
    assert {code for _, code in ended.values()} <= ENDED
    assert max(seconds for seconds, _ in ended.values()) < IN_TIME_S, ended
    await begin_again(house)


async def test_up_says_why_a_child_ended_and_starts_it_again(house):
    await told_to_end(house)
    up = house.member("up", "up")
    up.start()
    await house.recovered()

    for death in range(3):
        await kill_the_worker_of(up, death)
    ends = ends_of(up, "work")
    assert [end["why"] for end in ends] == ["killed by SIGKILL"] * 3
    for failures, end in enumerate(ends):
        longest_s = 0.5 * 2**failures
        assert longest_s / 2 - 0.1 <= end["again_in_s"] <= longest_s + 0.1
    await house.recovered()

    await ends_in_order(up)
    await begin_again(house)
    finding = await house.verdict()
    assert (finding.lost, finding.doubled, finding.wrong) == (0, 0, [])


async def test_two_ups_on_one_deployment_do_not_replace_each_other_for_ever(house):
    """The first watcher stands by; the workers share the shards."""
    await told_to_end(house)
    first, second = house.member("up", "up1"), house.member("up", "up2")
    first.start()
    await house.recovered()
    second.start()
    await house.until(lambda: house.watcher() is second, "the second watcher took over")
    stands_by = await until(lambda: said(first, "stands by"), "word of the first watcher")
    assert "another watcher writes since" in stands_by["error"]
    await house.recovered()
    writer = house.ledger.pages[0].writer
    await house.blocks(40)
    await house.recovered()
    assert house.ledger.pages[0].writer == writer
    assert [*ends_of(first, "watch"), *ends_of(second, "watch"), *ends_of(first, "work")] == []
    await ends_in_order(first)
    await ends_in_order(second)
    await begin_again(house)


async def ends_in_order(up: Member) -> None:
    process = up.process
    assert await up.stop(within_s=90) < IN_TIME_S
    assert process.returncode == 0


def said(member: Member, message: str) -> dict | None:
    member.read()
    return next((line for line in member.lines if line["message"] == message), None)


async def kill_the_worker_of(up: Member, deaths: int) -> None:
    """Kill the worker that was started after a number of deaths, and wait until its death is logged."""
    os.kill(await until(lambda: started(up, "work", beyond=deaths), "a worker"), signal.SIGKILL)
    await until(lambda: len(ends_of(up, "work")) > deaths, "word of the worker's end")


def ends_of(up: Member, child: str) -> list[dict]:
    up.read()
    return [
        line
        for line in up.lines
        if re.search("a child ended", str(line["message"])) and line["child"] == child
    ]


def started(up: Member, child: str, *, beyond: int) -> int:
    """Find the process that was started after so many ends."""
    up.read()
    pids = [
        line["pid"] for line in up.lines if line["message"] == "a child started" and line["child"] == child
    ]
    return pids[beyond] if len(pids) > beyond else 0


async def until(holds: Callable, what: str, within_s: float = 240.0):
    deadline_s = time.monotonic() + within_s
    while not (found := holds()):
        if time.monotonic() > deadline_s:
            raise HouseError(f"no {what} within {within_s} s")
        await asyncio.sleep(0.1)
    return found
