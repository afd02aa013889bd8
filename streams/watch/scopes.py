"""Say which logs and receipts of blocks shards follow, so that nothing else of a block is kept."""

from collections.abc import Collection

from pipeline.follow.log_filter import LogFilter
from pipeline.units import Address
from streams.node.port import BodyScope


def scope_of(filters: Collection[LogFilter]) -> BodyScope:
    """Collect the contracts and accounts that at least one shard follows."""
    return BodyScope(
        emitters=frozenset[Address]().union(*(mine.emitters() for mine in filters)),
        senders=frozenset[Address]().union(*(mine.senders for mine in filters)),
    )
