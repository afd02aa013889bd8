"""The memory of a shard's state: per NFT of a book, and per 1,000 initialised ticks of a pool."""

import gc
import sys
import tracemalloc

from builders import POOL, ToyChain, ToyWatcher
from growth import LIQUIDITY, book_of, watched

from pipeline.messages.events import PolicySet
from pipeline.state.shard import Shard
from pipeline.units import Offset, ShardId
from streams.kafka.codec import encode
from streams.work.fold import fold_record

NFTS = (100, 2_000)
TICKS = (100, 1_100)
SPACING = 10


def table() -> dict[str, float]:
    """Measure bytes by what the Python objects of two sizes differ in, and print them."""
    for largest in (watched(NFTS[1], 1), _with_ticks(TICKS[1])):
        _held(largest)  # what is remembered for the whole process is there from now on
    few, many = (_held(watched(size, 1)) for size in NFTS)
    low, high = (_held(_with_ticks(size)) for size in TICKS)
    found = {
        "bytes per NFT": (many - few) / (NFTS[1] - NFTS[0]),
        "bytes per 1,000 ticks": (high - low) / (TICKS[1] - TICKS[0]) * 1_000,
    }
    sys.stdout.write(
        f"memory of a shard: {', '.join(f'{size:,.0f} {name}' for name, size in found.items())}\n"
    )
    return found


def _with_ticks(ticks: int) -> ToyWatcher:
    """Bring a book without NFTs to where all is read of a pool that others have given so many ticks."""
    watcher = ToyWatcher(ToyChain(7))
    for number in range(1, ticks // 2 + 1):
        end = SPACING * number
        watcher.chain.mint(POOL, -end, end, LIQUIDITY + number, sender=POOL)
    watcher.chain.mine(1)
    watcher.append(PolicySet(policy=book_of(0)))
    watcher.read_wanted()
    return watcher


def _held(watcher: ToyWatcher) -> int:
    """Count the bytes that a shard holds behind a log, which it has read from bytes."""
    log = [encode(event) for event in watcher.log]
    gc.collect()
    tracemalloc.start()
    shard = Shard(ShardId(0))
    for offset, payload in enumerate(log):
        fold_record(shard, Offset(offset), payload)
    shard.tables.changes()
    shard.tables.committed()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held
