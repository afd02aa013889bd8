"""The terms of a re-range at Uniswap V3: the range, and the NFTs whose liquidity moves there."""

import msgspec

from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.messages.goals import Goal, RerangeGoal, read_terms, write_terms
from pipeline.units import Address, Tick, TokenId


class PoolRange(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a re-range."""

    pool: Address
    tick_lower: Tick
    tick_upper: Tick
    withdraw: tuple[TokenId, ...]
    """NFTs whose liquidity moves."""


def goal_of(range_: PoolRange) -> Goal:
    """Convert a range into a goal."""
    return RerangeGoal(venue=UNISWAP_V3, terms=write_terms(range_))


def range_of(goal: Goal) -> PoolRange:
    """Read the range of a goal."""
    assert isinstance(goal, RerangeGoal), "only re-ranges are its own"
    return read_terms(goal.terms, PoolRange)
