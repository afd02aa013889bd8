"""Read a log's data as 32-byte words, and words as numbers: fixed offsets, every range checked."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from pipeline.errors import MalformedLogError, OutOfRangeError
from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact
from pipeline.units import Address

WORD_BYTES = 32
TWO_256 = 1 << 256
FactT = TypeVar("FactT", bound=Fact)


class Shape(msgspec.Struct, frozen=True):
    """The form of one event's log, and how its words become a fact."""

    event: str
    topics: int
    """Including the event's own."""
    words: int
    build: Callable[[RawLog, list[int]], Fact]
    """Takes the indexed words, then those of the data."""


def decode(log: RawLog, shape: Shape) -> Fact:
    """Decode a log of known form. Raises: MalformedLogError naming event, log and transaction."""
    try:
        return shape.build(log, _words_of(log, shape))
    except OutOfRangeError as error:
        raise MalformedLogError(
            f"{shape.event}, log {log.log_index} of transaction {log.transaction_hash}: {error}"
        ) from error


def shape_of(log: RawLog, shapes: Mapping[str, Shape]) -> Shape | None:
    """Return a log's form by its first topic; None: unknown, or a log without topics."""
    return shapes.get(log.topics[0]) if log.topics else None


def uint(word: int, bits: int) -> int:
    """Check an unsigned number. Raises: OutOfRangeError."""
    if word >> bits:
        raise OutOfRangeError(f"0x{word:064x} is not a uint{bits}")
    return word


def sint(word: int, bits: int) -> int:
    """Read a sign-extended number. Raises: OutOfRangeError."""
    value = word - TWO_256 if word >> 255 else word
    if -(1 << bits - 1) <= value < 1 << bits - 1:
        return value
    raise OutOfRangeError(f"0x{word:064x} is not an int{bits}")


def address(word: int) -> Address:
    """Read an address: lower-case hex. Raises: OutOfRangeError."""
    if word >> 160:
        raise OutOfRangeError(f"0x{word:064x} is not an address")
    return Address(f"0x{word:040x}")


def _words_of(log: RawLog, shape: Shape) -> list[int]:
    if len(log.topics) != shape.topics:
        raise OutOfRangeError(f"{len(log.topics)} topics where there should be {shape.topics}")
    raw = b"".join((*(_bytes_of(topic, 1) for topic in log.topics[1:]), _bytes_of(log.data, shape.words)))
    return [int.from_bytes(raw[at : at + WORD_BYTES], "big") for at in range(0, len(raw), WORD_BYTES)]


def _bytes_of(hexes: str, words: int) -> bytes:
    if len(hexes) != 2 + 64 * words or not hexes.startswith("0x"):
        raise OutOfRangeError(f"{hexes[:10]}... of {len(hexes)} characters where {words} words should be")
    try:
        raw = bytes.fromhex(hexes[2:])
    except ValueError as error:
        raise OutOfRangeError(f"{hexes[:80]} is not hex") from error
    if len(raw) != words * WORD_BYTES:  # fromhex skips blanks
        raise OutOfRangeError(f"{hexes[:80]} is not hex")
    return raw
