"""The heartbeat of a process on `processes.v1`, compacted by process."""

from typing import Literal

import msgspec

from pipeline import keys
from pipeline.messages.base import Message
from pipeline.units import Address, BlockNumber, Seconds, ShardId

ProcessRole = Literal["up", "watch", "work", "rehearse", "submit"]


class ShardHead(msgspec.Struct, frozen=True, kw_only=True):
    """How far a process is with one shard."""

    shard: ShardId
    block: BlockNumber


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A node that a process asks."""

    name: str
    """Host and port."""
    head: BlockNumber | None
    """The newest block that it has shown."""
    lag_blocks: int | None
    """How far that is below the highest of all nodes."""
    latency_ms: int | None
    """How long an answer takes, in the mean of the newest ones."""
    failing_percent: int
    """How many of the newest questions had no answer. Rounds: to the nearest."""
    asked_in_a_day: int | None
    """Questions of the last 24 hours, where it has a budget."""
    trouble: str | None
    """Why the last question has no answer."""
    head_time_s: Seconds | None = None
    """The time of its newest block."""


class ProcessSeen(Message, frozen=True, kw_only=True, tag=True):
    """A heartbeat. When the process was last seen is the broker's timestamp of the record."""

    role: ProcessRole
    instance: str
    signer: Address | None
    """Of `submit`: whose transactions it signs."""
    pid: int
    release: str
    """The version of the program."""
    started_at_s: Seconds
    beat_s: Seconds
    """So often the process writes this record."""
    heads: tuple[ShardHead, ...]
    newest_block: BlockNumber | None
    """The newest block that the node has shown to it."""
    last_error: str | None
    """Its last log line at level warning or above."""
    last_error_at_s: Seconds | None
    trouble: str | None = None
    """Why what the process follows may not be the present: all its nodes are behind the clock."""
    nodes: tuple[NodeSeen, ...] = ()
    """Those that a watcher asks."""

    @property
    def name(self) -> str:
        """Name the process: role, instance and, of a signer, its account."""
        return "/".join(filter(None, (self.role, self.instance, self.signer)))

    @property
    def key(self) -> str:
        """What it replaces by: the record's key on its compacted topic."""
        return keys.process(self.name)
