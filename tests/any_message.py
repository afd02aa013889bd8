"""Strategies for any value of any message or entry, with many values at the bounds of integers."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from pipeline.messages.policy import Policy, version_of

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
        case inspect.AnyType():
            return texts
        case inspect.BytesType():
            return st.binary(max_size=40)
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.StructType():
            return structs(info.cls)
        case inspect.VarTupleType():
            return st.lists(values(info.item_type), max_size=3).map(tuple)
        case inspect.TupleType():
            return st.tuples(*map(values, info.item_types))
        case inspect.DictType():
            return st.dictionaries(texts, values(info.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of([values(member) for member in info.types])
    raise AssertionError(info)


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = {name: values(info) for name, info in _fields(kind)}
    made: st.SearchStrategy[Any] = st.builds(kind, **fields)
    return made.map(_versioned) if kind is Policy else made


def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, inspect.Type]]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return [(field.name, field.type) for field in described.fields]


def _versioned(policy: Policy) -> Policy:
    """Give a policy the version that goes with it: readers take no other."""
    return msgspec.structs.replace(policy, policy_version=version_of(policy))
