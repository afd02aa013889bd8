"""Texts of an event that become keys of entries and records: none may be longer than a key should be."""

import re
from collections.abc import Iterator

import msgspec

from pipeline.messages.events import AnyEvent

LONGEST_NAME = 256
_MOST_DIGITS = 100
"""Of an integer: 2**256 has 78. Python itself refuses to write one of 4,300 and more."""
_TOO_MANY_DIGITS = re.compile(rb'"-?[0-9]{%d,}"' % (_MOST_DIGITS + 1))
_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_MAY_BE_TOO_MANY = (b'"' + b"0" * (_MOST_DIGITS + 1), b'"-' + b"0" * (_MOST_DIGITS + 1))
"""What a number of too many digits begins with, where all digits are alike: seldom there, and found ten times as fast."""
_FREE = frozenset({"reason", "detail", "by", "instance", "run", "logs", "ticks", "observations", "data"})
"""Fields that name nothing. What is in logs becomes no key before it has been decoded."""


def why_unnameable(payload: bytes, event: AnyEvent) -> str | None:
    """Tell which field of an event is longer than any that we write; None where there is none."""
    alike = payload.translate(_ALIKE)
    if any(each in alike for each in _MAY_BE_TOO_MANY) and _TOO_MANY_DIGITS.search(payload):
        return f"an integer of more than {_MOST_DIGITS} digits"
    if len(payload) <= LONGEST_NAME:
        return None
    return next(_too_long(event, "$"), None)


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
