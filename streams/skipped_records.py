"""Find operators' commands to pass over unreadable records: a reader that stands before one looks for the command behind it."""

from collections.abc import Iterable
from hashlib import sha256
from typing import get_args

from pipeline.errors import UNREADABLE, NewerRecordError
from pipeline.messages.entries import PassedRecord
from pipeline.messages.events import AnyEvent, PassedOver, Watched
from pipeline.units import Offset, ShardId
from streams.kafka.codec import decode_event, mark

_READ_AGAIN = frozenset(kind.__name__ for kind in get_args(AnyEvent) if issubclass(kind, Watched))
"""What a watcher of any version tells from the chain: whoever goes on without it reads it there."""


def digest_of(payload: bytes) -> str:
    """Name a record's bytes."""
    return sha256(payload).hexdigest()


def may_be_passed_over(error: NewerRecordError) -> bool:
    """Return whether an operator may let a shard go on behind a record: its type is not known, or it tells what the chain tells too.

    Not a newer form of a report, a policy or a word: what it says is said nowhere else.
    """
    return bool(error.type_name) and (not error.is_known or error.type_name in _READ_AGAIN)


def why_halted(shard: ShardId, offset: Offset, error: NewerRecordError) -> str:
    """Explain why a shard stands before a record, and what gets it past."""
    if not may_be_passed_over(error):
        return str(error)
    return f"{error}; if none wrote it: `evenkeel skip shard/{shard} {offset}`"


class Words:
    """What operators have said of unreadable records, as far as a log was read."""

    def __init__(self, records: Iterable[tuple[Offset, bytes | None]] = ()) -> None:
        """Take in records, in the order of the log."""
        self._words: dict[tuple[Offset, str], PassedRecord] = {}
        for offset, payload in records:
            self.take(offset, payload)

    def take(self, offset: Offset, payload: bytes | None) -> None:
        """Look at one record more. A word counts for records before it, and of several the first."""
        if payload is None or mark(PassedOver) not in payload:
            return
        try:
            event = decode_event(payload, where=f"@{offset}")
        except UNREADABLE:
            return
        if isinstance(event, PassedOver) and event.offset < offset:
            word = PassedRecord(digest=event.digest, reason=event.reason, by=event.by)
            self._words.setdefault((event.offset, event.digest), word)

    def on(self, offset: Offset, payload: bytes, error: NewerRecordError) -> PassedRecord | None:
        """Find the word on a record that could not be read."""
        return self.of(offset, payload) if may_be_passed_over(error) else None

    def of(self, offset: Offset, payload: bytes) -> PassedRecord | None:
        """Find the word on a record of such bytes, whether it can be read here or not."""
        return self._words.get((offset, digest_of(payload)))
