"""Check the log of a backfill against its chain block by block, and against a fold of every single block."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from block_by_block import one_by_one
from watching import Fold

from pipeline.drive import drive
from pipeline.follow.routes import Arrival
from pipeline.messages.base import RawLog
from pipeline.messages.events import AnyEvent, BlocksPassed
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.units import Address, BlockNumber, Hash, LogIndex, ShardId
from streams.devnet.chain import Chain
from streams.node.http_node import HttpNode
from streams.node.port import Header
from streams.verify import Verdict, against_the_chain

_ASKED_AT_ONCE = 500
_MUST_NOT = (Arrival.SET_ASIDE, Arrival.HALTS)
_NEVER = frozenset({"Quarantined", "PoolDrifted", "ChecksSkipped"})
"""What no death of a process may lead to: nothing is wrong with the chain or the fold."""


class Truth(msgspec.Struct, frozen=True):
    """The chain's blocks from the past's first to the head, and their logs by block."""

    headers: Sequence[Header]
    logs: Mapping[Hash, Sequence[RawLog]]


class Judged(msgspec.Struct, kw_only=True):
    """What was compared of all shards of a run, and what was wrong."""

    blocks: int = 0
    """Of shards with books, counted once per shard."""
    passed: int = 0
    """As many of them stand in a record of several."""
    logs: int = 0
    said: Counter[str] = msgspec.field(default_factory=Counter)
    compared: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: list[str] = msgspec.field(default_factory=list)


async def truth_of(chain: Chain, first: BlockNumber) -> Truth:
    """Ask a chain for every header, each proven by its hash, and every log."""
    node, newest = HttpNode(chain.url), chain.header().number
    headers: list[Header] = []
    logs: dict[Hash, list[RawLog]] = defaultdict(list)
    try:
        for at in range(first, newest + 1, _ASKED_AT_ONCE):
            end = min(at + _ASKED_AT_ONCE, newest + 1)
            found = await node.headers([BlockNumber(number) for number in range(at, end)])
            headers += [header for header in found if header is not None]
            for raw in chain.rpc("eth_getLogs", {"fromBlock": hex(at), "toBlock": hex(end - 1)}):
                logs[Hash(raw["blockHash"])].append(_log(raw))
    finally:
        await node.close()
    assert len(headers) == newest + 1 - first, "the chain does not tell all of its blocks"
    return Truth(headers, logs)


async def judge(shard: ShardId, log: Sequence[AnyEvent], truth: Truth, url: str, into: Judged) -> None:
    """Compare one shard's log and its results with the chain."""
    fold = Fold()
    for event in log:
        fold.take(event)
    if not policies(fold.tables):
        return
    into.blocks += len(fold.branch)
    into.passed += sum(len(event.blocks) for event in log if isinstance(event, BlocksPassed))
    into.logs += sum(len(event.logs) for event in fold.branch)
    wrong = [
        *_not_as_the_chain(fold, truth),
        *(f"{fold.count(each)} records: {each.name}" for each in _MUST_NOT if fold.count(each)),
    ]
    at_once, alone = Shard(shard), Shard(shard)
    said = drive(at_once, log)
    if said != one_by_one(alone, log):
        wrong.append("what is said in runs is not what is said block by block")
    if at_once.tables.entries() != alone.tables.entries():
        wrong.append("the state in runs is not that block by block")
    into.said += Counter(type(each).__name__ for each in said)
    verdict, node = Verdict(), HttpNode(url)
    try:
        await against_the_chain(node, at_once, verdict)
    finally:
        await node.close()
    into.compared += verdict.compared
    into.wrong += [f"shard {shard}: {each}" for each in (*wrong, *verdict.wrong)]
    into.wrong += [f"said: {kind}" for kind in sorted(_NEVER & into.said.keys())]


def _not_as_the_chain(fold: Fold, truth: Truth) -> list[str]:
    """Hold each block behind the first against the chain: once, in its place, with every log that concerns the shard."""
    theirs = truth.headers[1:]
    if len(fold.branch) != len(theirs):
        return [f"{len(fold.branch)} blocks, the chain has {len(theirs)}"]
    wrong = []
    for event, header in zip(fold.branch, theirs, strict=True):
        if (event.block, event.base_fee_wei) != (header.block, header.base_fee_wei):
            wrong.append(f"block {event.block}, the chain's is {header.block}")
        elif not fold.has_every_log(event, truth.logs.get(event.block.hash, ())):
            wrong.append(f"block {event.block.number} lacks logs, or has some too many")
    return wrong


def _log(raw: Mapping[str, str]) -> RawLog:
    return RawLog(
        address=Address(raw["address"]),
        topics=tuple(raw["topics"]),
        data=raw["data"],
        log_index=LogIndex(int(raw["logIndex"], 16)),
        transaction_hash=Hash(raw["transactionHash"]),
        transaction_index=int(raw["transactionIndex"], 16),
    )
