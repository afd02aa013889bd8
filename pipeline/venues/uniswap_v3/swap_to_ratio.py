"""Find the swap after which holdings give the most liquidity of a range in the very pool that the swap moves.

Of two tokens one is in excess. Selling more of it never lets what is left of it make more liquidity, nor lets
what was bought make less: amounts out, prices and the manager's divisions are all monotone in the amount in.
So the most liquidity lies where the two sides meet, and a search by exact quotes finds it among all amounts;
the closed form only tells where to look first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.liquidity import NOT_NEEDED, liquidity_sides, sides_fit
from pipeline.math.search import first_where
from pipeline.math.swap_to_ratio import input_to_price, price_at_ratio
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96, sqrt_price_at_tick
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.quote import quote
from pipeline.venues.uniswap_v3.working_pool import WorkingPool

LOWEST_LIMIT_X96 = SqrtPriceX96(MIN_SQRT_PRICE_X96 + 1)
HIGHEST_LIMIT_X96 = SqrtPriceX96(MAX_SQRT_PRICE_X96 - 1)
Ends = tuple[SqrtPriceX96, SqrtPriceX96]
"""The lower and the upper end."""


class SwapPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A swap, and the mint that it makes possible. All amounts are raw."""

    zero_for_one: bool
    amount_in: RawAmount
    """The amount to sell; 0: no swap increases the liquidity."""
    amount_out: RawAmount
    sqrt_price_after_x96: SqrtPriceX96
    limit_x96: SqrtPriceX96
    """The price limit of the swap: the end of the window on its side."""
    limited: bool
    """The limit restricts the swap: without it more of the excess would be sold."""
    pays_sandwich: bool = False
    """A sandwich of it pays; where it is limited, of more than it: that is what limits it."""
    beyond_depth: bool = False
    """It is limited: more than it would be more of the pool's depth than a swap may move."""
    amount0: RawAmount
    """Held after the swap: what the mint is offered."""
    amount1: RawAmount
    liquidity: Liquidity
    """The liquidity that the manager mints for them; 0: a mint would revert."""
    left_over0: RawAmount
    """The amounts that the mint does not take."""
    left_over1: RawAmount


def swap_to_ratio(
    pool: WorkingPool,
    amount0: RawAmount,
    amount1: RawAmount,
    tick_lower: Tick,
    tick_upper: Tick,
    *,
    window_x96: Ends = (LOWEST_LIMIT_X96, HIGHEST_LIMIT_X96),
) -> SwapPlan:
    """Find the least input whose swap, ending within a price window, gives the most liquidity of a range.

    `pool` is as it will be when the swap comes: our own liquidity burned, the new range not yet minted.
    Without a window a pool that has nothing in the way is moved to any price.

    Units:  raw token0, raw token1.
    Rounds: as the pool and the manager do.
    Raises: OutOfRangeError for no range, no price, negative amounts, or a window beyond the prices that a swap may have.
    """
    if not pool.sqrt_price_x96 or tick_lower >= tick_upper or amount0 < 0 or amount1 < 0:
        raise OutOfRangeError(
            f"no range for {amount0} and {amount1} between ticks {tick_lower} and {tick_upper} "
            f"at price {pool.sqrt_price_x96}"
        )
    now = _Held(amount0, amount1, pool.sqrt_price_x96)
    ends_x96 = sqrt_price_at_tick(tick_lower), sqrt_price_at_tick(tick_upper)
    search = _Search.of(pool, now, ends_x96, window_x96)
    amount_in, limited = search.best()
    after = search.after(amount_in)
    price_x96 = after.sqrt_price_x96
    liquidity = Liquidity(search.minted(amount_in))
    taken0, taken1 = range_amounts(price_x96, tick_lower, tick_upper, liquidity, round_up=True)
    return SwapPlan(
        zero_for_one=search.down,
        amount_in=amount_in,
        amount_out=RawAmount(after.amount1 - amount1 if search.down else after.amount0 - amount0),
        sqrt_price_after_x96=price_x96,
        limit_x96=search.limit_x96,
        limited=limited,
        amount0=after.amount0,
        amount1=after.amount1,
        liquidity=liquidity,
        left_over0=RawAmount(after.amount0 - taken0),
        left_over1=RawAmount(after.amount1 - taken1),
    )


class _Held(msgspec.Struct, frozen=True):
    """Both tokens and the pool's price, at one point of a swap."""

    amount0: RawAmount
    amount1: RawAmount
    sqrt_price_x96: SqrtPriceX96


class _Place(msgspec.Struct, frozen=True):
    """The state of a partial swap: the input so far, what is held, the liquidity ahead."""

    offered: RawAmount
    held: _Held
    liquidity: Liquidity


