"""Decode the most frequent events in one pass; any log of an unexpected form is left to the checked decoder.

`log_words.decode` reads every event and tells what is wrong with a log. This reads twice as fast, and tells nothing.
"""

from collections.abc import Callable, Mapping

import msgspec

from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact

_WORD_BITS, _TOPIC_CHARACTERS = 256, 66
_FULL_WORD = (1 << _WORD_BITS) - 1


class PlainShape(msgspec.Struct, frozen=True):
    """What the log of one event looks like."""

    topics: int
    """Including the event's own."""
    characters: int
    """Of the data."""
    size: int
    """Of the indexed words and the data, in bytes."""
    beyond: int
    """The bits of all words that are 0 where each is within its type."""
    read: Callable[[RawLog, bytes], Fact | None]
    """Takes the indexed words, then those of the data; None where a signed number is not within its type."""


def plain_shape(
    indexed: tuple[int, ...], data: tuple[int, ...], read: Callable[[RawLog, bytes], Fact | None]
) -> PlainShape:
    """Describe an event by the bits of its words: 160 for an address, 256 for a signed number, which `read` checks."""
    beyond = 0
    for bits in (*indexed, *data):
        beyond = beyond << _WORD_BITS | _FULL_WORD >> bits << bits
    return PlainShape(
        topics=1 + len(indexed),
        characters=2 + 64 * len(data),
        size=32 * (len(indexed) + len(data)),
        beyond=beyond,
        read=read,
    )


def read_plainly(log: RawLog, shapes: Mapping[str, PlainShape]) -> Fact | None:
    """Read a log whose every word is within its type; None for any other, and where the event is not among these."""
    topics, data = log.topics, log.data
    shape = shapes.get(topics[0]) if topics else None
    if shape is None or len(topics) != shape.topics or len(data) != shape.characters or data[:2] != "0x":
        return None
    digits = ""
    for topic in topics[1:]:
        if len(topic) != _TOPIC_CHARACTERS or topic[:2] != "0x":
            return None
        digits += topic[2:]
    try:
        raw = bytes.fromhex(digits + data[2:])
    except ValueError:
        return None
    # blanks within the digits make it shorter
    if len(raw) != shape.size or int.from_bytes(raw, "big") & shape.beyond:
        return None
    return shape.read(log, raw)
