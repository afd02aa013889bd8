"""Draw curves and volatility as SVG or PNG with Matplotlib, which is imported only when a plot is asked for."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.curves.curve import Point
from pipeline.errors import SettingsError
from pipeline.statistics.volatility import AtStride, Volatility
from streams.human_numbers import duration_text

_WIDTH_IN, _PANEL_IN = 4.8, 1.75
"""Narrow, so that letters stay legible on a phone."""
_INK, _BLUE, _ORANGE, _GREY = "#222222", "#0072b2", "#d55e00", "#999999"
"""Told apart by every eye, and in grey."""
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.hashsalt": "evenkeel",  # the same picture has the same bytes
    "svg.fonttype": "path",
}
_KINDS = (".svg", ".png")
_WIDE = 10
"""Prices that are further apart are drawn by their logarithm."""
_MOST_ABOVE_MEDIAN = 12
"""Where a value has no bound, a panel ends at this many medians."""


class Sketch(NamedTuple):
    """What is drawn of a position."""

    title: str
    points: Sequence[Point]
    held: Sequence[float]
    """The value, at each price, of what it held at the price of now."""
    now: float
    edges: Sequence[float]
    variance: float
    """Of the log price, per year."""


def require_plots(path: Path) -> None:
    """Refuse before any work a file that cannot be drawn. Raises: SettingsError."""
    if path.suffix not in _KINDS:
        raise SettingsError(f"{path}: a picture is .svg or .png")
    _pyplot()


def draw_curve(sketch: Sketch, path: Path) -> None:
    """Draw value, delta, gamma and LVR against the price, and holding beside the value."""
    prices = [point.price for point in sketch.points]
    rows: list[tuple[str, list[float]]] = [
        ("value\nin quote", [point.value for point in sketch.points]),
        ("delta\nin base", [point.delta for point in sketch.points]),
        ("gamma\nbase per quote", [point.gamma for point in sketch.points]),
        ("LVR\nquote per year", [sketch.variance * point.lvr_per_variance for point in sketch.points]),
    ]
    figure, axes = _panels(len(rows), sketch.title)
    for axis, (label, values) in zip(axes, rows, strict=True):
        axis.plot(prices, values, color=_BLUE, label="position")
        axis.set_ylabel(label)
        _keep_in_view(axis, values)
        axis.axvline(sketch.now, color=_GREY, linestyle=":", linewidth=1)
        for edge in sketch.edges:
            axis.axvline(edge, color=_ORANGE, linestyle="--", linewidth=0.8)
    axes[0].plot(prices, sketch.held, color=_ORANGE, linewidth=1, label="held since the dotted price")
    axes[0].legend(loc="best", fontsize=8)
    if prices[-1] > _WIDE * prices[0]:
        axes[-1].set_xscale("log")
        axes[-1].xaxis.set_major_formatter("{x:g}")
    axes[-1].set_xlabel("price, quote per base")
    figure.align_ylabels(axes)
    _save(figure, path)


def draw_signature(title: str, signature: Sequence[AtStride], found: Volatility, path: Path) -> None:
    """Draw the volatility by stride, before and after the correction, with the estimate and its interval."""
    figure, (axis,) = _panels(1, title, height_in=3.2)
    strides = [each.stride_s for each in signature]
    axis.plot(
        strides,
        [each.shown_ppm / 1e4 for each in signature],
        "o-",
        color=_GREY,
        markersize=3,
        label="as the pool shows it",
    )
    corrected = [each.corrected_ppm / 1e4 for each in signature]
    axis.plot(strides, corrected, "o-", color=_BLUE, markersize=3, label="corrected for the fee band")
    axis.axhspan(
        found.low_ppm / 1e4,
        found.high_ppm / 1e4,
        color=_ORANGE,
        alpha=0.15,
        linewidth=0,
        label="interval, 95 of 100",
    )
    axis.plot([found.at.stride_s], [found.sigma_ppm / 1e4], "D", color=_ORANGE, label="estimate")
    axis.set_xscale("log")
    ticks = [each for each in (1, 10, 60, 600, 3_600, 36_000, 864_000) if strides[0] <= each <= strides[-1]]
    axis.set_xticks(ticks, [duration_text(each) for each in ticks])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel("stride of the clock")
    axis.set_ylabel("volatility, % per year")
    axis.legend(loc="best", fontsize=8)
    _save(figure, path)


def _panels(count: int, title: str, height_in: float | None = None) -> tuple[Any, Sequence[Any]]:
    pyplot = _pyplot()
    pyplot.rcParams.update(_STYLE)
    size = (_WIDTH_IN, height_in or count * _PANEL_IN)
    figure, axes = pyplot.subplots(count, 1, sharex=True, figsize=size, layout="constrained", squeeze=False)
    figure.suptitle(title, fontsize=10)
    return figure, axes[:, 0]


def _keep_in_view(axis: Any, values: Sequence[float]) -> None:
    """Cut off a peak without bound, as Solidly's gamma at its balance, so that the rest can be seen."""
    sizes = sorted(abs(value) for value in values if value)
    if sizes and math.isinf(sizes[-1]):
        most = _MOST_ABOVE_MEDIAN * sizes[len(sizes) // 2]
        axis.set_ylim(*((-most, 0) if min(values) < 0 else (0, most)))


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=200, metadata={"Date": None} if path.suffix == ".svg" else None)
    _pyplot().close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib  # noqa: ICN001, PLC0415 - takes a second, and is not installed everywhere

        matplotlib.use("Agg")  # no window
        from matplotlib import pyplot  # noqa: ICN001, PLC0415
    except ImportError:
        raise SettingsError(
            "--plot draws with matplotlib, which is not installed: pip install 'evenkeel[plots]'"
        ) from None
    return pyplot
