"""Decode the most frequent events in one pass; any log of an unexpected form is left to the checked decoder.

`log_words.decode` reads every event and tells what is wrong with a log. This reads several times as fast, and tells nothing.
"""

from binascii import unhexlify
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact
from pipeline.units import Address
from pipeline.venues.log_words import Shape, decode, shape_of

number: Final[Callable[..., Any]] = int.from_bytes
"""Reads a word, big-endian; that it is of its type is checked before, or by the reader."""

_WORD_BITS, _TOPIC_CHARACTERS = 256, 66
_FULL_WORD = (1 << _WORD_BITS) - 1
_BEFORE_ADDRESS: Final = "0x" + "0" * 24
_TOPICS_REMEMBERED = 1 << 12


class PlainShape(msgspec.Struct, frozen=True):
    """The form of one event's log."""

    topics: int
    """Including the event's own."""
    characters: int
    """Of the data."""
    beyond: int
    """The bits of the data's words that are 0 where each is within its type; 0 where `read` checks every word."""
    read: Callable[[RawLog, bytes], Fact | None]
    """Takes the log and its data's words; None or ValueError where a topic or a signed number is not within its type."""


def plain_shape(
    topics: int, data: tuple[int, ...], read: Callable[[RawLog, bytes], Fact | None]
) -> PlainShape:
    """Describe an event by its topics and the bits of its data's words: 160 for an address, 256 for one that `read` checks.

    Topics and signed numbers are always checked by `read`.
    """
    beyond = 0
    for bits in data:
        beyond = beyond << _WORD_BITS | _FULL_WORD >> bits << bits
    return PlainShape(topics=topics, characters=2 + 64 * len(data), beyond=beyond, read=read)


def read_plainly(log: RawLog, shapes: Mapping[str, PlainShape]) -> Fact | None:
    """Decode a log whose every word is within its type; None for any other, and for events that are not among these."""
    topics, data = log.topics, log.data
    shape = shapes.get(topics[0]) if topics else None
    if shape is None or len(topics) != shape.topics or len(data) != shape.characters:
        return None
    digits = data.removeprefix("0x")
    if len(digits) == len(data):
        return None
    try:
        raw = unhexlify(digits)  # takes no blanks
        if shape.beyond and number(raw, "big") & shape.beyond:
            return None
        return shape.read(log, raw)
    except ValueError:
        return None


def decode_log(log: RawLog, plain: Mapping[str, PlainShape], checked: Mapping[str, Shape]) -> Any:
    """Read a log in one pass, or with every check told, into a fact of its event; None where its topic is not among the events.

    Raises: MalformedLogError.
    """
    fact = read_plainly(log, plain)
    if fact is not None:
        return fact
    shape = shape_of(log, checked)
    return None if shape is None else decode(log, shape)


@lru_cache(maxsize=_TOPICS_REMEMBERED)
def address_in(topic: str) -> Address:
    """Read the address in a topic. Raises: ValueError where the topic is anything else.

    Few addresses trade often: those of late are remembered.
    """
    if len(topic) != _TOPIC_CHARACTERS or topic[:26] != _BEFORE_ADDRESS:
        raise ValueError("not an address")
    return Address("0x" + unhexlify(topic[26:]).hex())


def word_in(topic: str) -> bytes:
    """Read the word in a topic. Raises: ValueError where it is not one."""
    if len(topic) != _TOPIC_CHARACTERS or topic[:2] != "0x":
        raise ValueError("not a word")
    return unhexlify(topic[2:])
