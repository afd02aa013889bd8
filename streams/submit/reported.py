"""Find signers' reports on intents that their journals no longer hold, in the shards' logs."""

from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec
import structlog

from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.messages.events import AnyEvent, CancellationSigned, Dropped, IntentRefused, Sent, Signed
from pipeline.units import ChainId, Hash
from streams.kafka.codec import decode_event, mark
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import EVENTS

log = structlog.get_logger(__name__)


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a log says of one intent."""

    nonce: int | None = None
    hashes: tuple[Hash, ...] = ()
    """Of what was signed for it, bumps too, oldest first."""
    cancellations: tuple[Hash, ...] = ()
    outcome: str | None = None
    """`refused` or `dropped`; None: neither was reported."""
    reason: str | None = None


async def reports_of(
    reader: Reader, chain_id: ChainId, digests: Sequence[str], since_ms: int
) -> Mapping[str, Reported]:
    """Read the reports on these intents since a time. Raises: InfrastructureError."""
    wanted = set(digests)
    found: dict[str, Reported] = {}
    starts = await reader.offsets_since(await reader.shards(EVENTS.on(chain_id)), since_ms)
    async for record in reader.read(starts):
        report = _report_in(record)
        if report is not None and report.intent in wanted:
            found[report.intent] = _with(found.get(report.intent, Reported()), report)
    return found


Report = Signed | Sent | CancellationSigned | IntentRefused | Dropped
_REPORTS = tuple(map(mark, get_args(Report)))


def _report_in(record: Record) -> Report | None:
    value = record.value or b""
    if not any(word in value for word in _REPORTS):  # nearly all records are blocks
        return None
    try:
        event: AnyEvent = decode_event(value, where=record.where)
    except MalformedRecordError:  # a dead letter by now
        return None
    except NewerRecordError as error:
        log.warning("a report cannot be read", error=str(error))
        return None
    return event if isinstance(event, Report) else None


def _with(told: Reported, report: Report) -> Reported:
    replace = msgspec.structs.replace
    match report:
        case Signed():
            return replace(told, nonce=report.nonce, hashes=_and(told.hashes, report.transaction_hash))
        case Sent():
            return replace(told, hashes=_and(told.hashes, report.transaction_hash))
        case CancellationSigned():
            return replace(told, cancellations=_and(told.cancellations, report.transaction_hash))
        case IntentRefused():
            return replace(told, outcome="refused", reason=report.reason)
        case Dropped():
            return replace(told, outcome="dropped", reason=report.detail)


def _and(hashes: tuple[Hash, ...], new: Hash) -> tuple[Hash, ...]:
    return tuple(dict.fromkeys((*hashes, new)))
