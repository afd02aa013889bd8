"""Encode and decode messages and entries: JSON in which every integer is a decimal string."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

import msgspec

from pipeline import keys
from pipeline.errors import MalformedRecordError, OversizedError
from pipeline.keys import family
from pipeline.messages.base import BlockRef, Message, View
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import AnyDecision
from pipeline.messages.entries import ENTRY_TYPES, DecidedUnder, Frame
from pipeline.messages.events import EVENT_TYPES, AnyEvent, PolicySet
from pipeline.messages.journal import AnyJournal, JournalRecord
from pipeline.messages.policy import version_of
from pipeline.messages.processes import ProcessSeen
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView, Rewound, TradeSeen
from pipeline.state.tables import Value
from pipeline.units import Offset
from pipeline.venues.registry import OfKinds, all_forms
from streams.kafka.forms import MAX_PAYLOAD_BYTES, EntryForm, Messages, StrictMessages, object_in
from streams.kafka.key_length import why_unnameable
from streams.kafka.wire import wire_bytes

_OfNoVenue = AnyDecision | SubmitTransaction | Rewound | BookView | DeadLetter
OUTPUT_TYPES: tuple[type[Message], ...] = get_args(_OfNoVenue)
"""Those of every deployment; a kind of venue brings trades and views of its own."""
AnyOutput = _OfNoVenue | TradeSeen | View

NOTHING = b"null"

_OF_NO_VENUE = (
    *EVENT_TYPES,
    *OUTPUT_TYPES,
    *get_args(AnyJournal),
    SubmitTransaction,
    JournalRecord,
    ProcessSeen,
)
_known_names = OfKinds(
    lambda _: frozenset(each.__name__ for each in (*_OF_NO_VENUE, *all_forms().reads, *all_forms().outputs))
)
"""Of every message of every topic."""
_event = OfKinds(
    lambda _: StrictMessages(
        (*EVENT_TYPES, *all_forms().reads), upgrade="the workers", known_names=_known_names
    )
)
_output = OfKinds(
    lambda _: Messages((*OUTPUT_TYPES, *all_forms().outputs), upgrade="this one", known_names=_known_names)
)
_intent = StrictMessages((SubmitTransaction, Rewound), upgrade="the signer", known_names=_known_names)
_record = Messages((JournalRecord,), upgrade="the signer", known_names=_known_names)
_journal = Messages(get_args(AnyJournal), upgrade="the signer", known_names=_known_names)
_process = Messages((ProcessSeen,), upgrade="this one", known_names=_known_names)


class _FrameWire(msgspec.Struct):
    """A frame whose values are decoded once their keys tell their types."""

    block: BlockRef
    overwritten: dict[str, msgspec.Raw]


class _RulesWire(msgspec.Struct):
    """A `rules/N` entry whose values are decoded once their keys tell their types."""

    first_offset: Offset
    decided: dict[str, msgspec.Raw]
    overwritten: dict[str, dict[str, msgspec.Raw]]


def mark(kind: type[Message]) -> bytes:
    """Return the bytes that each record of a type contains, whatever its version: a cheap test before decoding."""
    return f'"{kind.__name__}'.encode()


# ------------------------------------------------------------------ messages
def encode(message: Message) -> bytes:
    """Encode a message. Raises: OversizedError."""
    payload = wire_bytes(message)
    return payload if len(payload) <= MAX_PAYLOAD_BYTES else _bounded(payload, message)


def decode_event(payload: bytes, *, where: str) -> AnyEvent:
    """Decode a record of `events.v1`, of the newest version or an older one.

    Raises: MalformedRecordError naming `where` and the field, also for what our writers never write (an
    integer that is not a decimal string), because it could be taken for another number; and for a policy whose version
    is not the digest of what it says, because whoever knows a policy by its version relies on that. NewerRecordError
    naming `where`, type and version: to go on without it would lose it.
    """
    event: AnyEvent = _event().read(payload, where)
    if type(event) is PolicySet and event.policy.policy_version != version_of(event.policy):
        raise MalformedRecordError(
            f"{where}: {event.policy.policy_version!r} is not the digest of the policy - at `$.policy.policy_version`"
        )
    unnameable = why_unnameable(event)
    if unnameable is not None:
        raise MalformedRecordError(f"{where}: {unnameable}")
    return event


def decode_intent(payload: bytes, *, where: str) -> SubmitTransaction | Rewound:
    """Decode a record of `intents.v1`, as strictly as an event: money moves by it.

    Raises: MalformedRecordError naming `where` and the field, NewerRecordError.
    """
    intent: SubmitTransaction | Rewound = _intent.read(payload, where)
    return intent


def id_and_signer(payload: bytes) -> tuple[str, str]:
    """Return what an unreadable intent has in every version: its id and its signer; empty where they are missing."""
    fields = object_in(payload)
    return str(fields.get("id", "")), str(fields.get("signer", ""))


def encode_record(sequence: int, mac: str, body: bytes) -> bytes:
    """Encode a record of a signer's journal around the bytes of its entry. Raises: OversizedError."""
    record = {
        "type": JournalRecord.__name__,
        "sequence": str(sequence),
        "mac": mac,
        "body": msgspec.Raw(body),
    }
    return _bounded(msgspec.json.encode(record), JournalRecord.__name__)


