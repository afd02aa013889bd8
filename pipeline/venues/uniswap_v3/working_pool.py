"""The fields of a pool while logs are replayed, and the steps that several events share."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

import msgspec

from pipeline.errors import ImpossibleFactError, PoolDriftedError
from pipeline.math.bitmap import is_last_of_word, stop_above, stop_below
from pipeline.math.fixed_point import MAX_UINT128
from pipeline.math.growth import grown, growth_beyond, growth_inside
from pipeline.math.ticks import MAX_TICK, MIN_TICK, sqrt_price_at_tick
from pipeline.units import Address, GrowthX128, Liquidity, Pips, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.forms.facts import PoolFact
from pipeline.venues.uniswap_v3.oracle import SECONDS_WRAP, next_place, next_slot

PositionKey = tuple[Address, Tick, Tick]
"""Owner, lower and upper tick."""
_NO_PRICE = SqrtPriceX96(0)


@dataclass(kw_only=True, slots=True)
class WorkingPool:
    """A pool's fields as mutable attributes, with the steps that several events share."""

    address: Address
    fee_pips: Pips
    tick_spacing: int
    sqrt_price_x96: SqrtPriceX96
    tick: Tick
    liquidity: Liquidity
    growth0_x128: GrowthX128
    growth1_x128: GrowthX128
    protocol_fees0: RawAmount
    protocol_fees1: RawAmount
    fee_protocol0: int
    fee_protocol1: int
    observation_index: int
    observation_cardinality: int
    observation_cardinality_next: int

    ticks: dict[Tick, TickInfo]
    observations: dict[int, OracleSlot]
    positions: dict[PositionKey, PoolPosition]
    touched_ticks: set[Tick] = field(default_factory=set)
    touched_observations: set[int] = field(default_factory=set)
    touched_positions: set[PositionKey] = field(default_factory=set)

    initialized: list[Tick] = field(default_factory=list)
    """Every tick of `ticks`, ascending."""
    stop_below_x96: SqrtPriceX96 = _NO_PRICE
    """A swap that ends strictly between the two stops is one step from here."""
    stop_above_x96: SqrtPriceX96 = _NO_PRICE
    same_from_x96: SqrtPriceX96 = _NO_PRICE
    """The stops are the same for every price from here up to, but not at, `same_to_x96`."""
    same_to_x96: SqrtPriceX96 = _NO_PRICE

    def find_stops(self) -> None:
        """Compute the prices between which a swap is a single step. Due when ticks or the range change."""
        below, _ = stop_below(self.tick, self.tick_spacing, self.initialized)
        above, _ = stop_above(self.tick, self.tick_spacing, self.initialized)
        self.stop_below_x96 = self.same_from_x96 = sqrt_price_at_tick(below)
        self.stop_above_x96 = self.same_to_x96 = sqrt_price_at_tick(above)
        if is_last_of_word(self.tick, self.tick_spacing):
            start = self.tick // self.tick_spacing * self.tick_spacing
            self.same_from_x96 = sqrt_price_at_tick(Tick(max(start, MIN_TICK)))
            self.same_to_x96 = sqrt_price_at_tick(Tick(min(start + self.tick_spacing, MAX_TICK)))

    def put_tick(self, tick: Tick, info: TickInfo) -> None:
        """Store a tick, and its place among the others."""
        if tick not in self.ticks:
            insort(self.initialized, tick)
        self.ticks[tick] = info
        self.touched_ticks.add(tick)

    def drop_tick(self, tick: Tick) -> None:
        """Remove a tick that nothing references any more."""
        del self.ticks[tick]
        del self.initialized[bisect_left(self.initialized, tick)]
        self.touched_ticks.add(tick)

    def cross(self, tick: Tick, *, down: bool) -> None:
        """Cross an initialised tick: flip its outside growths, and add or remove its net liquidity.

        Raises: ImpossibleFactError if liquidity leaves its range of numbers.
        """
        info = self.ticks[tick]
        self.ticks[tick] = msgspec.structs.replace(
            info,
            outside0_x128=growth_beyond(self.growth0_x128, info.outside0_x128),
            outside1_x128=growth_beyond(self.growth1_x128, info.outside1_x128),
        )
        self.touched_ticks.add(tick)
        self.change_liquidity(-info.liquidity_net if down else info.liquidity_net)

    def change_liquidity(self, delta: int) -> None:
        """Change the liquidity in range. Raises: ImpossibleFactError outside uint128."""
        liquidity = self.liquidity + delta
        if not 0 <= liquidity <= MAX_UINT128:
            raise ImpossibleFactError(f"pool {self.address}: liquidity in range would become {liquidity}")
        self.liquidity = Liquidity(liquidity)

    def book_fee(self, fee: RawAmount, *, token0: bool) -> None:
        """Split a swap's fee between the protocol and the liquidity in range. Rounds: the protocol's part down."""
        if token0:
            if self.fee_protocol0:
                part = fee // self.fee_protocol0
                self.protocol_fees0 = RawAmount((self.protocol_fees0 + part) & MAX_UINT128)
                fee = RawAmount(fee - part)
            self.growth0_x128 = grown(self.growth0_x128, fee, self.liquidity)
        else:
            if self.fee_protocol1:
                part = fee // self.fee_protocol1
                self.protocol_fees1 = RawAmount((self.protocol_fees1 + part) & MAX_UINT128)
                fee = RawAmount(fee - part)
            self.growth1_x128 = grown(self.growth1_x128, fee, self.liquidity)

    def write_observation(self, timestamp_s: int, tick: Tick, liquidity: Liquidity) -> None:
        """Write the tick and liquidity that held until now; once per timestamp.

        Raises: ImpossibleFactError if the newest observation is not known.
        """
        newest = self.observations.get(self.observation_index)
        if newest is None:
            raise ImpossibleFactError(
                f"pool {self.address}: observation {self.observation_index} is not known"
            )
        if newest.timestamp_s == timestamp_s % SECONDS_WRAP:
            return
        self.observation_index, self.observation_cardinality = next_place(
            self.observation_index, self.observation_cardinality, self.observation_cardinality_next
        )
        self.observations[self.observation_index] = next_slot(newest, timestamp_s, tick, liquidity)
        self.touched_observations.add(self.observation_index)

    def inside_growth(self, lower: Tick, upper: Tick) -> tuple[GrowthX128, GrowthX128]:
        """Return the growths inside a range. Raises: ImpossibleFactError if one of its ticks is not initialised."""
        try:
            low, high = self.ticks[lower], self.ticks[upper]
        except KeyError as error:
            raise ImpossibleFactError(f"pool {self.address}: tick {error} is not initialised") from None
        return (
            growth_inside(
                self.growth0_x128,
                low.outside0_x128,
                high.outside0_x128,
                tick=self.tick,
                tick_lower=lower,
                tick_upper=upper,
            ),
            growth_inside(
                self.growth1_x128,
                low.outside1_x128,
                high.outside1_x128,
                tick=self.tick,
                tick_lower=lower,
                tick_upper=upper,
            ),
        )


def drifted(fact: PoolFact, field_name: str, of_log: int, of_curve: object) -> PoolDriftedError:
    """Return the error for a log that contradicts the curve."""
    return PoolDriftedError(
        f"pool {fact.address}, log {fact.log_index}, {type(fact).__name__}: "
        f"{field_name} is {of_log} in the log, {of_curve} by the curve"
    )


def impossible(fact: PoolFact, why: str) -> ImpossibleFactError:
    """Return the error for a fact that cannot follow from the state."""
    return ImpossibleFactError(f"pool {fact.address}, log {fact.log_index}, {type(fact).__name__}: {why}")
