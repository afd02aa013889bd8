"""Compare outputs and state with an undisturbed fold of the log, and the state with the chain."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from chaos.ledger import Ledger
from chaos.tail import Tail
from kafka_logs import entries_of

from pipeline.act.guards import passing_reasons
from pipeline.decide.hedging import UNWIND, URGENT
from pipeline.messages.decisions import PlanClosed, PlanOpened, ProposalTried, RebalanceProposed, StepRefused
from pipeline.messages.outcomes import Left, NeverSent
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Value
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_output
from streams.kafka.readers import Record, reading
from streams.kafka.topics import DEAD_LETTERS, DECISIONS, OUTPUTS, STATE
from streams.node.http_node import HttpNode
from streams.verify import Verdict, against_the_chain
from streams.work.fold import fold_log

Said = tuple[bytes, bytes | None]
Places = dict[tuple[str, int], list[Said]]
"""What lies in each partition of each topic."""
_SHOWN_S = 10.0
"""So long after its mark in one partition a commit may come to be marked in the others."""
_OF_HEDGES = frozenset({"net_outside_band", URGENT, UNWIND})
"""What lets a hedge's step be proposed: it has a cooldown and a pace of its own."""
_NEVER = frozenset({"Quarantined", "PoolDrifted", "ChecksSkipped"})
"""What no fault of the harness may lead to: nothing is wrong with the chain or the fold."""


class Finding(msgspec.Struct, kw_only=True):
    """What one look found."""

    lost: int = 0
    doubled: int = 0
    compared: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: list[str] = msgspec.field(default_factory=list)


