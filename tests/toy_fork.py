"""The port of a dry-run's fork on a copy of the toy chain, and a trial on it."""

import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from desk import Desk
from toy_signer import ToySigner

from pipeline.messages.effects import DryRuns, Untried
from pipeline.messages.events import AnyEvent, BlockSeen, IntentRefused
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import BookId, Offset, ShardId, Wei
from pipeline.venues.due_read import DueRead
from streams.kafka.codec import decode_entry, encode_entry
from streams.rehearse.trial import Trial
from streams.watch.logged_natives import LoggedNatives


class ToyFork:
    """A possible continuation of the toy chain, without other traders."""

    def __init__(self, desk: Desk, *, refuses: frozenset[str] = frozenset()) -> None:
        self.watcher = copy.deepcopy(desk.watcher)
        self.watcher.chain.salt = "fork"
        self.signer = ToySigner()
        self.sent: list[SubmitTransaction] = []
        self.refuses = refuses
        self.lent_wei = Wei(0)

    async def as_live(self, tables: Tables, event: BlockSeen) -> BlockSeen:
        del tables
        return event  # the toy watcher reads allowances always

    async def send(self, intent: SubmitTransaction) -> Sequence[AnyEvent]:
        if intent.step in self.refuses:
            return [IntentRefused(intent=intent.digest, reason="simulation", detail="a test")]
        self.sent.append(intent)
        return self.signer.reports(self.watcher.chain, intent)

    async def mine(self, tables: Tables) -> BlockSeen:
        del tables
        due, self.sent = self.sent, []
        self.watcher.chain.mine(0)
        self.watcher.told = LoggedNatives()  # a fork's blocks tell all coin balances
        receipts = tuple(self.signer.execute(self.watcher.chain, intent) for intent in due)
        before = len(self.watcher.log)
        self.watcher.tell(receipts)
        event = self.watcher.log[before]
        assert isinstance(event, BlockSeen)
        return event

    async def read(self, tables: Tables, wants: Sequence[DueRead]) -> Sequence[AnyEvent]:
        del tables
        return [self.watcher.chain.read(want.item, want.why, self.watcher.term) for want in wants]


class ToyForks:
    """The port of forks for the present state of the toy chain."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.made = 0

    @asynccontextmanager
    async def at(self, *_: object) -> AsyncIterator[ToyFork]:
        self.made += 1
        yield ToyFork(self.desk)


def stored(shard: Shard) -> dict[str, Any]:
    """Return a shard's checkpoint after encoding and decoding it."""
    changes = shard.tables.changes()
    return {k: decode_entry(k, encode_entry(v)) for k, v in changes.items() if v is not None}


def untried_of(shard: Shard, book: str = "alpha") -> tuple[Untried, ...]:
    found = shard.tables.find(f"dry-run/{book}", DryRuns)
    return found.untried if found else ()


def trial_of(desk: Desk, untried: Untried) -> Trial:
    """Begin a trial on a copy of the shard. Raises: NotTried."""
    log = desk.watcher.log
    offset, event = next(
        (offset, event)
        for offset, event in enumerate(log)
        if isinstance(event, BlockSeen) and event.block == untried.at
    )
    return Trial(Shard(ShardId(0), stored(desk.shard)), BookId("alpha"), untried, Offset(offset), event)
