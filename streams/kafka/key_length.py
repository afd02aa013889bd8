"""Bound the length of an event's texts that become keys of entries and records."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import inspect

from pipeline.messages.events import AnyEvent

LONGEST_NAME = 256
_MOST_DIGITS = 100
"""Of an integer: 2**256 has 78. Python itself refuses to write one of 4,300 and more."""
_TOO_MANY_DIGITS = re.compile(rb'"-?[0-9]{%d,}"' % (_MOST_DIGITS + 1))
_FREE = frozenset({"reason", "detail", "by", "instance", "run", "logs", "ticks", "observations", "data"})
"""Fields that name nothing. What is in logs becomes no key before it has been decoded."""


def why_unnameable(payload: bytes, event: AnyEvent) -> str | None:
    """Return which field of an event is longer than any that we write; None where there is none."""
    if _TOO_MANY_DIGITS.search(payload):
        return f"an integer of more than {_MOST_DIGITS} digits"
    if len(payload) <= LONGEST_NAME or _fits(event):
        return None
    return next(_too_long(event, "$"))


def _fits(value: object) -> bool:
    """Return whether `_too_long` finds nothing in what a struct or a tuple has: of every record, so without naming a place."""
    kind: Any = type(value)
    for each in value if isinstance(value, tuple) else _naming(kind)(value):
        if isinstance(each, str):
            if len(each) > LONGEST_NAME:
                return False
        elif not _fits(each):
            return False
    return True


@cache
def _naming(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return how to list what of a struct may name something; anything else names nothing."""
    info = inspect.type_info(kind)
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    names = [
        each.name for each in fields if each.name not in _FREE and not isinstance(each.type, inspect.IntType)
    ]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple([getattr(value, name) for name in names])


def _too_long(value: object, path: str) -> Iterator[str]:
    match value:
        case str() if len(value) > LONGEST_NAME:
            yield f"a name of {len(value)} characters, more than {LONGEST_NAME} - at `{path}`"
        case tuple():
            for item in value:
                yield from _too_long(item, f"{path}[...]")
        case msgspec.Struct():
            for field in value.__struct_fields__:
                if field not in _FREE:
                    yield from _too_long(getattr(value, field), f"{path}.{field}")
