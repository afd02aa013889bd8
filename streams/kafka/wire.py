"""Give a struct the form that it has on the wire: every integer a decimal string.

msgspec writes integers as numbers, which most readers of JSON round silently above 2**53, and has no switch.
So its builtins (`msgspec.to_builtins`, in C) are taken and their integers replaced. Which ones those are, each
struct type tells once.
"""

from collections.abc import Callable
from functools import cache
from operator import index
from typing import Any

import msgspec
from msgspec import inspect

Replace = Callable[[Any, Any], Any]
"""From a value and its builtins, make the form on the wire."""


_encode = msgspec.json.Encoder().encode


def wire_bytes(value: msgspec.Struct) -> bytes:
    """Write a struct as JSON without an integer. Raises: TypeError if a field does not hold its type."""
    return _encode(wire_form(value))


def wire_form(value: msgspec.Struct) -> dict[str, Any]:
    """Turn a struct into builtins without an integer. Raises: TypeError if a field does not hold its type."""
    form: dict[str, Any] = _replace_by_type(value, msgspec.to_builtins(value))
    return form


def _replace_by_type(value: Any, built: Any) -> Any:
    if value is None:
        return None
    kind: Any = type(value)
    replace = _replacement(kind)
    return built if replace is None else replace(value, built)


@cache
def _replacement(kind: Any) -> Replace | None:
    return _plan(inspect.type_info(kind))


def _plan(info: inspect.Type) -> Replace | None:
    """Tell how to replace the integers within values of a type; None where there are none."""
    match info:
        case inspect.IntType():
            return _int
        case inspect.StrType() | inspect.LiteralType() | inspect.BoolType() | inspect.NoneType():
            return None
        case inspect.BytesType():
            return None
        case inspect.AnyType():
            return _replace_by_type
        case inspect.StructType():
            return _struct(info)
        case inspect.VarTupleType():
            return _array(info)
        case inspect.TupleType():
            return _row(info)
        case inspect.DictType(key_type=inspect.StrType()):
            return _map(info)
        case inspect.UnionType():
            return _union(info)
    raise TypeError(f"the wire has no form for {info}")


def _int(value: int, _: int) -> str:
    return str(index(value))  # a float must not pass


def _array(info: inspect.VarTupleType) -> Replace | None:
    replace = _plan(info.item_type)
    if replace is None:
        return None
    return lambda value, built: list(map(replace, value, built))


def _row(info: inspect.TupleType) -> Replace | None:
    replaces = [_plan(item) or _as_built for item in info.item_types]
    return lambda value, built: [
        replace(*pair) for replace, *pair in zip(replaces, value, built, strict=True)
    ]


def _as_built(_: Any, built: Any) -> Any:
    return built


def _map(info: inspect.DictType) -> Replace | None:
    replace = _plan(info.value_type)
    if replace is None:
        return None
    return lambda value, built: {key: replace(item, built[key]) for key, item in value.items()}


def _union(info: inspect.UnionType) -> Replace | None:
    members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
    if len(members) > 1 and all(isinstance(member, inspect.StructType) for member in members):
        return _replace_by_type
    if all(_plan(member) is None for member in members):
        return None
    if len(members) != 1:
        raise TypeError(f"the wire has no form for {info}")
    replace = _plan(members[0])
    if replace is None:
        return None
    return lambda value, built: None if value is None else replace(value, built)


def _struct(info: inspect.StructType) -> Replace | None:
    plans = {field.name: _plan(field.type) for field in info.fields}
    if all(plan is None for plan in plans.values()):
        return None
    left_out = {field.name for field in msgspec.structs.fields(info.cls) if field.default is msgspec.UNSET}
    integers = [name for name, plan in plans.items() if plan is _int and name not in left_out]
    others = [(name, plan) for name, plan in plans.items() if plan is not None and name not in integers]
    """Those that may be left out as well, integers too."""

    def replace(value: Any, built: dict[str, Any]) -> dict[str, Any]:
        for name in integers:
            built[name] = str(index(built[name]))
        for name, plan in others:
            if name in built:
                built[name] = plan(getattr(value, name), built[name])
        return built

    return replace