class Audit:
    """Folds every shard's log beside the workers, and compares whenever nothing moves."""

    def __init__(self, ledger: Ledger, bootstrap: str, chain_id: ChainId, rules: Counter[str]) -> None:
        self._ledger, self._bootstrap, self._chain_id, self._rules = ledger, bootstrap, chain_id, rules
        self._names = {topic.on(chain_id): topic.name for topic in (*OUTPUTS, DEAD_LETTERS)}
        self._said = Tail(bootstrap, list(self._names))
        self._shards = [Shard(ShardId(number)) for number in range(len(ledger.pages))]
        self._folded = [0] * len(ledger.pages)
        self._proposed: dict[str, RebalanceProposed] = {}
        self._opened: set[str] = set()
        """Books whose last proposal has a plan."""
        self._kinds: Counter[str] = Counter()

    @property
    def said(self) -> Counter[str]:
        """How often what was said."""
        return self._kinds

    async def look(self, rpc_url: str, settle: Callable[[], Awaitable[None]]) -> Finding:
        """Compare everything since the last look, once all shards stand at the chain's head and nothing moves."""
        finding = Finding()
        expected: Places = {}
        found: Places = {}
        ends: list[int] = []
        while ends != [page.end for page in self._ledger.pages]:  # a stalled head may still be told
            await settle()
            ends = [page.end for page in self._ledger.pages]
            await asyncio.to_thread(self._fold, expected)
            await self._hear_all(found, expected, finding)
            kept = await self._kept()
            await self._ledger.read_logs()
        for place in sorted(expected.keys() | found.keys()):
            _compare(place, found.get(place, []), expected.get(place, []), finding)
        for shard, entries in zip(self._shards, kept, strict=True):
            _compare_state(shard, entries, finding)
            await self._compare_chain(shard, rpc_url, finding)
        return finding

    async def close(self) -> None:
        await self._said.close()

    def _fold(self, expected: Places) -> None:
        for shard, page in zip(self._shards, self._ledger.pages, strict=True):
            records = [(Offset(at), page.payloads[at]) for at in range(self._folded[shard.id], page.end)]
            for output in fold_log(shard, records):
                expected.setdefault((output.topic, shard.id), []).append((output.key, output.value))
            self._folded[shard.id] = page.end

    async def _hear_all(self, found: Places, expected: Places, finding: Finding) -> None:
        """Hear what was said, as much as was to be said at least: a commit shows in one partition after the other."""
        deadline_s = time.monotonic() + _SHOWN_S
        await self._hear(found, finding)
        while any(len(found.get(place, [])) < len(said) for place, said in expected.items()):
            if time.monotonic() > deadline_s:
                return
            await asyncio.sleep(0.1)
            await self._hear(found, finding)

    async def _hear(self, found: Places, finding: Finding) -> None:
        for record in await self._said.news():
            place = (self._names[record.topic], record.shard)
            found.setdefault(place, []).append((record.key or b"", record.value))
            self._judge(record, finding)

    async def _kept(self) -> list[dict[str, Value]]:
        async with reading(KafkaAccess(self._bootstrap)) as reader:
            found: list[list[Said]] = [[] for _ in self._shards]
            async for record in reader.read(dict.fromkeys(await reader.shards(STATE.on(self._chain_id)), 0)):
                found[record.shard].append((record.key or b"", record.value))
        return [entries_of(records) for records in found]

    # -------------------------------------------------------------- each thing that was said
    def _judge(self, record: Record, finding: Finding) -> None:
        if self._names[record.topic] == DEAD_LETTERS.name:
            self._rules["a dead letter"] += 1
        if self._names[record.topic] != DECISIONS.name or record.value is None:
            return
        said = decode_output(record.value, where=record.where)
        kind = type(said).__name__
        self._kinds[kind] += 1
        if kind in _NEVER:
            finding.wrong.append(f"{record.where}: {said}")
        match said:
            case RebalanceProposed():
                self._judge_cooldown(said, finding)
            case PlanOpened(book=book):
                self._opened.add(book)
            case PlanClosed(book=book, outcome=NeverSent() | Left(reason="position_gone" | "health_low")):
                self._proposed.pop(book, None)  # its cooldown is given back
            case StepRefused(book=book) if book not in self._opened:
                self._proposed.pop(book, None)  # the market refused it: it has not begun one
            case ProposalTried() if _is_passing(said) and self._is_last(said):
                self._proposed.pop(said.book, None)  # it did so on the fork, of a book that only looks
            case _:
                pass

    def _is_last(self, said: ProposalTried) -> bool:
        last = self._proposed.get(said.book)
        return last is not None and last.id.rpartition(".")[2] == said.proposal

    def _judge_cooldown(self, said: RebalanceProposed, finding: Finding) -> None:
        if said.trigger in _OF_HEDGES:
            return
        before = self._proposed.get(said.book)
        self._proposed[said.book] = said
        self._opened.discard(said.book)
        finding.compared["proposals"] += 1
        if before is None:
            return
        after_s = _at_s(said) - _at_s(before)
        policy = next(p for page in self._ledger.pages for p in policies(page.tables) if p.book == said.book)
        if after_s < policy.strategy.cooldown_s:
            finding.wrong.append(f"{said.book}: {said.id} comes {after_s} s after {before.id}")

    # -------------------------------------------------------------- what is kept
    async def _compare_chain(self, shard: Shard, rpc_url: str, finding: Finding) -> None:
        """Read every pool, position and balance at the head, and compare field by field."""
        if shard.tables.head is None:
            return
        node = HttpNode(rpc_url)
        try:
            await self._compare_branch(node, shard, finding)
            verdict = Verdict()
            await against_the_chain(node, shard, verdict)
            finding.compared += verdict.compared
            finding.wrong += verdict.wrong
        finally:
            await node.close()

    async def _compare_branch(self, node: HttpNode, shard: Shard, finding: Finding) -> None:
        """Every block that a reorg may still reach is the chain's, and none is missing."""
        blocks = shard.tables.sealed_blocks()
        headers = await node.headers([block.number for block in blocks])
        strange = [
            block.number
            for block, theirs in zip(blocks, headers, strict=True)
            if theirs is None or theirs.block != block
        ]
        finding.compared["blocks"] += len(blocks)
        if strange:
            finding.wrong.append(f"shard {shard.id}: blocks {strange} are not the chain's")
        numbers = [block.number for block in blocks]  # none where the head has just been read anew
        if numbers and numbers != list(range(numbers[0], numbers[0] - len(numbers), -1)):
            finding.wrong.append(f"shard {shard.id}: blocks are missing among {numbers}")


def _is_passing(said: ProposalTried) -> bool:
    return said.run.refusal in passing_reasons()


def _at_s(said: RebalanceProposed) -> int:
    assert said.because_of.block is not None
    return said.because_of.block.timestamp_s


def _compare_state(shard: Shard, kept: Mapping[str, Value], finding: Finding) -> None:
    ours = {key: value for key, value in shard.tables.changes().items() if value is not None}
    finding.compared["entries"] += len(ours)
    differ = sorted(key for key in ours.keys() | kept.keys() if ours.get(key) != kept.get(key))
    finding.wrong += [f"shard {shard.id}: {key} is not that of the fold" for key in differ]


def _compare(place: tuple[str, int], said: list[Said], expected: list[Said], finding: Finding) -> None:
    finding.compared["outputs"] += len(expected)
    if said == expected:
        return
    missing, extra = Counter(expected) - Counter(said), Counter(said) - Counter(expected)
    finding.lost += missing.total()
    finding.doubled += extra.total()
    where = f"{place[0]}[{place[1]}]"
    if not missing and not extra:
        finding.wrong.append(f"{where}: in another order than the fold")
    finding.wrong += [f"{where}: lost {key!r} {(value or b'')[:200]!r}" for key, value in list(missing)[:3]]
    finding.wrong += [f"{where}: doubled {key!r} {(value or b'')[:200]!r}" for key, value in list(extra)[:3]]
