"""A pool's mutable copy within a block: fast, and thrown away after an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from pipeline.units import Address, Tick
from pipeline.venues.uniswap_v3 import liquidity, rare_events
from pipeline.venues.uniswap_v3.forms import facts
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, Pool, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.swaps import replay_swap
from pipeline.venues.uniswap_v3.working_pool import PositionKey, WorkingPool


@dataclass(kw_only=True, slots=True)
class LivePool(WorkingPool):
    """The mutable working copy of one pool. After an exception it must be discarded and built from entries again.

    `ticks`, `observations` and `positions` are what is now; `touched_ticks`, `touched_observations` and
    `touched_positions` name what changed since it was built or settled. A touched tick that is not in
    `ticks` was deleted. Only positions that are tracked are followed.
    """

    origin: Pool

    @classmethod
    def of(
        cls,
        address: Address,
        pool: Pool,
        ticks: Mapping[Tick, TickInfo],
        observations: Mapping[int, OracleSlot],
        positions: Mapping[PositionKey, PoolPosition],
    ) -> LivePool:
        """Build a working copy from entries; it does not write to them."""
        live = cls(
            address=address,
            origin=pool,
            ticks=dict(ticks),
            observations=dict(observations),
            positions=dict(positions),
            initialized=sorted(ticks),
            **{name: getattr(pool, name) for name in _POOL_FIELDS},
        )
        if live.sqrt_price_x96:
            live.find_stops()
        return live

    def apply(self, fact: facts.PoolFact, timestamp_s: int) -> None:
        """Apply a fact. `timestamp_s` is its block's.

        Raises: PoolDriftedError where the log disagrees with the curve,
        ImpossibleFactError where it cannot follow from the state.
        """
        match fact:
            case facts.Swapped():
                replay_swap(self, fact, timestamp_s)
            case facts.Minted():
                liquidity.replay_mint(self, fact, timestamp_s)
            case facts.Burned():
                liquidity.replay_burn(self, fact, timestamp_s)
            case facts.Collected():
                liquidity.replay_collect(self, fact)
            case facts.Flashed():
                rare_events.replay_flash(self, fact)
            case facts.Initialized():
                rare_events.replay_initialize(self, fact, timestamp_s)
            case facts.ProtocolFeeSet():
                rare_events.replay_protocol_fee(self, fact)
            case facts.ProtocolFeesCollected():
                rare_events.replay_protocol_collect(self, fact)
            case facts.CardinalityGrown():
                rare_events.replay_cardinality(self, fact)
            case _:
                assert_never(fact)

    def pool(self) -> Pool:
        """Return the pool's present state as an entry."""
        origin = self.origin
        return Pool(
            token0=origin.token0,
            token1=origin.token1,
            decimals0=origin.decimals0,
            decimals1=origin.decimals1,
            fee_pips=self.fee_pips,
            tick_spacing=self.tick_spacing,
            sqrt_price_x96=self.sqrt_price_x96,
            tick=self.tick,
            liquidity=self.liquidity,
            growth0_x128=self.growth0_x128,
            growth1_x128=self.growth1_x128,
            protocol_fees0=self.protocol_fees0,
            protocol_fees1=self.protocol_fees1,
            fee_protocol0=self.fee_protocol0,
            fee_protocol1=self.fee_protocol1,
            observation_index=self.observation_index,
            observation_cardinality=self.observation_cardinality,
            observation_cardinality_next=self.observation_cardinality_next,
        )

    def track(self, owner: Address, lower: Tick, upper: Tick, position: PoolPosition) -> None:
        """Follow a pool position from now on. It counts as touched."""
        self.positions[owner, lower, upper] = position
        self.touched_positions.add((owner, lower, upper))

    def settle(self) -> None:
        """Forget what was touched."""
        self.touched_ticks.clear()
        self.touched_observations.clear()
        self.touched_positions.clear()


_POOL_FIELDS = (
    "fee_pips",
    "tick_spacing",
    "sqrt_price_x96",
    "tick",
    "liquidity",
    "growth0_x128",
    "growth1_x128",
    "protocol_fees0",
    "protocol_fees1",
    "fee_protocol0",
    "fee_protocol1",
    "observation_index",
    "observation_cardinality",
    "observation_cardinality_next",
)
"""The fields of the entry that are also the working copy's."""
