"""The horizons for which the probability of liquidation is shown, and how it is printed."""

from collections.abc import Mapping, Sequence

from pipeline.hedge.liquidation import Horizon

TIMES: Mapping[str, int] = {"a day": 1, "a week": 7, "a quarter": 91}
"""In days."""
_YEAR_DAYS = 365.25


def horizons(volatility: float) -> list[Horizon]:
    """Take each of the times at a volatility per year."""
    return [Horizon(volatility, days / _YEAR_DAYS) for days in TIMES.values()]


def by_days(chances: Sequence[float]) -> dict[str, float]:
    """Name the chance of each of the times for a program."""
    return {f"{days}d": chance for days, chance in zip(TIMES.values(), chances, strict=True)}


def chance_text(chance: float) -> str:
    """Show a chance to two digits; one below a millionth as that."""
    return "0%" if chance == 0 else "<0.0001%" if chance < 1e-6 else f"{100 * chance:.2g}%"
