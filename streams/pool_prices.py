"""Load the prices of pools over time: from published swaps, from a deployment's state, or from a user's file."""

import bisect
import csv
import io
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Literal

import msgspec
import structlog

from pipeline.book.price_rings import past_prices
from pipeline.errors import MalformedRecordError, SettingsError
from pipeline.messages.views import PoolState, Rewound, TradeSeen
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.statistics.clock import LogPrices
from pipeline.units import Address, ChainId, Pips
from pipeline.venues.registry import pool_terms
from streams.kafka.checkpoint.port import load
from streams.kafka.codec import decode_output
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import POOL_STATES, STATE, SWAPS

log = structlog.get_logger(__name__)

_COLUMNS = ["time_s", "price"]


class PoolPrices(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with the prices that are known of it."""

    pool: Address
    tokens: tuple[Address, Address]
    fee_pips: Pips
    prices: LogPrices
    source: Literal["swaps", "state"]
    """Whether they are of published swaps, or kept in a shard's state."""


class _Swaps:
    """One pool's price at the end of each block, on the branch that the shard has published last."""

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.at_s: list[int] = []
        self.logs: list[float] = []

    def add(self, block: int, at_s: int, log: float) -> None:
        if self.blocks and self.blocks[-1] == block:
            self.logs[-1] = log
            return
        self.blocks.append(block)
        self.at_s.append(at_s)
        self.logs.append(log)

    def rewind(self, block: int) -> None:
        kept = bisect.bisect_right(self.blocks, block)
        del self.blocks[kept:], self.at_s[kept:], self.logs[kept:]


async def priced_pools(reader: Reader, chain_id: ChainId) -> list[PoolPrices]:
    """Read every pool's prices, the smallest fee first; of two sources the one that reaches further back.

    Raises: TopicError where there is no such topic.
    """
    found: dict[Address, PoolPrices] = {}
    for pool in [*await _published(reader, chain_id), *await _kept(reader, chain_id)]:
        other = found.get(pool.pool)
        if other is None or pool.prices.at_s[0] < other.prices.at_s[0]:
            found[pool.pool] = pool
    return sorted(found.values(), key=lambda each: (each.fee_pips, each.pool))


async def _published(reader: Reader, chain_id: ChainId) -> list[PoolPrices]:
    swaps: dict[Address, _Swaps] = {}
    for shard in await reader.shards(SWAPS.on(chain_id)):
        swaps |= await fold_swaps(reader.read({shard: 0}))
    end_s = max((each.at_s[-1] for each in swaps.values() if each.at_s), default=0)
    views = map(_decoded, (await reader.newest(POOL_STATES.on(chain_id))).values())
    return [
        PoolPrices(
            pool=view.shown_pool,
            tokens=view.terms.tokens,
            fee_pips=view.terms.fee_pips,
            prices=LogPrices(traded.at_s, traded.logs, end_s),
            source="swaps",
        )
        for view in views
        if isinstance(view, PoolState) and (traded := swaps.get(view.shown_pool)) is not None and traded.at_s
    ]


async def _kept(reader: Reader, chain_id: ChainId) -> list[PoolPrices]:
    found: list[PoolPrices] = []
    for states in await reader.shards(STATE.on(chain_id)):
        found += kept_pools(Tables(load([record async for record in reader.read({states: 0})])))
    return found


def kept_pools(tables: Tables) -> Iterator[PoolPrices]:
    """List the pools of a shard whose past prices are kept, each with a price per interval."""
    head = tables.head
    rings = {ring: policy for policy in policies(tables) for ring in policy.price_rings()}
    for ring, policy in rings.items():
        pool = pool_terms(tables, policy, ring.pool)
        if pool is None or head is None:
            continue
        prices = past_prices(tables, ring, head.timestamp_s)
        if prices is not None:
            yield PoolPrices(
                pool=ring.pool,
                tokens=pool.tokens,
                fee_pips=pool.fee_pips,
                prices=prices,
                source="state",
            )


async def fold_swaps(records: AsyncIterator[Record]) -> Mapping[Address, _Swaps]:
    """Follow one partition's swaps, reorgs too."""
    found: dict[Address, _Swaps] = {}
    async for record in records:
        match _decoded(record):
            case TradeSeen(because_of=cause) as trade if cause.block is not None:
                at = cause.block.number, cause.block.timestamp_s
                log_price = math.log(trade.price.numerator) - math.log(trade.price.denominator)
                found.setdefault(trade.traded_at, _Swaps()).add(*at, log_price)
            case Rewound(to=to):
                for swaps in found.values():
                    swaps.rewind(to.number)
    return found


def _decoded(record: Record) -> object:
    try:
        return decode_output(record.value or b"", where=record.where)
    except MalformedRecordError as error:  # it names the place
        log.warning("passes over what is neither a swap nor a pool", error=str(error))
        return None


def parse_prices(text: str, file: str) -> LogPrices:
    """Read `time_s,price` lines, in the order of time. Raises: SettingsError naming file and line."""
    rows = csv.reader(io.StringIO(text))
    if next(rows, None) != _COLUMNS:
        raise SettingsError(f"{file}:1: the first line must be {','.join(_COLUMNS)}")
    at_s: list[int] = []
    logs: list[float] = []
    for line, row in enumerate(rows, start=2):
        try:
            time_s, price = int(row[0]), float(row[1])
        except (ValueError, IndexError):
            raise SettingsError(f"{file}:{line}: must be a time in whole seconds and a price") from None
        if not 0 < price < math.inf:
            raise SettingsError(f"{file}:{line}: the price {price} is not positive and finite")
        if at_s and time_s < at_s[-1]:
            raise SettingsError(f"{file}:{line}: the time {time_s} is before that of the line above")
        at_s.append(time_s)
        logs.append(math.log(price))
    if not at_s:
        raise SettingsError(f"{file}: has no prices")
    return LogPrices(at_s, logs, at_s[-1])