@dataclass
class _Search:
    """A search with a pool, the tokens held, the range's ends, and the direction in which the excess token is sold."""

    pool: WorkingPool
    now: _Held
    ends_x96: Ends
    limit_x96: SqrtPriceX96
    down: bool = field(kw_only=True)
    _asked: dict[int, _Held] = field(default_factory=dict)

    @classmethod
    def of(cls, pool: WorkingPool, now: _Held, ends_x96: Ends, window_x96: Ends) -> _Search:
        """Find out which token is in excess."""
        side0, side1 = liquidity_sides(now.sqrt_price_x96, *ends_x96, now.amount0, now.amount1)
        down = side0 > side1
        return cls(pool, now, ends_x96, window_x96[0 if down else 1], down=down)

    def best(self) -> tuple[RawAmount, bool]:
        """Find the least input that gives the most liquidity, and whether the limit stops it."""
        if self._is_turned(self.now):
            return RawAmount(0), False
        if not self._is_ahead(self.limit_x96):
            return RawAmount(0), True
        most = self.now.amount0 if self.down else self.now.amount1
        if not most:
            return RawAmount(0), False
        context = first_where(lambda x: self._is_turned(self.after(x)), 1, most, self._guess(most))
        before = context - 1
        liquidity = self.minted(before)
        if context <= most and self.minted(context) > liquidity:
            return RawAmount(context), False
        amount_in = first_where(lambda x: self.minted(x) >= liquidity, 0, before, before)
        limited = context > most and self.after(most).sqrt_price_x96 == self.limit_x96
        return RawAmount(amount_in), limited

    def after(self, amount_in: int) -> _Held:
        """Return what is held after a swap of an exact input."""
        if not amount_in:
            return self.now
        if amount_in not in self._asked:
            self._asked[amount_in] = self._swap(amount_in, self.limit_x96).held
        return self._asked[amount_in]

    def _swap(self, amount_in: int, limit_x96: SqrtPriceX96) -> _Place:
        quoted = quote(self.pool, RawAmount(amount_in), zero_for_one=self.down, limit_x96=limit_x96)
        amount0 = RawAmount(self.now.amount0 - quoted.amount0_delta)
        amount1 = RawAmount(self.now.amount1 - quoted.amount1_delta)
        return _Place(
            quoted.amount0_delta if self.down else quoted.amount1_delta,
            _Held(amount0, amount1, quoted.sqrt_price_x96),
            quoted.liquidity,
        )

    def _sides(self, held: _Held) -> tuple[int, int]:
        return liquidity_sides(held.sqrt_price_x96, *self.ends_x96, held.amount0, held.amount1)

    def minted(self, amount_in: int) -> int:
        """Return the liquidity of a mint after a swap; 0 where it reverts. It grows with the input until the other token is in excess."""
        sides = self._sides(self.after(amount_in))
        return min(sides) if sides_fit(sides) else 0

    def _is_turned(self, held: _Held) -> bool:
        """Return whether the token that was in excess no longer is."""
        side0, side1 = self._sides(held)
        return side1 >= side0 if self.down else side0 >= side1

    def _is_ahead(self, price_x96: SqrtPriceX96) -> bool:
        return price_x96 < self.now.sqrt_price_x96 if self.down else price_x96 > self.now.sqrt_price_x96

    def _guess(self, most: RawAmount) -> int:
        """Step from tick to tick until the other token is in excess or everything is sold, and solve between the last two."""
        stops = self._stops()

        def is_beyond(number: int) -> bool:
            place = self._swap(most, stops[number])
            return place.offered == most or self._is_turned(place.held)

        number = first_where(is_beyond, 0, len(stops) - 1, 0)
        start = _Place(RawAmount(0), self.now, self.pool.liquidity)
        if number:
            start = self._swap(most, stops[number - 1])
        if number == len(stops):
            return start.offered
        if NOT_NEEDED in self._sides(start.held):  # sold before the range is reached
            return most
        return start.offered + self._rest(start, stops[number])

    def _rest(self, start: _Place, stop_x96: SqrtPriceX96) -> RawAmount:
        """Solve for the input from a point on, no further than the next stop."""
        held, fee_pips = start.held, self.pool.fee_pips
        end_x96 = price_at_ratio(
            held.sqrt_price_x96,
            self.ends_x96,
            (held.amount0, held.amount1),
            start.liquidity,
            fee_pips,
            zero_for_one=self.down,
        )
        if self.down:
            end_x96 = min(max(end_x96, stop_x96), held.sqrt_price_x96)
        else:
            end_x96 = max(min(end_x96, stop_x96), held.sqrt_price_x96)
        return input_to_price(held.sqrt_price_x96, end_x96, start.liquidity, fee_pips)

    def _stops(self) -> list[SqrtPriceX96]:
        """List the prices between which the liquidity is constant: ticks, the range's ends, the limit; in order."""
        far_x96 = (
            max(self.limit_x96, self.ends_x96[0]) if self.down else min(self.limit_x96, self.ends_x96[1])
        )
        prices = {*map(sqrt_price_at_tick, self.pool.initialized), *self.ends_x96, self.limit_x96}
        low_x96, high_x96 = sorted((self.now.sqrt_price_x96, far_x96))
        ahead = (x for x in prices if low_x96 <= x <= high_x96 and self._is_ahead(x))
        return sorted(ahead, reverse=self.down)
