"""Draw a price range against the present price, with the distance to both ends."""

from decimal import Context, Decimal

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import SqrtPriceX96, Tick
from streams.human_numbers import plain_number

_WIDTH = 24
"""Characters of a range."""
_BESIDE = 8
"""Characters at most between a range and a price outside it."""
_WIDE = Context(prec=60)
_DIGITS = Context(prec=3)
_ENDLESS = Decimal(10**6)
"""A price this many times another is not shown as a distance."""


def drawn(tick: Tick, lower: Tick, upper: Tick, *, base_is_0: bool) -> str:
    """Draw a range with the present price in or beside it, the lowest price of the base on the left. Rounds: to a character."""
    low, now, high = (lower, tick, upper) if base_is_0 else (-upper, -tick, -lower)
    scale = _WIDTH / (high - low)
    line = ["├", *("─" * (_WIDTH - 2)), "┤"]
    if low <= now < high:
        line[min(int((now - low) * scale), _WIDTH - 1)] = "●"
        return "".join(line)
    apart = (low - now if now < low else now - high) * scale
    gap = " " * min(int(apart), _BESIDE)
    return f"●{gap}{''.join(line)}" if now < low else f"{''.join(line)}{gap}●"


def distances_text(sqrt_price_x96: SqrtPriceX96, lower: Tick, upper: Tick, *, base_is_0: bool) -> str:
    """Describe by how much the price must move to reach each end of a range. Display only."""
    below, above = (lower, upper) if base_is_0 else (upper, lower)
    low, high = (_moves(sqrt_price_x96, edge, base_is_0=base_is_0) for edge in (below, above))
    if low > 0:
        return f"below its range: {_percent(low)} to its lower end"
    if high < 0:
        return f"above its range: {_percent(high)} to its upper end"
    return f"{_percent(low)} to its lower end, {_percent(high)} to its upper end"


def _moves(sqrt_price_x96: SqrtPriceX96, edge: Tick, *, base_is_0: bool) -> Decimal:
    """Return by what share the price of the base at a tick differs from the present one."""
    root = _WIDE.divide(Decimal(sqrt_price_at_tick(edge)), Decimal(sqrt_price_x96))
    ratio = _WIDE.multiply(root, root)
    return (ratio if base_is_0 else _WIDE.divide(Decimal(1), ratio)) - 1


def _percent(moves: Decimal) -> str:
    if moves > _ENDLESS:
        return "endlessly far"
    text = plain_number(_DIGITS.plus(moves * 100))
    return f"{'+' if moves > 0 else ''}{text}%"
