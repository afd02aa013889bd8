"""The heartbeat of a process on `processes.v1`, compacted by process."""

from typing import Literal

import msgspec

from pipeline import keys
from pipeline.messages.base import Message
from pipeline.units import Address, BlockNumber, Seconds, ShardId

ProcessRole = Literal["up", "watch", "work", "rehearse", "submit"]


class ShardHead(msgspec.Struct, frozen=True, kw_only=True):
    """The head of one shard, as a process has it."""

    shard: ShardId
    block: BlockNumber


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a node that a process asks."""

    name: str
    """Host and port."""
    head: BlockNumber | None
    """The newest block that the node has returned."""
    lag_blocks: int | None
    """How many blocks that is below the highest head of all nodes."""
    latency_ms: int | None
    """The mean time of its newest answers."""
    failing_percent: int
    """The share of its newest requests that failed. Rounds: to the nearest."""
    asked_in_a_day: int | None
    """The requests of the last 24 hours, where the node has a budget."""
    trouble: str | None
    """The error of the last request, if it failed."""
    head_time_s: Seconds | None = None
    """The timestamp of its newest block."""


class ProcessSeen(Message, frozen=True, kw_only=True, tag=True):
    """A heartbeat. When the process was last seen is the broker's timestamp of the record."""

    role: ProcessRole
    instance: str
    signer: Address | None
    """The account for which a process of the role `submit` signs."""
    pid: int
    release: str
    """The version of the program."""
    started_at_s: Seconds
    beat_s: Seconds
    """The interval at which the process writes this record."""
    heads: tuple[ShardHead, ...]
    newest_block: BlockNumber | None
    """The newest block that the process has seen."""
    last_error: str | None
    """Its last log line at level warning or above."""
    last_error_at_s: Seconds | None
    trouble: str | None = None
    """Why the chain that the process follows may be out of date: all its nodes are behind the clock."""
    nodes: tuple[NodeSeen, ...] = ()
    """The nodes that a watcher asks."""

    @property
    def name(self) -> str:
        """The process's name: its role, its instance and, for a signer, its account."""
        return "/".join(filter(None, (self.role, self.instance, self.signer)))

    @property
    def key(self) -> str:
        """The record's key on its compacted topic."""
        return keys.process(self.name)
