"""Any message and any entry is decoded from its bytes unchanged."""

import json

import forms
import msgspec
import pytest
from any_message import structs, texts, values
from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from pipeline.messages.base import Message
from pipeline.messages.entries import DecidedUnder, Frame
from streams.kafka.codec import decode_entry, decode_event, decode_output, encode, encode_entry

few = settings(max_examples=examples(12), deadline=None)

EVENTS, OUTPUTS = forms.EVENTS, forms.OUTPUTS
ENTRIES = [(name, kind) for name, kind in forms.ENTRIES.items() if kind not in (Frame, DecidedUnder)]

ALL = list(dict.fromkeys((*EVENTS, *OUTPUTS, *(kind for _, kind in ENTRIES))))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_every_event(kind, data):
    event = data.draw(structs(kind))
    assert decode_event(encode(event), where="here") == event


@pytest.mark.parametrize("kind", OUTPUTS, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_every_output(kind, data):
    output = data.draw(structs(kind))
    assert decode_output(encode(output)) == output


@pytest.mark.parametrize(("name", "kind"), ENTRIES, ids=str)
@few
@given(data=st.data())
def test_every_entry(name, kind, data):
    entry = data.draw(structs(kind))
    assert decode_entry(f"{name}/x", encode_entry(entry)) == entry


def _any_entries(data) -> dict[str, object]:
    """Entries of some kinds, and absences, each under a key."""

    def entry(name: str) -> st.SearchStrategy:
        return st.none() | structs(forms.ENTRIES[name])

    names = data.draw(st.lists(st.sampled_from([name for name, _ in ENTRIES]), unique=True))
    return {f"{name}/{data.draw(texts)}": data.draw(entry(name)) for name in names}


@few
@given(data=st.data())
def test_what_had_been_decided(data):
    overwritten = {
        str(number): _any_entries(data) for number in data.draw(st.sets(st.integers(0), max_size=2))
    }
    begun = DecidedUnder(
        first_offset=data.draw(st.integers(0)), decided=_any_entries(data), overwritten=overwritten
    )
    assert decode_entry("rules/1", encode_entry(begun)) == begun


@few
@given(data=st.data())
def test_every_frame(data):
    overwritten = _any_entries(data)
    frame = data.draw(
        st.builds(
            Frame, block=values(inspect.type_info(Frame).fields[0].type), overwritten=st.just(overwritten)
        )
    )
    assert decode_entry("frame/1", encode_entry(frame)) == frame


def _digits(built: object) -> object:
    """Replace every integer by its decimal digits."""
    match built:
        case dict():
            return {key: _digits(value) for key, value in built.items()}
        case list() | tuple():
            return [_digits(value) for value in built]
        case int() if not isinstance(built, bool):
            return str(built)
    return built


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_the_bytes_are_those_of_msgspec_but_for_the_integers(kind, data):
    value = data.draw(structs(kind))
    write = encode if issubclass(kind, Message) else encode_entry
    assert write(value) == msgspec.json.encode(_digits(msgspec.to_builtins(value)))


@few
@given(st.data())
def test_readers_that_know_no_large_integer_lose_nothing(data):
    """Any JSON reader gets all digits, because the bytes have no JSON numbers."""
    event = data.draw(structs(data.draw(st.sampled_from(EVENTS))))
    json.loads(encode(event), parse_int=pytest.fail, parse_float=pytest.fail)
