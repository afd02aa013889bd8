"""`rehearse` on a real broker: each proposal is tried and published once, whenever the process dies, and waits are bounded."""

import asyncio
import itertools
import os
import re
import sys
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import forked
import pytest
from desk import Desk, live
from kafka_logs import append, read_committed, until_marked
from structlog.testing import capture_logs
from toy_fork import ToyForks

from pipeline.errors import BlockUnknownError, BrokenAnswerError, NodeBusyError, NodeError
from pipeline.messages.base import BlockRef
from pipeline.messages.decisions import ProposalTried, RebalanceProposed
from pipeline.messages.events import DryRunEnded
from pipeline.state.shard import Shard
from pipeline.units import ChainId, ShardId
from streams.devnet.artifacts import anvil_program
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.codec import decode_event, decode_output, encode
from streams.kafka.topics import DECISIONS, EVENTS, ensure_topics
from streams.rehearse.anvil import AnvilForks
from streams.rehearse.port import Forks, NotTried
from streams.rehearse.serve import POINTS, TryTiming, run_tries
from streams.work.fold import fold_log

SHARD = ShardId(0)
ROOT = str(Path(__file__).parents[2])
_chain_ids = itertools.count(995_000)


def _has_looked(lines: Sequence[MutableMapping[str, Any]]) -> bool:
    """Return whether a run has read all untried proposals, before which it publishes nothing."""
    return any(line["event"] == "tries proposals of dry-run books" for line in lines)


class Died(BaseException):
    """As kill -9: nothing is put in order."""


