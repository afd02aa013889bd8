"""Decode the bit fields of a reserve's configuration and of an account's flags.

Source: ReserveConfiguration, UserConfiguration of Aave V3
"""

from pipeline.units import Bps


def ltv_bps(word: int) -> Bps:
    return Bps(_bits(word, 0, 16))


def threshold_bps(word: int) -> Bps:
    return Bps(_bits(word, 16, 16))


def decimals(word: int) -> int:
    return _bits(word, 48, 8)


def is_active(word: int) -> bool:
    return bool(_bits(word, 56, 1))


def is_frozen(word: int) -> bool:
    return bool(_bits(word, 57, 1))


def may_be_borrowed(word: int) -> bool:
    return bool(_bits(word, 58, 1))


def is_paused(word: int) -> bool:
    return bool(_bits(word, 60, 1))


def borrow_cap(word: int) -> int:
    """Return how many whole tokens may be owed by all together; 0: any number."""
    return _bits(word, 80, 36)


def supply_cap(word: int) -> int:
    """Return how many whole tokens may be supplied by all together; 0: any number."""
    return _bits(word, 116, 36)


def debt_ceiling(word: int) -> int:
    """Return how much may be borrowed on it as an isolated collateral; 0: it is none."""
    return _bits(word, 212, 40)


def emode_category(word: int) -> int:
    """Return the category of a reserve. 3.0 only: 3.6 keeps maps of reserves with each category."""
    return _bits(word, 168, 8)


def is_borrowing(flags: int, reserve_id: int) -> bool:
    """Return whether an account owes to a reserve, or is held to."""
    return bool(flags >> 2 * reserve_id & 1)


def is_collateral(flags: int, reserve_id: int) -> bool:
    """Return whether what an account has of a reserve counts as its collateral."""
    return bool(flags >> 2 * reserve_id + 1 & 1)


def with_borrowing(flags: int, reserve_id: int, *, on: bool) -> int:
    return _with_bit(flags, 2 * reserve_id, on=on)


def with_collateral(flags: int, reserve_id: int, *, on: bool) -> int:
    return _with_bit(flags, 2 * reserve_id + 1, on=on)


def flagged_reserves(flags: int) -> list[int]:
    """List the reserves that an account has a flag of, in the order of their numbers."""
    return [i for i in range((flags.bit_length() + 1) // 2) if flags >> 2 * i & 3]


def _bits(word: int, start: int, count: int) -> int:
    return word >> start & ((1 << count) - 1)


def _with_bit(word: int, place: int, *, on: bool) -> int:
    return word | 1 << place if on else word & ~(1 << place)
