"""Dead letters: bytes on `events.v1` that are not a message, kept for an operator on `dead-letters.v1`."""

from pipeline.messages.base import Message
from pipeline.units import Offset, ShardId


class DeadLetter(Message, frozen=True, kw_only=True, tag=True):
    """A record of `events.v1` that could not be decoded; the shard went on without it."""

    topic: str
    partition: ShardId
    offset: Offset
    error: str
    size_bytes: int
    payload: bytes
    """As it came, but for what a record cannot hold; base64 on the wire."""
