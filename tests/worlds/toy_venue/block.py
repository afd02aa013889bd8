"""The toy venue within one block, and the logs that concern a shard there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pipeline.errors import ImpossibleFactError
from pipeline.messages.base import RawLog
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.state.shard import Shard
from pipeline.units import Address, PoolId
from pipeline.venues.log_interest import LogFilter, LogWords
from pipeline.venues.port import Decoder, Items
from worlds.toy_venue.forms import (
    ToyMoved,
    ToyPool,
    ToyShare,
    ToyTraded,
    after,
    decode_toy_log,
    pool_of,
    toy_pool,
    toy_share,
)


class ToyInterest(msgspec.Struct, frozen=True):
    contract: Address
    pools: frozenset[PoolId]

    def emitters(self) -> frozenset[Address]:
        return frozenset({self.contract})

    def words(self) -> Sequence[LogWords]:
        return (LogWords(frozenset({self.contract})),)

    def filter_for(self, logs: Sequence[RawLog]) -> LogFilter:
        del logs
        return lambda log: log.address == self.contract and pool_of(log) in self.pools

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        """A policy names all that is followed."""
        del logs
        return False


@dataclass(kw_only=True, slots=True)
class WorkingToy:
    """A pool's working copy, kept from block to block."""

    pool: ToyPool
    shares: dict[Address, int] = field(default_factory=dict)
    """Of owners whose shares the block moved."""


class ToyBlock:
    def __init__(self, shard: Shard, items: Items, contract: Address) -> None:
        self.swaps: list[tuple[RawLog, Fact]] = []
        self._shard, self._items, self._contract = shard, items, contract
        self._live: dict[PoolId, WorkingToy] = {}

    def decoder(self, emitter: Address) -> Decoder | None:
        return decode_toy_log if emitter == self._contract else None

    def item_of(self, log: RawLog) -> str:
        return toy_pool(pool_of(log))

    def apply(self, log: RawLog, fact: Fact) -> None:
        assert isinstance(fact, ToyTraded | ToyMoved)
        live = self._working(fact.pool)
        if live is None:
            return  # not read yet
        match fact:
            case ToyTraded():
                moved = after(live.pool, fact.delta0, fact.delta1)
                if moved.weight0 * fact.delta0 + moved.weight1 * fact.delta1 < 0:
                    raise ImpossibleFactError(
                        f"a trade of {fact.delta0} and {fact.delta1} takes out more than it pays"
                    )
                self.swaps.append((log, fact))
            case ToyMoved():
                moved = after(live.pool, fact.delta0, fact.delta1, fact.shares)
                self._move_share(live, fact)
        if min(moved.reserve0, moved.reserve1, moved.shares) < 0:
            raise ImpossibleFactError(
                f"reserves of {moved.reserve0} and {moved.reserve1}, {moved.shares} shares"
            )
        live.pool = moved

    def _working(self, pool: PoolId) -> WorkingToy | None:
        found = self._shard.working_copy(toy_pool(pool), WorkingToy, lambda: self._made(pool))
        if found is not None:
            self._live[pool] = found
        return found

    def _made(self, pool: PoolId) -> WorkingToy | None:
        entry = self._shard.tables.find(toy_pool(pool), ToyPool)
        return None if entry is None else WorkingToy(pool=entry)

    def _move_share(self, live: WorkingToy, fact: ToyMoved) -> None:
        before = self._shard.tables.find(toy_share(fact.pool, fact.owner), ToyShare)
        if before is not None:
            live.shares[fact.owner] = live.shares.get(fact.owner, before.shares) + fact.shares

    def spread_failures(self) -> None:
        """A share of a pool that fails keeps its former value, as the pool does."""

    def write(self, event: BlockSeen) -> None:
        del event
        for pool, live in sorted(self._live.items()):
            if self._items.failed(toy_pool(pool)):
                self._shard.drop_working_copies([toy_pool(pool)])
                continue
            self._shard.tables.put(toy_pool(pool), live.pool)
            for owner, shares in live.shares.items():
                self._shard.tables.put(toy_share(pool, owner), ToyShare(shares=shares))
            live.shares.clear()
        self.swaps = [(log, fact) for log, fact in self.swaps if not self._items.failed(self.item_of(log))]
