"""Messages and entries to bytes and back: JSON, every integer a decimal string."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline import keys
from pipeline.errors import MalformedRecordError, OversizedError
from pipeline.keys import family
from pipeline.messages.base import BlockRef, Message
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import AnyDecision
from pipeline.messages.entries import ENTRY_TYPES, Frame
from pipeline.messages.events import AnyEvent, PolicySet
from pipeline.messages.journal import AnyJournal, JournalRecord
from pipeline.messages.policy import version_of
from pipeline.messages.processes import ProcessSeen
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView, PoolView, PositionView, Rewound, SwapSeen
from pipeline.state.tables import Value
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.key_length import why_unnameable
from streams.kafka.wire import wire_form

AnyOutput = (
    AnyDecision | SwapSeen | SubmitTransaction | Rewound | PoolView | PositionView | BookView | DeadLetter
)

MAX_PAYLOAD_BYTES = MAX_RECORD_BYTES - 64 * 1024
"""What a record's value may have: the rest is for its key and the batch around it."""

NEWEST_VERSION = 1
OLDEST_VERSION = 1
"""Of messages: readers take the newest and, once there is one, that before it."""

NOTHING = b"null"

_encode = msgspec.json.Encoder().encode
# lax, as msgspec calls it: an integer may come as a string, as all of ours do
_event = msgspec.json.Decoder(AnyEvent, strict=False)
_output = msgspec.json.Decoder(AnyOutput, strict=False)
_intent = msgspec.json.Decoder(SubmitTransaction | Rewound, strict=False)
_record = msgspec.json.Decoder(JournalRecord, strict=False)
_journal = msgspec.json.Decoder(AnyJournal, strict=False)
_process = msgspec.json.Decoder(ProcessSeen, strict=False)
_entries: Mapping[str, msgspec.json.Decoder[Value]] = {
    name: msgspec.json.Decoder(kind, strict=False) for name, kind in ENTRY_TYPES.items()
}

# what msgspec raises for bytes that are no such message; the third for arrays nested without end
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _FrameWire(msgspec.Struct):
    """A frame whose values wait for their keys to tell their types."""

    block: BlockRef
    overwritten: dict[str, msgspec.Raw]


_frame = msgspec.json.Decoder(_FrameWire, strict=False)


# ------------------------------------------------------------------ messages
def encode(message: Message) -> bytes:
    """Write a message. Raises: OversizedError."""
    return _bounded(_encode(wire_form(message)), type(message).__name__)


def decode_event(payload: bytes, *, where: str) -> AnyEvent:
    """Read a record of `events.v1`.

    Raises: MalformedRecordError naming `where` and the field, also for what our writers never write (an
    integer that is no decimal string), because it could be taken for another number; and for a policy whose version
    is not the digest of what it says, because whoever knows a policy by its version relies on that.
    """
    event: AnyEvent = _decode(_event, payload, where)
    if encode(event) != payload:
        _refuse_another_value(payload, event, where)
    if isinstance(event, PolicySet) and event.policy.policy_version != version_of(event.policy):
        raise MalformedRecordError(
            f"{where}: {event.policy.policy_version!r} is not the digest of the policy - at `$.policy.policy_version`"
        )
    unnameable = why_unnameable(payload, event)
    if unnameable is not None:
        raise MalformedRecordError(f"{where}: {unnameable}")
    return event


def decode_intent(payload: bytes, *, where: str) -> SubmitTransaction | Rewound:
    """Read a record of `intents.v1`, as strictly as an event: money moves by it.

    Raises: MalformedRecordError naming `where` and the field.
    """
    intent: SubmitTransaction | Rewound = _decode(_intent, payload, where)
    if encode(intent) != payload:
        _refuse_another_value(payload, intent, where)
    return intent


def encode_record(sequence: int, mac: str, body: bytes) -> bytes:
    """Write a record of a signer's journal around the bytes of its entry. Raises: OversizedError."""
    record = {
        "type": JournalRecord.__name__,
        "version": str(NEWEST_VERSION),
        "sequence": str(sequence),
        "mac": mac,
        "body": msgspec.Raw(body),
    }
    return _bounded(_encode(record), JournalRecord.__name__)


