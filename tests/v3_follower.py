"""A pool and its NFTs, followed from their first log as a shard follows them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from v3_pools import unpriced

from pipeline.math.swap_step import amounts_between
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import RawLog
from pipeline.units import Address, Hash, LogIndex, Tick, TokenId
from pipeline.venues.uniswap_v3 import LivePool, apply_manager_fact, decode_manager_log, decode_pool_log
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, OracleSlot, Pool, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.forms.facts import (
    Initialized,
    ManagerFact,
    Minted,
    NftTransferred,
    PoolFact,
    Swapped,
)
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS

PositionKey = tuple[Address, Tick, Tick]


@dataclass
class Entries:
    """The entries of a shard, written only where the live pool reports a change."""

    pool: Pool
    ticks: dict[Tick, TickInfo] = field(default_factory=dict)
    observations: dict[int, OracleSlot] = field(default_factory=dict)
    positions: dict[PositionKey, PoolPosition] = field(default_factory=dict)

    def take(self, live: LivePool) -> None:
        self.pool = live.pool()
        for tick in live.touched_ticks:
            if tick in live.ticks:
                self.ticks[tick] = live.ticks[tick]
            else:
                self.ticks.pop(tick, None)
        for index in live.touched_observations:
            self.observations[index] = live.observations[index]
        for key in live.touched_positions:
            self.positions[key] = live.positions[key]


class Follower:
    """Follows one pool from its creation, with all its positions and all NFTs of the manager on it."""

    def __init__(self, address: str, manager: str, *, fee_pips: int, tick_spacing: int) -> None:
        self.address, self.manager = Address(address), Address(manager)
        self.entries = Entries(unpriced(fee_pips, tick_spacing))
        self.live = self.rebuilt()
        self.nfts: dict[TokenId, NftPosition] = {}
        self.ticks_ever: set[Tick] = set()
        self.seen: Counter[str] = Counter()
        """Kinds of facts, and of swaps the kinds that are easily got wrong."""
        self._minted_range: dict[Hash, tuple[Tick, Tick]] = {}

    def rebuilt(self) -> LivePool:
        """Rebuild the live pool from the entries."""
        entries = self.entries
        return LivePool.of(self.address, entries.pool, entries.ticks, entries.observations, entries.positions)

    def take_block(self, logs: Iterable[RawLog], timestamp_s: int, *, rebuild: bool) -> None:
        """Apply a block, and store the changes; `rebuild` keeps nothing else."""
        for log in logs:
            if log.address == self.address:
                fact = decode_pool_log(log)
                assert fact is not None, log
                self._take_pool_fact(fact, log, timestamp_s)
            elif log.address == self.manager:
                manager_fact = decode_manager_log(log)
                if manager_fact is not None:
                    self._take_manager_fact(manager_fact, log)
        self.ticks_ever |= self.live.touched_ticks
        self.entries.take(self.live)
        self.live.settle()
        assert self.entries.ticks == self.live.ticks
        assert self.entries.observations == self.live.observations
        assert self.entries.positions == self.live.positions
        if rebuild:
            fresh = self.rebuilt()
            assert fresh == LivePool.of(
                self.address, self.live.pool(), self.live.ticks, self.live.observations, self.live.positions
            )
            self.live = fresh

    def _take_pool_fact(self, fact: PoolFact, log: RawLog, timestamp_s: int) -> None:
        self.seen[type(fact).__name__] += 1
        if isinstance(fact, Minted):
            key = (fact.owner, fact.tick_lower, fact.tick_upper)
            if key not in self.live.positions:
                self.live.track(*key, PoolPosition())
            if fact.owner == self.manager:
                self._minted_range[log.transaction_hash] = key[1:]
        if isinstance(fact, Initialized):
            assert not self.live.sqrt_price_x96
        if isinstance(fact, Swapped):
            self.seen.update(kinds_of(fact, self.live))
        self.live.apply(fact, timestamp_s)

    def _take_manager_fact(self, fact: ManagerFact, log: RawLog) -> None:
        if isinstance(fact, NftTransferred) and fact.sender == ZERO_ADDRESS:
            ticks = self._minted_range.get(log.transaction_hash)
            if ticks is not None:
                self.nfts[fact.token_id] = NftPosition(
                    owner=fact.recipient, pool=self.address, tick_lower=ticks[0], tick_upper=ticks[1]
                )
        elif fact.token_id in self.nfts:
            nft = self.nfts[fact.token_id]
            held = self.live.positions[self.manager, nft.tick_lower, nft.tick_upper]
            self.nfts[fact.token_id] = apply_manager_fact(nft, held, fact)
            if isinstance(fact, NftTransferred) and fact.recipient == ZERO_ADDRESS:
                del self.nfts[fact.token_id]


def kinds_of(swap: Swapped, before: LivePool) -> list[str]:
    """Name the special cases in a swap."""
    low, high = sorted((before.sqrt_price_x96, swap.sqrt_price_x96))
    crossed = sum(low <= sqrt_price_at_tick(tick) <= high for tick in before.initialized)
    edges = abs(swap.tick // before.tick_spacing // 256 - before.tick // before.tick_spacing // 256)
    inside_a_step = before.stop_below_x96 < swap.sqrt_price_x96 < before.stop_above_x96
    out = -min(swap.amount0_delta, swap.amount1_delta)
    _, by_price = amounts_between(before.sqrt_price_x96, swap.sqrt_price_x96, before.liquidity)
    found = {
        "dust": low == high,
        "down": swap.amount0_delta > 0,
        "up": swap.amount1_delta > 0,
        "over a tick": crossed > 0,
        "over many ticks": crossed > 2,
        "over a word": edges > 0,
        "onto a tick from above": swap.sqrt_price_x96 == sqrt_price_at_tick(Tick(swap.tick + 1)),
        "onto a tick from below": swap.sqrt_price_x96 == sqrt_price_at_tick(swap.tick),
        "into or out of a gap": before.liquidity == 0 or swap.liquidity == 0,
        "nothing came in": swap.amount0_delta <= 0 and swap.amount1_delta <= 0,
        "output cut short": inside_a_step and out < by_price,
    }
    return [kind for kind, is_so in found.items() if is_so]


def raw_log(given: Mapping[str, Any]) -> RawLog:
    """Make a log as a node returns it."""
    return RawLog(
        address=given["address"],
        topics=tuple(given["topics"]),
        data=given["data"],
        log_index=LogIndex(int(given["logIndex"], 16)),
        transaction_hash=given["transactionHash"],
        transaction_index=int(given["transactionIndex"], 16),
    )