class Deployment:
    """A log, a worker that processes it on request, and a process that tries proposals."""

    def __init__(self, bootstrap: str, chain_id: ChainId, desk: Desk) -> None:
        self.bootstrap, self.chain_id, self.desk = bootstrap, chain_id, desk

    async def begin(self) -> None:
        await ensure_topics(KafkaAccess(self.bootstrap), self.chain_id, 1)
        log = [encode(event) for event in self.desk.watcher.log]
        await append(self.bootstrap, EVENTS.on(self.chain_id), SHARD, log)
        await self.work()

    async def log(self) -> list[Any]:
        records = await read_committed(self.bootstrap, EVENTS.on(self.chain_id), SHARD)
        return [decode_event(value or b"", where="the log") for _, value in records]

    async def work(self) -> None:
        """Take in what is new, in one transaction."""
        checkpoint = KafkaCheckpoint(KafkaAccess(self.bootstrap), self.chain_id, instance="test")
        shard = Shard(SHARD, await checkpoint.open(SHARD))
        outputs = fold_log(shard, enumerate([encode(event) for event in await self.log()]))
        await checkpoint.commit(outputs, shard.tables.changes())
        await checkpoint.close()

    async def rehearse(self, forks: Forks, *, dies_at: str = "", timing: TryTiming | None = None) -> None:
        """Try until the log has an outcome, and a moment longer; or until the process dies."""

        def reach(point: str) -> None:
            if point == dies_at:
                raise Died

        task = asyncio.ensure_future(
            run_tries(
                kafka=KafkaAccess(self.bootstrap),
                chain_id=self.chain_id,
                partitions=1,
                instance="test",
                forks=forks,
                timing=timing,
                reach=reach,
            )
        )
        with capture_logs() as lines:
            async with asyncio.timeout(240):
                while not task.done() and not (  # noqa: ASYNC110 - the log is asked
                    _has_looked(lines) and await self.endings()
                ):
                    await asyncio.sleep(0.2)
                await asyncio.wait({task}, timeout=180 if dies_at else 2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def endings(self) -> list[DryRunEnded]:
        return [event for event in await self.log() if isinstance(event, DryRunEnded)]

    async def told(self) -> list[ProposalTried]:
        await self.work()
        topic = DECISIONS.on(self.chain_id)
        await until_marked(self.bootstrap, SHARD, topic)
        records = await read_committed(self.bootstrap, topic, SHARD)
        said = [decode_output(value or b"") for _, value in records]
        return [each for each in said if isinstance(each, ProposalTried)]


@pytest.fixture
async def deployment(broker: Broker) -> Deployment:
    desk = Desk(live(mode="dry-run"))
    desk.block(push=True)
    found = Deployment(broker.bootstrap_servers, ChainId(next(_chain_ids)), desk)
    await found.begin()
    return found


@pytest.mark.kafka
@pytest.mark.parametrize("point", POINTS)
async def test_wherever_it_dies_a_proposal_is_told_once(deployment: Deployment, point: str):
    forks = ToyForks(deployment.desk)
    with pytest.raises(Died):
        await deployment.rehearse(forks, dies_at=point)
    assert len(await deployment.endings()) == (point == "told")
    await deployment.rehearse(forks)
    (told,) = await deployment.told()
    assert (told.run.outcome, told.simulated) == ("done", True)
    assert len(await deployment.endings()) == 1
    assert forks.made == {"found": 1, "forked": 2, "tried": 2, "told": 1}[point]
    await deployment.rehearse(forks)
    assert forks.made <= 2, "what is told is not tried again"


@pytest.mark.kafka
async def test_why_goes_on_from_a_proposal_to_its_dry_run(deployment: Deployment, tmp_path: Path):
    await deployment.rehearse(ToyForks(deployment.desk))
    (told,) = await deployment.told()
    (proposal,) = [o for o in deployment.desk.outputs if isinstance(o, RebalanceProposed)]
    settings = {"BROKER": deployment.bootstrap, "CHAIN_ID": str(deployment.chain_id), "PARTITIONS": "1"}
    env = {f"EVENKEEL_{name}": value for name, value in settings.items()}
    argv = [sys.executable, "-m", "streams.cli", "why", proposal.id]
    ran = forked.run(argv, env=os.environ | env | {"PYTHONPATH": ROOT}, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    shown = ran.stdout.partition("dry-run:")[2]
    for line in (
        f"run.before.deviation_bps {told.run.before.deviation_bps}",
        f"run.after.deviation_bps {told.run.after.deviation_bps}",
        f"run.steps[0].gas_used {told.run.steps[0].gas_used}",
        f"run.changes[0].delta {told.run.changes[0].delta}",
    ):
        assert line in re.sub(" +", " ", shown)


class HungForks:
    @asynccontextmanager
    async def at(self, *_: object) -> AsyncIterator[Any]:
        await asyncio.sleep(3600)
        yield None


class FailingForks:
    def __init__(self) -> None:
        self.asked = 0

    @asynccontextmanager
    async def at(self, *_: object) -> AsyncIterator[Any]:
        self.asked += 1
        raise NodeError("not today")
        yield None


@pytest.mark.kafka
async def test_a_fork_that_hangs_is_given_up(deployment: Deployment):
    await deployment.rehearse(HungForks(), timing=TryTiming(within_s=1))
    (told,) = await deployment.told()
    assert (told.run.outcome, told.run.reason) == ("failed", "no end within 1 s")


@pytest.mark.kafka
async def test_a_node_that_fails_is_asked_again_and_then_given_up(deployment: Deployment):
    forks = FailingForks()
    await deployment.rehearse(forks)
    (told,) = await deployment.told()
    assert (told.run.outcome, told.run.reason, forks.asked) == ("failed", "not today", 3)


class TroubledForks(ToyForks):
    """Forks of a node with passing trouble, which ends."""

    def __init__(self, desk: Desk, errors: list[NodeError]) -> None:
        super().__init__(desk)
        self.errors = errors

    @asynccontextmanager
    async def at(self, *arguments: Any) -> AsyncIterator[Any]:
        if self.errors:
            raise self.errors.pop()
        async with super().at(*arguments) as fork:
            yield fork


@pytest.mark.kafka
async def test_what_ails_a_node_is_not_the_outcome_of_a_dry_run(deployment: Deployment):
    trouble = [NodeBusyError("slow down"), BlockUnknownError("header not found"), BrokenAnswerError("half")]
    forks = TroubledForks(deployment.desk, trouble * 2)
    await deployment.rehearse(forks)
    (told,) = await deployment.told()
    assert not forks.errors
    assert told.run.outcome == "done"


@pytest.mark.anvil
async def test_a_block_that_the_chain_does_not_have_is_orphaned(chain: Chain, cache: Path):
    header = chain.header()
    another = BlockRef(
        number=header.number,
        hash="0x" + "11" * 32,
        parent_hash=header.parent_hash,
        timestamp_s=header.timestamp_s,
    )
    forks = AnvilForks(anvil_program(cache=cache), chain.url)
    with pytest.raises(NotTried) as end:
        async with forks.at(another, "0x" + "22" * 20, 12):
            pass
    assert end.value.outcome == "orphaned"
