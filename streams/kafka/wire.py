"""Encode a struct for the wire: JSON in which every integer is a decimal string.

msgspec writes integers as numbers, which most readers of JSON round silently above 2**53, and has no switch. So each struct type is
given a function of its own, made from its fields once, which builds what msgspec is to encode, a struct with texts for integers:

    def write(value):
        return Form(str(index(value.nonce)), value.raw)

This is done for each record that is read or written. A loop over the fields takes twice as long, and msgspec encodes a struct in half
the time that it takes for a `dict`.
"""

from collections.abc import Callable
from functools import cache
from operator import index
from typing import Any

import msgspec
from msgspec import UNSET, defstruct, inspect

from pipeline.messages.base import Cause

Write = Callable[[Any], Any]
"""From a value, make what is encoded for it."""
Names = dict[str, Any]
"""What a function's source refers to."""

_SHARED = (Cause,)
"""All that is said of one record has the same one."""

_encode = msgspec.json.Encoder().encode


def wire_bytes(value: msgspec.Struct) -> bytes:
    """Encode a struct as JSON with its integers as texts. Raises: TypeError if a field does not hold its type."""
    kind: Any = type(value)
    return _encode(_writer(kind)(value))


def wire_form(value: msgspec.Struct) -> dict[str, Any]:
    """Convert a struct into builtins with its integers as texts. Raises: TypeError if a field does not hold its type."""
    form: dict[str, Any] = msgspec.json.decode(wire_bytes(value))
    return form


def _by_type(value: Any) -> Any:
    kind: Any = type(value)
    return _writer(kind)(value)


@cache
def _writer(kind: Any) -> Write:
    """Generate the function that converts values of a type."""
    info, names = inspect.type_info(kind), Names(index=index, by_type=_by_type, UNSET=UNSET)
    if isinstance(info, inspect.StructType) and _has_integers(info):
        source = _of_struct(info, names)
    else:
        source = f"return {_written(info, 'value', names)}"
    exec(f"def write(value):\n    {source}", names)  # noqa: S102 - made of the names in our own types alone
    write: Write = names["write"]
    return _remembering(write) if kind in _SHARED else write


def _remembering(write: Write) -> Write:
    """Encode a value only where it is another object than the last one."""
    last: tuple[object, msgspec.Raw] = (None, msgspec.Raw())

    def remembered(value: object) -> msgspec.Raw:
        nonlocal last
        known = last  # another thread may write another value meanwhile
        if known[0] is not value:
            last = known = (value, msgspec.Raw(_encode(write(value))))
        return known[1]

    return remembered


def _has_integers(info: inspect.StructType) -> bool:
    """Return whether msgspec alone would encode a struct differently: with integers."""
    return any(_written(field.type, "value", Names()) != "value" for field in info.fields)


def _written(info: inspect.Type, at: str, names: Names) -> str:
    """Return the source code that converts `at`, a value of a type: `at` itself where it has no integers."""
    match info:
        case inspect.IntType():
            return f"str(index({at}))"  # a float must not pass
        case inspect.StrType() | inspect.LiteralType() | inspect.BoolType() | inspect.NoneType():
            return at
        case inspect.BytesType():
            return at
        case inspect.AnyType():
            return f"by_type({at})"
        case inspect.StructType(cls=kind):
            return _named(kind, at, names) if _has_integers(info) else at
        case inspect.VarTupleType(item_type=item):
            of_item = _written(item, "item", names)
            return at if of_item == "item" else f"[{of_item} for item in {at}]"
        case inspect.TupleType(item_types=items):
            return (
                f"[{', '.join(_written(item, f'{at}[{place}]', names) for place, item in enumerate(items))}]"
            )
        case inspect.DictType(key_type=inspect.StrType(), value_type=item):
            of_item = _written(item, "item", names)
            return at if of_item == "item" else f"{{key: {of_item} for key, item in {at}.items()}}"
        case inspect.UnionType():
            return _of_union(info, at, names)
    raise TypeError(f"the wire has no form for {info}")


def _named(kind: type[msgspec.Struct], at: str, names: Names) -> str:
    """Return a reference to the function of another type."""
    name = f"write_{kind.__module__}_{kind.__qualname__}".replace(".", "_").replace("<locals>", "local")
    names[name] = _writer(kind)
    return f"{name}({at})"


def _of_union(info: inspect.UnionType, at: str, names: Names) -> str:
    members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
    if len(members) > 1 and all(isinstance(member, inspect.StructType) for member in members):
        return f"by_type({at})"
    written = {_written(member, at, names) for member in members}
    if written == {at}:
        return at
    if len(members) != 1:
        raise TypeError(f"the wire has no form for {info}")
    return f"(None if {at} is None else {written.pop()})"


def _of_struct(info: inspect.StructType, names: Names) -> str:
    """Return the statement that makes a struct of the same fields whose integers are texts; what is not set stays so, and is left out."""
    fields = [(each.encode_name, Any) for each in info.fields]
    names["Form"] = defstruct(info.cls.__name__, fields, tag=info.tag, tag_field=info.tag_field, gc=False)
    left_out = {each.name for each in msgspec.structs.fields(info.cls) if each.default is UNSET}
    written = [_of_field(each, names, may_be_unset=each.name in left_out) for each in info.fields]
    return f"return Form({', '.join(written)})"


def _of_field(field: inspect.Field, names: Names, *, may_be_unset: bool) -> str:
    at = f"value.{field.name}"
    written = _written(field.type, at, names)
    return f"UNSET if {at} is UNSET else {written}" if may_be_unset and written != at else written
