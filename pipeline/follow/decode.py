"""Step 1: decode raw logs into facts, each by the venue whose contract emitted it."""

from collections.abc import Iterable, Sequence

from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact, Unreadable
from pipeline.units import Address
from pipeline.venues.port import VenueBlock

_LONGEST_REASON = 500


Decoded = tuple[VenueBlock, RawLog, Fact]
"""The venue's block that applies a log, the log, and what it says."""


def decode(logs: Iterable[RawLog], blocks: Sequence[VenueBlock]) -> list[Decoded]:
    """Decode a block's logs in order; leave out what says nothing that is followed.

    A log with a known topic and an impossible shape stays in, as `Unreadable`.
    """
    decoded: list[Decoded] = []
    of_emitters: dict[Address, VenueBlock | None] = {}
    for log in logs:
        emitter = log.address
        if emitter not in of_emitters:
            of_emitters[emitter] = _block_of(emitter, blocks)
        block = of_emitters[emitter]
        if block is None:
            continue
        try:
            fact = block.decode(log)
        except Exception as error:  # noqa: BLE001 - whatever a log is made of, only what it is about stops
            fact = _unreadable(log, error)
        if fact is not None:
            decoded.append((block, log, fact))
    return decoded


def _block_of(emitter: Address, blocks: Sequence[VenueBlock]) -> VenueBlock | None:
    for block in blocks:
        if block.emits(emitter):
            return block
    return None


def _unreadable(log: RawLog, error: Exception) -> Unreadable:
    reason = str(error) if isinstance(error, MalformedLogError) else f"{type(error).__name__}: {error}"
    return Unreadable(address=log.address, log_index=log.log_index, reason=reason[:_LONGEST_REASON])
