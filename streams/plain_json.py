"""Parse JSON that anybody may have written, without knowing its type, or as a file of a known form."""

import sys
from typing import Any, TypeVar

import msgspec

from contracts_abi.file_forms import FileFormError, take_form

T = TypeVar("T")

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON; the third for arrays nested without end."""

_DEEPEST = 3_000
"""py_ecc, of a signer's process and of one that asks a node by web3, raises Python's limit to 100,000: there arrays nested 30,000 deep end the process (SIGSEGV)."""


def plain_json(payload: bytes) -> Any:
    """Decode any JSON. Raises: one of MALFORMED."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(min(limit, _DEEPEST))
    try:
        return msgspec.json.decode(payload)
    finally:
        sys.setrecursionlimit(limit)


def take_json(text: str | bytes, form: type[T]) -> T:
    """Convert what a file holds as JSON. Raises: FileFormError."""
    try:
        written = plain_json(text.encode() if isinstance(text, str) else text)
    except RecursionError:
        raise FileFormError("no JSON: values lie too deep inside each other") from None
    except MALFORMED as error:
        raise FileFormError(f"no JSON: {why_malformed(str(error))}") from None
    return take_form(written, form)


def why_malformed(theirs: str) -> str:
    """Reword what msgspec says of bytes that are no JSON."""
    return "it ends too early" if "truncated" in theirs else theirs.removeprefix("JSON is malformed: ")
