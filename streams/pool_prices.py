"""The prices of pools over time: from the swaps that a deployment has published, or from a user's file."""

import bisect
import csv
import io
import math
from collections.abc import AsyncIterator, Mapping

import msgspec
import structlog

from pipeline.errors import MalformedRecordError, SettingsError
from pipeline.math.q import Q96
from pipeline.messages.views import PoolView, Rewound, SwapSeen
from pipeline.statistics.clock import LogPrices
from pipeline.units import Address, ChainId, Pips
from streams.kafka.codec import decode_output
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import POOL_STATES, SWAPS

log = structlog.get_logger(__name__)

_COLUMNS = ["time_s", "price"]


class PublishedPool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool whose swaps were published."""

    pool: Address
    tokens: tuple[Address, Address]
    fee_pips: Pips
    prices: LogPrices


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


async def published_pools(reader: Reader, chain_id: ChainId) -> list[PublishedPool]:
    """Read every published pool's prices, the smallest fee first. Raises: TopicError where there is no such topic."""
    swaps: dict[Address, _Swaps] = {}
    for shard in await reader.shards(SWAPS.on(chain_id)):
        swaps |= await fold_swaps(reader.read({shard: 0}))
    end_s = max((each.at_s[-1] for each in swaps.values() if each.at_s), default=0)
    views = map(_decoded, (await reader.newest(POOL_STATES.on(chain_id))).values())
    pools = [
        PublishedPool(
            pool=view.pool,
            tokens=(view.state.token0, view.state.token1),
            fee_pips=view.state.fee_pips,
            prices=LogPrices(swaps[view.pool].at_s, swaps[view.pool].logs, end_s),
        )
        for view in views
        if isinstance(view, PoolView) and view.pool in swaps and swaps[view.pool].at_s
    ]
    return sorted(pools, key=lambda each: (each.fee_pips, each.pool))


async def fold_swaps(records: AsyncIterator[Record]) -> Mapping[Address, _Swaps]:
    """Follow one partition's swaps, reorgs too."""
    found: dict[Address, _Swaps] = {}
    async for record in records:
        match _decoded(record):
            case SwapSeen(pool=pool, sqrt_price_x96=price, because_of=cause) if cause.block is not None:
                at = cause.block.number, cause.block.timestamp_s
                found.setdefault(pool, _Swaps()).add(*at, 2 * math.log(price / Q96))
            case Rewound(to=to):
                for swaps in found.values():
                    swaps.rewind(to.number)
    return found


def _decoded(record: Record) -> object:
    try:
        return decode_output(record.value or b"", where=record.where)
    except MalformedRecordError as error:  # it names the place
        log.warning("passes over what is no swap and no pool", error=str(error))
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
