"""Find operators' commands to pass over unreadable records. The command is further on in the same log."""

from collections.abc import Iterable
from hashlib import sha256
from typing import get_args

from pipeline.errors import UNREADABLE, NewerRecordError
from pipeline.messages.entries import PassedRecord
from pipeline.messages.events import AnyEvent, PassedOver, Watched
from pipeline.units import Offset, ShardId
from streams.kafka.codec import decode_event, mark

_READ_AGAIN = frozenset(kind.__name__ for kind in get_args(AnyEvent) if issubclass(kind, Watched))
"""The types of records that a watcher writes from the chain: without such a record its content can be read from the chain again."""


def digest_of(payload: bytes) -> str:
    """Compute the digest by which a command names a record: the SHA-256 of its bytes, in hex."""
    return sha256(payload).hexdigest()


def may_be_passed_over(error: NewerRecordError) -> bool:
    """Return whether an operator may let a shard pass over a record: its type is unknown, or the chain has its content too.

    A newer form of a report, a policy or a command may not be passed over, because its content is nowhere else.
    """
    return bool(error.type_name) and (not error.is_known or error.type_name in _READ_AGAIN)


def why_halted(shard: ShardId, offset: Offset, error: NewerRecordError) -> str:
    """Explain why a shard is halted before a record, and which command gets it past."""
    if not may_be_passed_over(error):
        return str(error)
    return f"{error}; if none wrote it: `evenkeel skip shard/{shard} {offset}`"


class SkipCommands:
    """Operators' commands to pass over unreadable records, as far as a log was read."""

    def __init__(self, records: Iterable[tuple[Offset, bytes | None]] = ()) -> None:
        """Read records, in the order of the log."""
        self._commands: dict[tuple[Offset, str], PassedRecord] = {}
        for offset, payload in records:
            self.take(offset, payload)

    def take(self, offset: Offset, payload: bytes | None) -> None:
        """Read one more record. A command applies to an earlier record, and the first of several commands counts."""
        if payload is None or mark(PassedOver) not in payload:
            return
        try:
            event = decode_event(payload, where=f"@{offset}")
        except UNREADABLE:
            return
        if isinstance(event, PassedOver) and event.offset < offset:
            command = PassedRecord(digest=event.digest, reason=event.reason, by=event.by)
            self._commands.setdefault((event.offset, event.digest), command)

    def permitted_for(self, offset: Offset, payload: bytes, error: NewerRecordError) -> PassedRecord | None:
        """Return the command to pass over an unreadable record; None where there is none, or it may not be passed over."""
        return self.find(offset, payload) if may_be_passed_over(error) else None

    def find(self, offset: Offset, payload: bytes) -> PassedRecord | None:
        """Return the command to pass over a record, whether this release can read the record or not; None where there is none."""
        return self._commands.get((offset, digest_of(payload)))
