"""Encode a node's hexadecimal texts as RLP, in hexadecimal too; the whole is turned into bytes once.

Source: Ethereum's yellow paper, appendix B. A text is taken only if it is `0x` and an even number of hexadecimal digits, so that
what is encoded is what everybody else reads there: two texts that differ in more than the case of a digit never encode alike.
"""

from binascii import unhexlify
from functools import lru_cache
from typing import Final

_SHORT: Final = 56
"""Payloads of fewer bytes have their length in the first byte."""
_WORD_DIGITS, _WORD_HEAD = 64, "a0"
"""Of 32 bytes: most are hashes."""
_SMALL_NUMBERS: Final = ("80", *(f"{value:02x}" for value in range(1, 0x80)))


def encoded(digits: str) -> bytes:
    """Convert an encoding's hex digits into bytes. Raises: ValueError where anything else stands among them, even a blank."""
    try:
        return unhexlify(digits)  # unlike `bytes.fromhex`, it passes over no blanks
    except ValueError:
        raise ValueError("what should be encoded is not hexadecimal digits alone") from None


def string(text: str) -> str:
    """Encode a byte string, given as `0x` and digits. Raises: ValueError; the digits themselves are checked by `encoded`."""
    digits = text.removeprefix("0x")
    if len(digits) == len(text) or len(digits) % 2:
        raise ValueError(f"{text[:80]!r} are not hexadecimal bytes")
    if len(digits) == _WORD_DIGITS:
        return _WORD_HEAD + digits
    if len(digits) == 2 and digits[0] in "01234567":
        return digits
    return string_head(len(digits) // 2) + digits


def number(text: str) -> str:
    """Encode a hexadecimal number: without leading zeros, zero as the empty string.

    Raises: ValueError; the digits of a longer number without leading zeros are checked by `encoded`.
    """
    digits = text.removeprefix("0x")
    if 2 < len(digits) < len(text) and digits[0] != "0":
        digits = "0" + digits if len(digits) % 2 else digits
        return string_head(len(digits) // 2) + digits
    value = int(text, 16)
    if value < 0 or text[:2] != "0x":
        raise ValueError(f"{text[:80]!r} is not a hexadecimal number")
    if value < 0x80:
        return _SMALL_NUMBERS[value]
    digits = f"{value:x}"
    if len(digits) % 2:
        digits = "0" + digits
    return string_head(len(digits) // 2) + digits


def listed(items: str) -> str:
    """Encode a list of items that are encoded already."""
    return list_head(len(items) // 2) + items


@lru_cache(maxsize=1 << 12)
def string_head(size: int) -> str:
    """Encode the prefix of a byte string of a length other than 1."""
    return _head(0x80, size)


@lru_cache(maxsize=1 << 12)
def list_head(size: int) -> str:
    """Encode the prefix of a list whose items have a total length."""
    return _head(0xC0, size)


def _head(first: int, size: int) -> str:
    if size < _SHORT:
        return f"{first + size:02x}"
    digits = f"{size:x}"
    digits = digits if len(digits) % 2 == 0 else "0" + digits
    return f"{first + _SHORT - 1 + len(digits) // 2:02x}{digits}"
