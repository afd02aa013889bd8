"""Parse JSON that anybody may have written, without knowing its type."""

import sys
from typing import Any

import msgspec

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON; the third for arrays nested without end."""

_DEEPEST = 3_000
"""py_ecc, of a signer's process, raises Python's limit to 100,000: there arrays nested 30,000 deep end the process (SIGSEGV)."""


def plain_json(payload: bytes) -> Any:
    """Decode any JSON. Raises: one of MALFORMED."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(min(limit, _DEEPEST))
    try:
        return msgspec.json.decode(payload)
    finally:
        sys.setrecursionlimit(limit)
