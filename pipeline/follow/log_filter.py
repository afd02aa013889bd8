"""Decide which logs and receipts of a block concern a shard: the watcher's half of `routes`."""

from collections.abc import Iterable, Sequence

import msgspec

from pipeline.messages.base import RawLog, Receipt
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.log_interest import LogInterest, LogWords
from pipeline.venues.registry import venues


class LogFilter(msgspec.Struct, frozen=True):
    """The logs and senders that concern a shard, derived from its tables before each block."""

    of_venues: tuple[LogInterest, ...]
    senders: frozenset[Address]

    def emitters(self) -> frozenset[Address]:
        """List the contracts whose logs may concern the shard."""
        return frozenset().union(*(interest.emitters() for interest in self.of_venues))

    def words(self) -> tuple[LogWords, ...]:
        """List the alternatives of addresses and topics by which a log concerns the shard."""
        return tuple(words for interest in self.of_venues for words in interest.words())

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        """Return whether items may come or go with these logs, so that the next block waits for reads."""
        return any(interest.brings_items(logs) for interest in self.of_venues)


def log_filter(tables: Tables) -> LogFilter | None:
    """Collect what the shard's books follow now; None on a shard without books."""
    followed = tuple(venue.interest(tables) for venue in venues(tables))
    if not followed:
        return None
    books = policies(tables)
    senders = frozenset(s for book in books for s in (book.owner, book.signer, *book.accounts) if s)
    return LogFilter(of_venues=followed, senders=senders)


def select(mine: LogFilter, logs: Iterable[RawLog]) -> tuple[RawLog, ...]:
    """Pick a block's logs for a shard, in their order."""
    logs = list(logs)
    filters = [interest.filter_for(logs) for interest in mine.of_venues]
    return tuple(log for log in logs if any(concerns(log) for concerns in filters))


def select_receipts(mine: LogFilter, receipts: Iterable[Receipt]) -> tuple[Receipt, ...]:
    """Pick the receipts of transactions that the books' own accounts sent."""
    return tuple(receipt for receipt in receipts if receipt.sender in mine.senders)
