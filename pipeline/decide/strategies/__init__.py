"""The strategies: one function with the same signature per file, and one line each in the table."""

from collections.abc import Callable, Mapping

from pipeline.decide.strategies.target_band import acts_from_s, follow_band, is_steady, target_band
from pipeline.decide.strategies.verdict import Rest, Target, Verdict
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import TargetBand
from pipeline.units import Bps, Seconds

STRATEGIES: Mapping[type[TargetBand], Callable[[BookPath, TargetBand, Seconds], Verdict]] = {
    TargetBand: target_band,
}

WAKES: Mapping[type[TargetBand], Callable[[BookPath, TargetBand], Seconds | None]] = {
    TargetBand: acts_from_s,
}
"""When time alone makes a strategy judge otherwise; None: never."""

STEADY: Mapping[type[TargetBand], Callable[[BookPath, TargetBand, Bps, Bps], bool]] = {
    TargetBand: is_steady,
}
"""Whether a strategy judges the same, and leaves the path as it is, wherever the deviation of the base share lies between two bounds.

A strategy that is not listed cannot tell: its books are looked at whenever a pool of theirs moves.
"""

__all__ = ["STEADY", "STRATEGIES", "WAKES", "Rest", "Target", "Verdict", "follow_band"]
