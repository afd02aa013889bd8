"""Step 1: raw logs become facts, each decoded by the venue whose contract emitted it."""

from collections.abc import Iterable, Sequence

import msgspec

from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact, Unreadable
from pipeline.venues.port import VenueBlock

_LONGEST_REASON = 500


class Decoded(msgspec.Struct, frozen=True):
    """A log, what it says, and the venue's block that applies it."""

    block: VenueBlock
    log: RawLog
    fact: Fact


def decode(logs: Iterable[RawLog], blocks: Sequence[VenueBlock]) -> list[Decoded]:
    """Decode a block's logs in order; leave out what says nothing that is followed.

    A log with a known topic and an impossible shape stays in, as `Unreadable`.
    """
    decoded: list[Decoded] = []
    for log in logs:
        block = next(each for each in blocks if each.emits(log))
        fact = _decode_log(log, block)
        if fact is not None:
            decoded.append(Decoded(block, log, fact))
    return decoded


def _decode_log(log: RawLog, block: VenueBlock) -> Fact | None:
    try:
        return block.decode(log)
    except MalformedLogError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a log is made of, only what it is about stops
        reason = f"{type(error).__name__}: {error}"
    return Unreadable(address=log.address, log_index=log.log_index, reason=reason[:_LONGEST_REASON])
