"""The strategies: one decide-shaped function a file, and one line in the table."""

from collections.abc import Callable, Mapping

from pipeline.decide.strategies.target_band import follow_band, target_band
from pipeline.decide.strategies.verdict import Act, Rest, Verdict
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import TargetBand
from pipeline.units import Seconds

STRATEGIES: Mapping[type[TargetBand], Callable[[BookPath, TargetBand, Seconds], Verdict]] = {
    TargetBand: target_band,
}

__all__ = ["STRATEGIES", "Act", "Rest", "Verdict", "follow_band"]
