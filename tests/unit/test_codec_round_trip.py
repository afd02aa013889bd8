"""Whatever a message or an entry holds comes back from its bytes as it was."""

import json
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from pipeline.messages.entries import ENTRY_TYPES, Frame
from pipeline.messages.events import AnyEvent
from streams.codec import AnyOutput, decode_entry, decode_event, decode_output, encode, encode_entry

EDGES = [
    0,
    1,
    -1,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    2**128 - 1,
    -(2**127),
    2**160,
    2**256 - 1,
]
integers = st.one_of(st.sampled_from(EDGES), st.integers(-(2**255), 2**256 - 1), st.integers(-9, 9))
texts = st.one_of(st.text(max_size=20), st.sampled_from(["", "null", "5", '"', "\\", "\u2028", "0x00"]))


few = settings(max_examples=40, deadline=None)


def values(info: inspect.Type) -> st.SearchStrategy:
    """Any value of a field, by its annotation."""
    match info:
        case inspect.IntType():
            return integers
        case inspect.StrType():
            return texts
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.BytesType():
            return st.binary(max_size=40)
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.StructType():
            return structs(info.cls)
        case inspect.VarTupleType():
            return st.lists(values(info.item_type), max_size=3).map(tuple)
        case inspect.UnionType():
            return st.one_of([values(member) for member in info.types])
    raise AssertionError(info)


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy:
    fields = {
        field.name: values(field.type) for field in inspect.type_info(kind).fields if field.name != "version"
    }
    return st.builds(kind, **fields)


EVENTS = get_args(AnyEvent)
OUTPUTS = get_args(AnyOutput)
ENTRIES = [(name, kind) for name, kind in ENTRY_TYPES.items() if kind is not Frame]


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


@few
@given(data=st.data())
def test_every_frame(data):
    def entry(name: str) -> st.SearchStrategy:
        return st.none() | structs(ENTRY_TYPES[name])

    names = data.draw(st.lists(st.sampled_from([name for name, _ in ENTRIES]), unique=True))
    overwritten = {f"{name}/{data.draw(texts)}": data.draw(entry(name)) for name in names}
    frame = data.draw(
        st.builds(
            Frame, block=values(inspect.type_info(Frame).fields[0].type), overwritten=st.just(overwritten)
        )
    )
    assert decode_entry("frame/1", encode_entry(frame)) == frame


@few
@given(st.data())
def test_readers_that_know_no_large_integer_lose_nothing(data):
    """Any JSON reader sees the digits: no number stands in the bytes."""
    event = data.draw(structs(data.draw(st.sampled_from(EVENTS))))
    json.loads(encode(event), parse_int=pytest.fail, parse_float=pytest.fail)
