"""Older forms are upgraded to the newest; a newer form is reported as newer, and never guessed."""

import json

import msgspec
import pytest

from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.messages import versions
from pipeline.messages.base import Entry, Message
from pipeline.messages.events import Paused, WriterStarted
from pipeline.messages.policy import version_of
from pipeline.messages.versions import type_and_version, upgrades, version_of_type
from streams.cli.record_fields import fields_of
from streams.kafka import forms
from streams.kafka.codec import decode_entry, decode_event, decode_intent, decode_output, encode, mark
from streams.kafka.forms import EntryForm, StrictMessages


class Told(Message, frozen=True, kw_only=True, tag="Told.3"):
    """A message that has changed twice: `at` became `at_s`, then `by` came."""

    at_s: int
    by: str


class Other(Message, frozen=True, kw_only=True, tag=True):
    told: str


class Kept(Entry, frozen=True, kw_only=True, tag_field="version", tag="2"):
    """An entry that has changed once."""

    amount: int
    note: str


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(versions, "_UPGRADES", {})

    @upgrades("Told", 1)
    def _told_2(fields):
        return {"at_s": fields["at"], **{k: v for k, v in fields.items() if k != "at"}}

    @upgrades("Told", 2)
    def _told_3(fields):
        return {**fields, "by": "nobody"}

    @upgrades("Kept", 1)
    def _kept_2(fields):
        return {**fields, "note": "old"}


def told(payload: bytes) -> Told | Other:
    reader = StrictMessages(
        (Told, Other), upgrade="the workers", known_names=lambda: frozenset({"Told", "Other", "Paused"})
    )
    return reader.read(payload, "events.v1[0]@7")


def kept(payload: bytes) -> Kept:
    return EntryForm(Kept).read("kept/1", payload)


# ------------------------------------------------------------------ messages
def test_a_version_is_in_the_type_and_nowhere_else():
    assert json.loads(encode(Told(at_s=1, by="me"))) == {"type": "Told.3", "at_s": "1", "by": "me"}
    assert json.loads(encode(Other(told="x"))) == {"type": "Other", "told": "x"}
    assert (version_of_type(Told), version_of_type(Other), version_of_type(Kept)) == (3, 1, 2)


def test_every_older_form_becomes_the_newest():
    assert told(b'{"type":"Told","at":"5"}') == Told(at_s=5, by="nobody")
    assert told(b'{"type":"Told.2","at_s":"5"}') == Told(at_s=5, by="nobody")
    assert told(encode(Told(at_s=5, by="me"))) == Told(at_s=5, by="me")


def test_an_older_form_is_read_as_strictly():
    with pytest.raises(
        MalformedRecordError, match=r"events.v1\[0\]@7: of version 1: 5 was read as '5' - at `\$\.at_s`"
    ):
        told(b'{"type":"Told","at":5}')
    with pytest.raises(MalformedRecordError, match=r"events.v1\[0\]@7: Told of version 1 .* KeyError: 'at'"):
        told(b'{"type":"Told","on":"5"}')
    with pytest.raises(MalformedRecordError, match="missing required field `at_s`"):
        told(b'{"type":"Told.2"}')


def test_what_is_newer_says_so_and_names_type_version_and_place():
    says = r"^events.v1\[0\]@7: Told of version 4, known are versions up to 3: written by a newer Evenkeel: upgrade the workers first$"
    with pytest.raises(NewerRecordError, match=says):
        told(b'{"type":"Told.4","whatever":["it","holds"]}')
    with pytest.raises(
        NewerRecordError, match=r"@7: Hedged of version 1, which is not known here: written by a newer"
    ):
        told(b'{"type":"Hedged"}')


def test_a_type_of_ours_that_belongs_elsewhere_is_malformed():
    with pytest.raises(MalformedRecordError, match="Paused"):
        told(encode(Paused(scope="all", reason="r", by="me")))


@pytest.mark.parametrize(
    "stated", ["", "paused", "Paused.1", "Paused.0", "Paused.02", "Paused.2.3", "Paused 2", None, 7]
)
def test_what_no_evenkeel_would_name_a_type_is_malformed(stated):
    assert type_and_version(stated) is None
    with pytest.raises(MalformedRecordError):
        told(json.dumps({"type": stated}).encode())


def test_every_reader_tells_what_is_newer():
    newer = encode(WriterStarted(term=1, instance="w")).replace(b'"WriterStarted"', b'"WriterStarted.2"')
    with pytest.raises(
        NewerRecordError, match=r"^here: WriterStarted of version 2.*: upgrade the workers first$"
    ):
        decode_event(newer, where="here")
    with pytest.raises(
        NewerRecordError, match=r"SubmitTransaction of version 2.*: upgrade the signer first$"
    ):
        decode_intent(b'{"type":"SubmitTransaction.2"}', where="here")
    with pytest.raises(NewerRecordError, match=r"Declined of version 12.*: upgrade this one first$"):
        decode_output(b'{"type":"Declined.12"}', where="here")


def test_a_mark_is_in_every_version():
    assert mark(Paused) in b'{"type":"Paused"}'
    assert mark(Paused) in b'{"type":"Paused.7"}'


def test_people_see_type_and_version_apart():
    assert fields_of(b'{"type":"PlanClosed.2","plan":"p"}') == {
        "type": "PlanClosed",
        "version": "2",
        "plan": "p",
    }
    assert fields_of(b'{"type":"PlanClosed","plan":"p"}') == {"type": "PlanClosed", "plan": "p"}


# ------------------------------------------------------------------ entries
def test_an_entry_states_its_version_first():
    assert forms.wire_bytes(Kept(amount=1, note="n")) == b'{"version":"2","amount":"1","note":"n"}'
    assert kept(b'{"version":"2","amount":"1","note":"n"}') == Kept(amount=1, note="n")
    assert kept(b'{"amount":"1"}') == Kept(amount=1, note="old")


def test_a_newer_entry_says_so():
    with pytest.raises(
        NewerRecordError, match=r"^kept/1: Kept of version 3, known are versions up to 2: written by a newer"
    ):
        kept(b'{"version":"3","amount":"1"}')
    with pytest.raises(NewerRecordError, match=r"^cursor: Cursor of version 2, known are versions up to 1"):
        decode_entry("cursor", b'{"version":"2","offset":"1"}')
    block = '{"number":"1","hash":"a","parent_hash":"b","timestamp_s":"1"}'
    frame = f'{{"block":{block},"overwritten":{{"cursor":{{"version":"2"}}}}}}'.encode()
    with pytest.raises(NewerRecordError, match=r"^cursor: Cursor of version 2"):
        decode_entry("frame/1", frame)


def test_a_policys_digest_is_not_its_forms():
    class First(msgspec.Struct, frozen=True):
        book: str

    class Second(msgspec.Struct, frozen=True, tag_field="version", tag="2"):
        book: str
        added: int = 0

    assert version_of(First("b")) == version_of(Second("b"))
