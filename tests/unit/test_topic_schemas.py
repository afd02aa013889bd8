"""The published schemas of messages equal the written forms, and the pages in docs/ are made from them."""

import json

import jsonschema
import msgspec
import pytest
from any_message import structs
from forms import golden_record, kinds, read_records
from hypothesis import given, settings
from hypothesis import strategies as st
from topic_docs import written

from contracts_abi import Source
from pipeline.errors import SettingsError
from streams.cli.topics_schema import schema
from streams.devnet.artifacts import fetch
from streams.kafka.schemas.asyncapi import channel, document
from streams.kafka.schemas.json_schema import schema_of, structs_of
from streams.kafka.topics import TOPICS
from streams.kafka.wire import wire_form

KINDS = {kind.__name__: kind for topic in TOPICS.values() for kind in topic.messages}
VALIDATORS = {name: jsonschema.Draft7Validator(schema_of(kind)) for name, kind in KINDS.items()}
ASYNCAPI = Source(
    name="@asyncapi/specs",
    version="6.11.1",
    licence="Apache-2.0",
    integrity="sha512-A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ==",
    file="schemas/3.0.0.json",
)
"""The JSON Schema of AsyncAPI documents, as its authors publish it."""


def test_the_pages_are_those_that_the_code_makes() -> None:
    old = [path.name for path, content in written().items() if path.read_bytes() != content]
    assert old == [], "run `make topic-docs`"


def test_the_document_is_asyncapi() -> None:
    rules = jsonschema.Draft7Validator(json.loads((fetch(ASYNCAPI) / ASYNCAPI.file).read_text()))
    told = document("1.2.3")
    rules.validate(told)
    for section in ("info", "channels"):
        broken = {**told, section: "none"}
        assert not rules.is_valid(broken)


def test_every_message_of_every_topic_is_told() -> None:
    told = document("1.2.3")
    for topic in TOPICS.values():
        assert set(told["channels"][channel(topic)]["messages"]) == {kind.__name__ for kind in topic.messages}
    assert set(told["components"]["messages"]) == set(KINDS)
    names = [kind.__name__ for kind in structs_of(KINDS.values())]
    assert len(names) == len(set(names)) == len(told["components"]["schemas"])


def _integers_as_numbers(form: object) -> object:
    match form:
        case dict():
            return {name: _integers_as_numbers(each) for name, each in form.items()}
        case list():
            return [_integers_as_numbers(each) for each in form]
        case str() if form.lstrip("-").isdecimal():
            return int(form)
    return form


NEWEST = {(name, family): golden_record(kind, family).version for (name, family), kind in kinds().items()}


def test_golden_records_are_of_the_published_form() -> None:
    looked_at = refused = 0
    for record in read_records():
        if record.version != NEWEST[record.name, record.family] or record.name not in VALIDATORS:
            continue
        form = msgspec.json.decode(record.payload)
        VALIDATORS[record.name].validate(form)
        numbered = _integers_as_numbers(form)
        refused += numbered != form and not VALIDATORS[record.name].is_valid(numbered)
        looked_at += 1
    assert looked_at >= len(KINDS) * 0.9
    assert refused > 80, "an integer that is a number is not of the form"


@pytest.mark.parametrize(
    "name", sorted(set(KINDS) - {"JournalRecord"})
)  # its body is another message, as it was signed
@settings(max_examples=5)
@given(st.data())
def test_whatever_a_message_holds_is_of_the_published_form(name: str, data: st.DataObject) -> None:
    message = data.draw(structs(KINDS[name]))
    VALIDATORS[name].validate(msgspec.json.decode(msgspec.json.encode(wire_form(message))))


def test_the_command_prints_a_schema_and_names_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    schema("BookView")
    assert json.loads(capsys.readouterr().out) == schema_of(KINDS["BookView"])
    with pytest.raises(SettingsError, match="did you mean BookView"):
        schema("BookVeiw")


@pytest.mark.parametrize("field", ["term", "base_fee_wei"])
def test_what_a_schema_says_of_an_integer(field: str) -> None:
    validator = VALIDATORS["BlockSeen"]
    (payload,) = [each.payload for each in read_records() if each.name == "BlockSeen" and each.version == 3]
    form = msgspec.json.decode(payload)
    validator.validate(form)
    for wrong in (7, "07", "+7", "7.0", "", None, "0x7"):
        assert not validator.is_valid(form | {field: wrong})
    for right in ("0", "-1", str(2**256 - 1)):
        assert validator.is_valid(form | {field: right})
