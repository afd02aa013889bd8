"""Bound the length of an event's texts that become keys of entries and records, and of its integers.

Every record that is read comes through here, so each type is given a function of its own, made from its fields once:

    def fits(value):
        return LEAST < value.nonce < MOST and len(value.intent) <= 256
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, inspect

from pipeline.messages.events import AnyEvent

LONGEST_NAME = 256
_MOST_DIGITS = 100
"""Of an integer: 2**256 has 78. Python itself refuses to write one of 4,300 and more."""
_LIMIT = 10**_MOST_DIGITS
_FREE = frozenset({"reason", "detail", "by", "instance", "run", "logs", "ticks", "observations", "data"})
"""Fields that name nothing. What is in logs becomes no key before it has been decoded."""

Names = dict[str, Any]
"""What a function's source refers to."""


def why_unnameable(event: AnyEvent) -> str | None:
    """Return which field of an event is longer than any that we write; None where there is none."""
    kind: Any = type(event)
    return None if _NAMED[kind](event) else next(_too_long(event, "$"))


class _Checks(dict[Any, Callable[[Any], bool]]):
    """The functions that return whether `_too_long` finds nothing in a value, by its type; each is made when it is first asked for."""

    def __init__(self, *, is_name: bool) -> None:
        super().__init__()
        self._is_name = is_name

    def __missing__(self, kind: Any) -> Callable[[Any], bool]:
        names: Names = {
            "LEAST": -_LIMIT,
            "MOST": _LIMIT,
            "UNSET": UNSET,
            "named": _NAMED,
            "free": _FREE_OF_NAMES,
        }
        source = _of_value(inspect.type_info(kind), "value", is_name=self._is_name)
        exec(f"def check(value):\n    return {source or True}", names)  # noqa: S102 - made of the names in our own types alone
        check: Callable[[Any], bool] = names["check"]
        self[kind] = check
        return check


_NAMED, _FREE_OF_NAMES = _Checks(is_name=True), _Checks(is_name=False)
"""The second for what names nothing."""


def _of_fields(info: inspect.StructType, of: str, *, is_name: bool) -> Iterator[str]:
    left_out = {each.name for each in msgspec.structs.fields(info.cls) if each.default is UNSET}
    for field in info.fields:
        at = f"{of}.{field.name}"
        source = _of_value(field.type, at, is_name=is_name and field.name not in _FREE)
        if source:
            yield f"({at} is UNSET or {source})" if field.name in left_out else source


def _of_value(info: inspect.Type, at: str, *, is_name: bool) -> str:
    """Return the source of what checks `at`, a value of a type; empty where nothing in it can be too long."""
    match info:
        case inspect.IntType():
            return f"LEAST < {at} < MOST"
        case inspect.StrType():
            return f"len({at}) <= {LONGEST_NAME}" if is_name else ""
        case inspect.StructType():
            return " and ".join(_of_fields(info, at, is_name=is_name))
        case inspect.VarTupleType(item_type=item):
            of_item = _of_value(item, "item", is_name=is_name)
            return f"all([{of_item} for item in {at}])" if of_item else ""
        case inspect.UnionType(types=kinds):
            others = [each for each in kinds if not isinstance(each, inspect.NoneType)]
            if len(others) > 1:
                return _by_type(at, is_name=is_name)
            one = _of_value(others[0], at, is_name=is_name)
            return f"({at} is None or {one})" if one else ""
        case inspect.AnyType():
            return _by_type(at, is_name=is_name)
    return ""


def _by_type(at: str, *, is_name: bool) -> str:
    return f"{'named' if is_name else 'free'}[type({at})]({at})"


def _too_long(value: object, path: str, *, is_name: bool = True) -> Iterator[str]:
    match value:
        case int() if abs(value) >= _LIMIT:
            yield f"an integer of more than {_MOST_DIGITS} digits - at `{path}`"
        case str() if is_name and len(value) > LONGEST_NAME:
            yield f"a name of {len(value)} characters, more than {LONGEST_NAME} - at `{path}`"
        case tuple():
            for item in value:
                yield from _too_long(item, f"{path}[...]", is_name=is_name)
        case msgspec.Struct():
            for field in value.__struct_fields__:
                named = is_name and field not in _FREE
                yield from _too_long(getattr(value, field), f"{path}.{field}", is_name=named)
