"""`curve`: show the value of a position at any price, with its derivatives: of a known AMM, of a user's file, or of a book."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from pipeline import keys
from pipeline.book.book_curve import curve_of_book, price_of
from pipeline.curves.book import grid
from pipeline.curves.curve import Point
from pipeline.curves.invariants import AMMS
from pipeline.curves.solve import PRICE_TOLERANCE
from pipeline.errors import CurveError, SettingsError
from pipeline.units import BookId
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.cli.holdings import no_such_book
from streams.cli.plots import Sketch, draw_curve, require_plots
from streams.cli.wording import share_of
from streams.curve_files import curve_of, derived_once, find_amm
from streams.devnet.cache import DEFAULT_CACHE
from streams.kafka.readers import reading
from streams.present_books import BookNow, books_now
from streams.settings import Settings, load_settings

_WORTH = 100.0
"""In quote, at the price of now: what a curve that is not a book's is scaled to."""
_ROWS, _DOTS = 9, 400
_AROUND = 1.4
"""How far beyond the price of now, or the edges, a curve is shown."""

Plot = Annotated[Path | None, typer.Option("--plot", help="Draw a picture into this file, .svg or .png.")]


class _Shown(NamedTuple):
    title: str
    at: Callable[[float], Point]
    now: float
    edges: Sequence[float]
    scale: float
    units: str = ""
    """What base and quote are, for a book."""


def curve(
    name: Annotated[str, typer.Argument(help=f"{', '.join(AMMS)}; a file with an equation; or book/ID.")],
    *,
    within: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="LOW HIGH", help="The lowest and the highest price of a range."),
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--with", help="A parameter as NAME=VALUE; can be repeated.")
    ] = None,
    price: Annotated[float | None, typer.Option(help="The present price, in quote per base.")] = None,
    prices: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="The lowest and the highest price to show."),
    ] = None,
    volatility: Annotated[str, typer.Option(help="The volatility of the price per year, for LVR.")] = "60%",
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Show a position's value, delta, gamma and LVR at each price, derived from its AMM's invariant, compared with holding.

    Every curve but a book's is scaled to a position that is worth 100 of quote at the present price.
    """
    variance = share_of("--volatility", volatility) ** 2
    if plot is not None:
        require_plots(plot)
    if keys.book.matches(name):
        if within or given or price is not None:
            raise SettingsError("a book has its own ranges and price: leave --range, --with and --price out")
        shown = _of_book(keys.book.parse(name)[0])
    else:
        shown = _of_amm(name, _parameters(name, within, given or []), price)
    low, high = prices or _around(shown)
    nodes = [shown.now, *shown.edges]
    if plot is not None:
        sketched = _points(shown, grid(low, high, _DOTS, [*nodes, *_just_beyond(shown.edges)]))
        draw_curve(
            Sketch(shown.title, sketched, _held(shown, sketched), shown.now, shown.edges, variance), plot
        )
    _print(shown, _points(shown, grid(low, high, _ROWS, nodes)), variance, as_json=as_json)


# ------------------------------------------------------------------ which curve
def _of_amm(name: str, parameters: dict[str, float], price: float | None) -> _Shown:
    made = curve_of(find_amm(name), parameters, _cache())
    edges = [edge for edge in (made.low, made.high) if 0 < edge < math.inf]
    now = price if price is not None else (math.sqrt(made.low * made.high) if len(edges) == 2 else 1.0)
    worth = made.at(now).value
    for label, formula in made.derived.formulas.items():
        say(f"{label} = {formula}")
    if not made.derived.closed_form:
        say(
            f"no closed form in the price P: holdings are solved for, to a price within {PRICE_TOLERANCE:g} of it"
        )
    return _Shown(f"{name}: {made.derived.equation}", made.at, now, edges, _WORTH / worth)


def _of_book(book: BookId) -> _Shown:
    now = run(_read(settings_for("curve"), book))
    if now.stock is None:
        raise CurveError(f"book {book}: its inventory is not known: {'; '.join(now.marks)}")
    derived = derived_once(AMMS["range"].invariant, _cache())
    made = curve_of_book(derived, now.policy, now.stock)
    block = "" if now.at.head is None else f" at block {now.at.head.number}"
    symbols = {token.address: token.symbol for token in now.policy.tokens}
    units = f"; base {symbols[now.policy.base]}, quote {symbols[now.policy.quote]}; prices, values and LVR in quote"
    price = price_of(now.policy, now.stock)
    return _Shown(f"{keys.book(book)}{block}", made.at, price, made.edges(), 1.0, units)


async def _read(settings: Settings, book: BookId) -> BookNow:
    async with reading(settings.kafka) as reader:
        found = {
            each.policy.book: each for each in await books_now(reader, settings.chain, settings.partitions)
        }
    if book not in found:
        raise SettingsError(no_such_book(book, found))
    return found[book]


def _parameters(name: str, within: tuple[float, float] | None, given: Sequence[str]) -> dict[str, float]:
    if within and name != "range":
        raise SettingsError(f"--range is of the curve range, not of {name}")
    found = dict(zip(("low", "high"), within or (), strict=False))
    for each in given:
        parameter, _, number = each.partition("=")
        try:
            found[parameter] = float(number)
        except ValueError:
            raise SettingsError(f"--with {each}: write a parameter as NAME=VALUE") from None
    return found


def _cache() -> Path:
    return load_settings().cache or DEFAULT_CACHE


# ------------------------------------------------------------------ what is shown of it
def _around(shown: _Shown) -> tuple[float, float]:
    ends = [shown.now, *shown.edges]
    return min(ends) / _AROUND, max(ends) * _AROUND


def _just_beyond(edges: Sequence[float]) -> list[float]:
    """Where gamma has jumped to what it is beyond an edge, so that the picture shows a step."""
    return [math.nextafter(edge, end) for edge in edges for end in (0.0, math.inf)]


def _points(shown: _Shown, prices: Sequence[float]) -> list[Point]:
    points = map(shown.at, prices)
    return [Point(each.price, *(part * shown.scale for part in each[1:])) for each in points]


def _held(shown: _Shown, points: Sequence[Point]) -> list[float]:
    """Value what is held at the price of now at each other price."""
    (now,) = _points(shown, [shown.now])
    return [each.price * now.base + now.quote for each in points]


def _print(shown: _Shown, points: Sequence[Point], variance: float, *, as_json: bool) -> None:
    rows = [
        {**each._asdict(), "held": held, "lvr_per_year": each.lvr_per_variance * variance}
        for each, held in zip(points, _held(shown, points), strict=True)
    ]
    if as_json:
        for row in rows:
            print_json(json.dumps(row))
        return
    columns = ("price", "base", "quote", "value", "held", "delta", "gamma", "lvr_per_year")
    cells = [[f"{row[column]:.6g}" for column in columns] for row in rows]
    print_table(f"{shown.title}{shown.units}", [f">{column.replace('_', ' ')}" for column in columns], cells)
