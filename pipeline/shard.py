"""A shard: a state machine over one log, with its tables and the working copies of its pools."""

from collections.abc import Iterable, Mapping

from pipeline import keys
from pipeline.messages.entries import Cursor, OracleSlot, Pool, PoolPosition, TickInfo
from pipeline.state import Tables, Value
from pipeline.units import Address, Offset, ShardId
from pipeline.venues.uniswap_v3 import LivePool

BEFORE_THE_FIRST = Offset(-1)


class Shard:
    """All books whose id falls on one partition."""

    def __init__(self, id: ShardId, entries: Mapping[str, Value] | None = None) -> None:  # noqa: A002
        """Take over what a checkpoint gave back."""
        self.id = id
        self.tables = Tables(entries)
        self._live: dict[Address, LivePool] = {}

    @property
    def cursor(self) -> Offset:
        """The last record of the log that is in the entries; -1 where there is none."""
        cursor = self.tables.find(keys.CURSOR, Cursor)
        return BEFORE_THE_FIRST if cursor is None else cursor.offset

    def live_pool(self, address: Address) -> LivePool | None:
        """Find a pool's working copy, made from its entries where there is none; None before it was read."""
        live = self._live.get(address)
        if live is None:
            pool = self.tables.find(keys.pool(address), Pool)
            if pool is None:
                return None
            live = self._live[address] = self._revive(address, pool)
        return live

    def drop_live(self, addresses: Iterable[Address] | None = None) -> None:
        """Throw working copies away, all of them by default: the entries are the truth."""
        for address in list(self._live) if addresses is None else addresses:
            self._live.pop(address, None)

    def store(self, live: LivePool) -> None:
        """Write what a working copy touched back to the entries."""
        at, tables = live.address, self.tables
        tables.put(keys.pool(at), live.pool())
        for tick in sorted(live.touched_ticks):
            tables.put(keys.tick(at, tick), live.ticks.get(tick))
        for index in sorted(live.touched_observations):
            tables.put(keys.observation(at, index), live.observations.get(index))
        for owner, lower, upper in sorted(live.touched_positions):
            tables.put(keys.pool_position(at, owner, lower, upper), live.positions.get((owner, lower, upper)))
        live.settle()

    def _revive(self, address: Address, pool: Pool) -> LivePool:
        tables = self.tables
        ticks = {
            keys.tick.parse(key)[1]: info for key, info in tables.group(keys.tick.under(address), TickInfo)
        }
        slots = {
            keys.observation.parse(key)[1]: slot
            for key, slot in tables.group(keys.observation.under(address), OracleSlot)
        }
        positions = {
            keys.pool_position.parse(key)[1:]: position
            for key, position in tables.group(keys.pool_position.under(address), PoolPosition)
        }
        return LivePool.of(address, pool, ticks, slots, positions)