def decode_record(payload: bytes, *, where: str) -> JournalRecord:
    """Read a record of a signer's journal, its body as bytes. Raises: MalformedRecordError naming `where` and the field."""
    record: JournalRecord = _decode(_record, payload, where)
    return record


def decode_body(record: JournalRecord, *, where: str) -> AnyJournal:
    """Read the entry in a record, whose MAC is the caller's to check. Raises: MalformedRecordError."""
    entry: AnyJournal = _decode(_journal, bytes(record.body), where)
    return entry


def decode_journal(payload: bytes, *, where: str) -> AnyJournal:
    """Read what a record of a journal claims: without the signer's secret nobody can tell who wrote it.

    Raises: MalformedRecordError naming `where` and the field.
    """
    return decode_body(decode_record(payload, where=where), where=where)


def decode_output(payload: bytes, *, where: str = "output") -> AnyOutput:
    """Read a record of a topic that a shard writes to. Raises: MalformedRecordError naming `where` and the field."""
    output: AnyOutput = _decode(_output, payload, where)
    return output


def decode_process(payload: bytes, *, where: str) -> ProcessSeen:
    """Read a heartbeat. Raises: MalformedRecordError naming `where` and the field."""
    seen: ProcessSeen = _decode(_process, payload, where)
    if seen.beat_s < 1:
        raise MalformedRecordError(f"{where}: {seen.beat_s} is no time between two beats - at `$.beat_s`")
    return seen


def _decode(decoder: msgspec.json.Decoder[Any], payload: bytes, where: str) -> Any:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedRecordError(f"{where}: {len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
    try:
        message = decoder.decode(payload)
    except _MALFORMED as error:
        raise MalformedRecordError(f"{where}: {error}") from error
    if not OLDEST_VERSION <= message.version <= NEWEST_VERSION:
        raise MalformedRecordError(
            f"{where}: version {message.version}, known are {OLDEST_VERSION} to {NEWEST_VERSION} - at `$.version`"
        )
    return message


def _refuse_another_value(payload: bytes, message: Message, where: str) -> None:
    """Let pass spaces, another order, unknown and missing fields; not a value that msgspec took for another."""
    try:
        found = msgspec.json.decode(payload)
    except _MALFORMED as error:  # in a field that we do not know, and so did not look into
        raise MalformedRecordError(f"{where}: {error}") from error
    difference = _difference(found, wire_form(message), "$")
    if difference is not None:
        raise MalformedRecordError(f"{where}: {difference}")


def _difference(found: Any, read: Any, path: str) -> str | None:
    if isinstance(read, dict):
        parts = [(found[key], item, f"{path}.{key}") for key, item in read.items() if key in found]
    elif isinstance(read, list | tuple):
        parts = [(*pair, f"{path}[...]") for pair in zip(found, read, strict=True)]
    elif found == read and type(found) is type(read):
        return None
    else:
        return f"{found!r} was read as {read!r} - at `{path}`"
    return next(filter(None, (_difference(*part) for part in parts)), None)


# ------------------------------------------------------------------ entries
def encode_entry(value: Value) -> bytes:
    """Write an entry of a shard's state. Raises: OversizedError."""
    return _bounded(_encode(wire_form(value)), type(value).__name__)


def decode_entry(key: str, payload: bytes) -> Value:
    """Read an entry, of the type that its key names.

    Raises: MalformedRecordError naming key and field.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedRecordError(f"{key}: {len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
    kind = family(key)
    if kind == keys.frame.family:
        return _decode_frame(key, payload)
    try:
        return _entries[kind].decode(payload)
    except KeyError:
        raise MalformedRecordError(f"{key}: no entry has such a key") from None
    except _MALFORMED as error:
        raise MalformedRecordError(f"{key}: {error}") from error


def _decode_frame(key: str, payload: bytes) -> Frame:
    try:
        frame = _frame.decode(payload)
    except _MALFORMED as error:
        raise MalformedRecordError(f"{key}: {error}") from error
    raw = {name: bytes(value) for name, value in frame.overwritten.items()}
    overwritten = {
        name: None if value == NOTHING else decode_entry(name, value) for name, value in raw.items()
    }
    return Frame(block=frame.block, overwritten=overwritten)


def _bounded(payload: bytes, name: str) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise OversizedError(f"{name} of {len(payload)} bytes, a record takes {MAX_PAYLOAD_BYTES}")
    return payload
