"""A pool inside a block: mutable, fast, thrown away after an error."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.messages.entries import OracleSlot, Pool, PoolPosition, TickInfo
from pipeline.messages.facts import PoolFact
from pipeline.units import Address, GrowthX128, Tick


class LivePool:
    """The plain working copy of one pool. After a raise throw it away and build it from entries again."""

    address: Address
    ticks: dict[Tick, TickInfo]
    observations: dict[int, OracleSlot]
    positions: dict[tuple[Address, Tick, Tick], PoolPosition]
    touched_ticks: set[Tick]
    touched_observations: set[int]
    touched_positions: set[tuple[Address, Tick, Tick]]

    @classmethod
    def of(
        cls,
        address: Address,
        pool: Pool,
        ticks: Mapping[Tick, TickInfo],
        observations: Mapping[int, OracleSlot],
        positions: Mapping[tuple[Address, Tick, Tick], PoolPosition],
    ) -> LivePool:
        raise NotImplementedError

    def apply(self, fact: PoolFact, timestamp_s: int) -> None:
        """Move the pool to where the fact leaves it.

        Raises: PoolDriftedError where the log disagrees with the curve, ImpossibleFactError where it cannot follow.
        """
        raise NotImplementedError

    def pool(self) -> Pool:
        """Say the pool as an entry, as it is now."""
        raise NotImplementedError

    def track(self, owner: Address, lower: Tick, upper: Tick, position: PoolPosition) -> None:
        """Follow a pool position from here on, as it stands now. Counts as touched."""
        raise NotImplementedError

    def inside_growth(self, lower: Tick, upper: Tick) -> tuple[GrowthX128, GrowthX128]:
        """Tell the fee growths inside a range whose ticks are initialised."""
        raise NotImplementedError

    def settle(self) -> None:
        """Forget what was touched."""
        raise NotImplementedError
