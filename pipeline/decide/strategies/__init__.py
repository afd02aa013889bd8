"""The strategies: one decide-shaped function a file, and one line in the table."""

from collections.abc import Callable, Mapping

from pipeline.decide.strategies.target_band import acts_from_s, follow_band, target_band
from pipeline.decide.strategies.verdict import Rest, Target, Verdict
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import TargetBand
from pipeline.units import Seconds

STRATEGIES: Mapping[type[TargetBand], Callable[[BookPath, TargetBand, Seconds], Verdict]] = {
    TargetBand: target_band,
}

WAKES: Mapping[type[TargetBand], Callable[[BookPath, TargetBand], Seconds | None]] = {
    TargetBand: acts_from_s,
}
"""When time alone makes a strategy judge otherwise; None: never."""

__all__ = ["STRATEGIES", "WAKES", "Rest", "Target", "Verdict", "follow_band"]