def decode_record(payload: bytes, *, where: str) -> JournalRecord:
    """Decode a record of a signer's journal, its body as bytes. Raises: MalformedRecordError, NewerRecordError."""
    record: JournalRecord = _record.read(payload, where)
    return record


def decode_body(record: JournalRecord, *, where: str) -> AnyJournal:
    """Decode the entry in a record, whose MAC the caller checks. Raises: MalformedRecordError, NewerRecordError."""
    entry: AnyJournal = _journal.read(bytes(record.body), where)
    return entry


def decode_journal(payload: bytes, *, where: str) -> AnyJournal:
    """Decode a record of a journal without checking who wrote it, which takes the signer's secret.

    Raises: MalformedRecordError naming `where` and the field, NewerRecordError.
    """
    return decode_body(decode_record(payload, where=where), where=where)


def decode_output(payload: bytes, *, where: str = "output") -> AnyOutput:
    """Decode a record of a topic that a shard writes to. Raises: MalformedRecordError naming the field, NewerRecordError."""
    output: AnyOutput = _output().read(payload, where)
    return output


def decode_process(payload: bytes, *, where: str) -> ProcessSeen:
    """Decode a heartbeat. Raises: MalformedRecordError naming `where` and the field, NewerRecordError."""
    seen: ProcessSeen = _process.read(payload, where)
    if seen.beat_s < 1:
        raise MalformedRecordError(f"{where}: {seen.beat_s} is not a time between two beats - at `$.beat_s`")
    return seen


# ------------------------------------------------------------------ entries
def encode_entry(value: Value) -> bytes:
    """Encode an entry of a shard's state. Raises: OversizedError."""
    return _bounded(wire_bytes(value), value)


def decode_entry(key: str, payload: bytes) -> Value:
    """Decode an entry, of the type that its key names.

    Raises: MalformedRecordError naming key and field, NewerRecordError.
    """
    return entry_reader()(key, payload)


def entry_reader() -> Callable[[str, bytes], Value]:
    """Return `decode_entry` for many entries: the forms of all kinds are looked up once."""
    return partial(_read_entry, _entries())


def _read_entry(forms: Mapping[str, EntryForm], key: str, payload: bytes) -> Value:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedRecordError(f"{key}: {len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
    form = forms.get(family(key))
    if form is None:
        raise MalformedRecordError(f"{key}: no entry has such a key")
    entry: Value = form.read(key, payload)
    return entry


_frame_wire = msgspec.json.Decoder(_FrameWire, strict=False)
_rules_wire = msgspec.json.Decoder(_RulesWire, strict=False)


def _decode_frame(payload: bytes) -> Frame:
    read = _frame_wire.decode(payload)
    return Frame(block=read.block, overwritten=_values(read.overwritten))


def _decode_rules(payload: bytes) -> DecidedUnder:
    read = _rules_wire.decode(payload)
    overwritten = {number: _values(raw) for number, raw in read.overwritten.items()}
    return DecidedUnder(
        first_offset=read.first_offset, decided=_values(read.decided), overwritten=overwritten
    )


_DECODERS: Mapping[str, Callable[[bytes], Value]] = {
    keys.frame.family: _decode_frame,
    keys.rules.family: _decode_rules,
}


_entries: Callable[[], Mapping[str, EntryForm]] = OfKinds(
    lambda _: {
        name: EntryForm(kind, _DECODERS.get(name))
        for name, kind in (*ENTRY_TYPES.items(), *all_forms().entries.items())
    }
)


def _values(raw: Mapping[str, msgspec.Raw]) -> dict[str, Value | None]:
    values = {name: bytes(value) for name, value in raw.items()}
    return {name: None if value == NOTHING else decode_entry(name, value) for name, value in values.items()}


def _bounded(payload: bytes, value: object) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise OversizedError(
            f"{type(value).__name__} of {len(payload)} bytes, a record takes {MAX_PAYLOAD_BYTES}"
        )
    return payload
