"""The part of a venue's port that says which logs of a block concern a shard."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from pipeline.messages.base import RawLog
from pipeline.units import Address

LogFilter = Callable[[RawLog], bool]


class LogWords(NamedTuple):
    """What a log that concerns a shard contains: one of these addresses emitted it, or one of these words is among its topics."""

    addresses: frozenset[Address]
    topics: frozenset[str] | None = None
    """None: any topics, or none at all."""


class LogInterest(Protocol):
    """Decides which logs of a block concern a shard's items at a venue; built from the tables before the block."""

    def emitters(self) -> frozenset[Address]:
        """List the contracts whose logs may concern the shard: the addresses of all `words`."""

    def words(self) -> Sequence[LogWords]:
        """List what logs that concern the shard contain, as alternatives: a log that fits none of them never does."""

    def filter_for(self, logs: Sequence[RawLog]) -> LogFilter:
        """Make the filter for one block's logs: an item that arrives within the block is followed from its first log on."""

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        """Return whether items may come or go with these logs, so that the next block waits for reads."""
