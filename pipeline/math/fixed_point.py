"""Fixed-point constants, division that rounds up, and fixed-width arithmetic that wraps."""

Q96 = 1 << 96
Q128 = 1 << 128
MAX_UINT128 = (1 << 128) - 1
MAX_UINT160 = (1 << 160) - 1
MAX_UINT256 = (1 << 256) - 1
PIPS = 1_000_000
"""A whole, in the unit of fees."""


def div_up(numerator: int, denominator: int) -> int:
    """Divide two whole numbers. Rounds: up."""
    return -(-numerator // denominator)


def wrap_uint(value: int, bits: int) -> int:
    """Keep the low bits, as unsigned arithmetic on chain does."""
    return value & ((1 << bits) - 1)


def wrap_int(value: int, bits: int) -> int:
    """Keep the low bits as a signed number, as signed arithmetic on chain does."""
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half
