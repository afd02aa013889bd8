"""Step 1: decode raw logs into facts, each by the venue whose contract emitted it."""

from collections.abc import Iterable, Sequence

from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact, Unreadable
from pipeline.units import Address
from pipeline.venues.port import Decoder, VenueBlock

_LONGEST_REASON = 500


Decoded = tuple[VenueBlock, RawLog, Fact]
"""The venue's block that applies a log, the log, and what it says."""


def decode(logs: Iterable[RawLog], blocks: Sequence[VenueBlock]) -> list[Decoded]:
    """Decode a block's logs in order; leave out what says nothing that is followed.

    A log with a known topic and an impossible shape stays in, as `Unreadable`.
    """
    decoded: list[Decoded] = []
    decoders: dict[Address, tuple[VenueBlock, Decoder] | None] = {}
    for log in logs:
        if log.address not in decoders:
            decoders[log.address] = _decoder_of(log.address, blocks)
        found = decoders[log.address]
        if found is None:
            continue
        block, read = found
        try:
            fact = read(log)
        except Exception as error:  # noqa: BLE001 - whatever a log is made of, only what it is about stops
            fact = _unreadable(log, error)
        if fact is not None:
            decoded.append((block, log, fact))
    return decoded


def _decoder_of(emitter: Address, blocks: Sequence[VenueBlock]) -> tuple[VenueBlock, Decoder] | None:
    for block in blocks:
        read = block.decoder(emitter)
        if read is not None:
            return block, read
    return None


def _unreadable(log: RawLog, error: Exception) -> Unreadable:
    reason = str(error) if isinstance(error, MalformedLogError) else f"{type(error).__name__}: {error}"
    return Unreadable(address=log.address, log_index=log.log_index, reason=reason[:_LONGEST_REASON])
