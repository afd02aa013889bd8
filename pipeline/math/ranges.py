"""Choose a range of a given width about a price, such that a given share of its value is in token0."""

from fractions import Fraction

from pipeline.errors import OutOfRangeError
from pipeline.math.search import first_where
from pipeline.math.ticks import MAX_TICK, sqrt_price_at_tick, tick_at_sqrt_price
from pipeline.units import SqrtPriceX96, Tick


def share_of_token0(sqrt_price_x96: SqrtPriceX96, tick_lower: Tick, tick_upper: Tick) -> Fraction:
    """Return which share of a range's value is token0.

    (1 - s / b) / ((1 - s / b) + (1 - a / s)), square roots of prices, s within [a, b]
    """
    a, b = sqrt_price_at_tick(tick_lower), sqrt_price_at_tick(tick_upper)
    s = min(max(sqrt_price_x96, a), b)
    return Fraction(s * (b - s), s * (b - s) + b * (s - a))


def range_at_share(
    sqrt_price_x96: SqrtPriceX96, tick_spacing: int, half_width_ticks: int, share0: Fraction
) -> tuple[Tick, Tick]:
    """Choose the range of a width whose share of token0 at a price is nearest to `share0`.

    The width is twice the half width to the nearest multiple of the spacing: at least one spacing, at most the
    full range. The range holds the price, unless one token is wanted alone: then it may stand beside it. Of two
    as near the lower one. Where the base is token1, `share0` is one less the base share.

    Raises: OutOfRangeError for a share outside 0..1, no width, or no price.
    """
    if not 0 <= share0 <= 1 or half_width_ticks <= 0:
        raise OutOfRangeError(f"no range of half width {half_width_ticks} has a share of {share0}")
    most = MAX_TICK // tick_spacing
    width = min(max((4 * half_width_ticks + tick_spacing) // (2 * tick_spacing), 1), 2 * most)

    def share_at(place: int) -> Fraction:
        return share_of_token0(
            sqrt_price_x96, Tick(place * tick_spacing), Tick((place + width) * tick_spacing)
        )

    here = tick_at_sqrt_price(sqrt_price_x96) // tick_spacing
    beside = int(share0 in {0, 1})
    lowest = min(max(here + 1 - width - beside, -most), most - width)
    highest = min(max(here + beside, -most), most - width)
    place = first_where(lambda at: share_at(at) >= share0, lowest, highest, (lowest + highest) // 2)
    near = [at for at in (place - 1, place) if lowest <= at <= highest]
    lower = min(near, key=lambda at: abs(share_at(at) - share0))
    return Tick(lower * tick_spacing), Tick((lower + width) * tick_spacing)
