"""A running deployment is upgraded process by process in either order: nothing is lost, and the comparison afterwards is right.

The newer Evenkeel is this one with another table of versions and other rules (`newer_evenkeel.py`): no later release exists.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from forked import Forked
from kafka_logs import append, read_committed
from watching import Log, deployment, own_chain_id, policy_of

from pipeline.messages.events import PolicySet
from pipeline.rules import RULES
from pipeline.units import BookId, ChainId
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.world import World
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading
from streams.kafka.topics import DEAD_LETTERS, DECISIONS, EVENTS, STATE, shard_of
from streams.portfolio import publishing
from streams.present_books import ShardNow, shards_now

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

TESTS = Path(__file__).parents[1]
PARTITIONS = 4
SHARD = shard_of(BookId("one"), PARTITIONS)


class House:
    """A deployment with one book, and the processes of either Evenkeel on it."""

    def __init__(self, broker: Broker, chain: Chain, world: World, log: Log, folder: Path) -> None:
        self.chain, self.world, self.log, self.folder = chain, world, log, folder
        self.bootstrap, self.chain_id = broker.bootstrap_servers, ChainId(chain.chain_id)
        self.flow = OrderFlow(chain, world, seed=7)
        self.running: list[subprocess.Popen[bytes]] = []

    def argv(self, which: str, role: str) -> list[str]:
        given = {
            "bootstrap": self.bootstrap,
            "chain_id": self.chain_id,
            "partitions": PARTITIONS,
            "rpc_url": self.chain.url,
            "instance": "w1",
            "folder": str(self.folder / "data"),
            "shard": SHARD,
        }
        return [sys.executable, str(TESTS / "newer_evenkeel.py"), which, role, json.dumps(given)]

    def start(self, which: str, role: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{which}-{role}.log").open("ab") as log:
            begin = subprocess.Popen if which == "new" else Forked  # a fork has imported the old tables
            process = begin(self.argv(which, role), cwd=TESTS.parent, stdout=log, stderr=log)
        self.running.append(process)
        return process

    @asynccontextmanager
    async def process(self, which: str, role: str) -> AsyncIterator[subprocess.Popen[bytes]]:
        """Run a process until the block ends, then stop it as an upgrade does."""
        process = self.start(which, role)
        try:
            yield process
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 60)

    def said(self, which: str, role: str) -> str:
        return (self.folder / f"{which}-{role}.log").read_text()

    async def until_said(self, which: str, role: str, text: str) -> str:
        async with asyncio.timeout(120):
            while text not in self.said(which, role):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return self.said(which, role)

    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            await asyncio.to_thread(self.flow.block)

    async def read(self, topic) -> list[tuple[bytes, bytes | None]]:
        return await read_committed(self.bootstrap, topic.on(self.chain_id), SHARD)

    async def events(self) -> list[bytes]:
        return [value or b"" for _, value in await self.read(EVENTS)]

    async def cursor(self) -> int:
        found = dict(await self.read(STATE)).get(b"cursor")
        return -1 if found is None else int(json.loads(found)["offset"])

    async def caught_up(self) -> None:
        """Wait until the chain's head is on the log, and all of the log in the state."""
        head = self.chain.header().hash.encode()
        async with asyncio.timeout(120):
            while not any(head in each for each in await self.events()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            while await self.cursor() < len(await self.events()) - 1:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def verify(self, which: str) -> subprocess.CompletedProcess[bytes]:
        return await asyncio.to_thread(
            subprocess.run, self.argv(which, "verify"), cwd=TESTS.parent, capture_output=True, check=False
        )

    async def present(self) -> ShardNow:
        """See the shard as every screen and the doctor do."""
        async with reading(KafkaAccess(self.bootstrap)) as reader:
            return (await shards_now(reader, self.chain_id, PARTITIONS))[SHARD]

    async def pass_over(self, offset: int) -> subprocess.CompletedProcess[str]:
        """Write an operator's command to pass over a record of the shard."""
        env = {
            **os.environ,
            "EVENKEEL_BROKER": self.bootstrap,
            "EVENKEEL_CHAIN_ID": str(self.chain_id),
            "EVENKEEL_RPC_URL": self.chain.url,
            "EVENKEEL_PARTITIONS": str(PARTITIONS),
        }
        argv = [sys.executable, "-m", "streams.cli", "skip", f"shard/{SHARD}", str(offset)]
        return await asyncio.to_thread(
            subprocess.run, argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )

    async def assert_true(self, first_offset: int) -> None:
        """Compare by the newer Evenkeel: it says from where on it does, and all of it is right."""
        done = await self.verify("new")
        verdict = json.loads((done.stdout.splitlines() or [b"{}"])[-1])
        assert verdict.get("wrong") == [], done.stderr.decode()[-2_000:]
        assert verdict["behind"] == []
        assert verdict["compared"]["pools"] == 1
        assert verdict["compared"]["outputs"] > 10
        (under,) = verdict["under"]
        assert (
            f"decisions from offset {first_offset} on, under rules {RULES + 1}; others were made under other rules"
            in under
        )
        decisions = [json.loads(value or b"{}") for _, value in await self.read(DECISIONS)]
        assert {(each["rules"], each.get("reason") == "as newer rules say") for each in decisions} == {
            (str(RULES), False),
            (str(RULES + 1), True),
        }
        assert await self.read(DEAD_LETTERS) == []


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain whose id, and so whose topics, no other test has."""
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=own_chain_id()) as running:
        yield running


@pytest.fixture
async def house(broker: Broker, chain: Chain, world: World, tmp_path: Path) -> AsyncIterator[House]:
    async with deployment(broker.bootstrap_servers, ChainId(chain.chain_id)) as log:
        house = House(broker, chain, world, log, tmp_path)
        policy = policy_of(world, chain.chain_id, "one", world.accounts.owners[0], ["weth_usdc_low_500"])
        assert await log.set_policy(PolicySet(policy=publishing(policy, policy.pools)), "one") == SHARD
        yield house
        for process in house.running:
            if process.poll() is None:
                process.kill()
                process.wait()


async def test_the_worker_is_upgraded_first_under_the_older_watcher(house):
    async with house.process("old", "watch"):
        async with house.process("old", "work"):
            await house.caught_up()  # what is wanted is read
            await house.mine(6)
            await house.caught_up()
        upgraded_at = await house.cursor() + 1
        async with house.process("new", "work"):
            await house.mine(6)
            await house.caught_up()
    assert not any(b'"BlockSeen.4"' in each for each in await house.events())
    await house.assert_true(upgraded_at)


async def test_the_worker_is_upgraded_last_and_its_shard_waits_for_that(house):
    async with house.process("old", "work") as worker:
        async with house.process("old", "watch"):
            await house.caught_up()  # what is wanted is read
            await house.mine(6)
            await house.caught_up()
        before = len(await house.events())
        async with house.process("new", "watch"):
            await house.mine(4)
            said = await house.until_said("old", "work", "HALTED")
        events = await house.events()
        newer = next(at for at, each in enumerate(events) if b'"BlockSeen.4"' in each)
        assert newer >= before
        says = rf"events\.v1\[{SHARD}\]@{newer}: BlockSeen of version 4, known are versions up to 3: written by a newer Evenkeel"
        assert re.search(
            rf"shard {SHARD} is HALTED, the others go on: {says}: upgrade the workers first", said
        )
        assert await house.cursor() == newer - 1
        assert worker.poll() is None

        async with house.process(
            "old", "watch"
        ):  # the older watcher halts at the same record, and appends nothing to the shard
            said = await house.until_said("old", "watch", "HALTED")
            await house.mine(2)
            assert re.search(says, said)
            assert await house.events() == events
    async with house.process("new", "watch"), house.process("new", "work"):
        await house.mine(2)
        await house.caught_up()
    await house.assert_true(newer)

    done = await house.verify("old")
    assert done.returncode != 0
    assert b"BookPath of version 2, known are versions up to 1: written by a newer Evenkeel" in done.stderr


async def test_a_record_of_a_type_that_nobody_has_is_passed_over_by_an_operators_word(house):
    async with house.process("old", "watch"), house.process("old", "work"):
        await house.caught_up()
        at = len(await house.events())
        await append(house.bootstrap, EVENTS.on(house.chain_id), SHARD, [b'{"type":"Hedged","of":"nobody"}'])
        says = f"; if none wrote it: `evenkeel skip shard/{SHARD} {at}`"
        for role in ("watch", "work"):
            assert says in await house.until_said("old", role, "HALTED")
        assert says in str((await house.present()).halted)
        refused = await house.pass_over(at - 1)
        assert refused.returncode == 1
        assert f"has gone past record {at - 1} already" in refused.stderr
        done = await house.pass_over(at)
        assert done.returncode == 0, done.stderr
        await house.mine(2)
        await house.caught_up()
        assert (await house.present()).halted is None
    (letter,) = [json.loads(value or b"{}") for _, value in await house.read(DEAD_LETTERS)]
    assert (letter["offset"], "passed over by" in letter["error"]) == (str(at), True)
    verdict = json.loads((await house.verify("old")).stdout.splitlines()[-1])
    assert (verdict["wrong"], verdict["behind"]) == ([], [])
    assert verdict["rules"]["records passed over"] == 1
