"""How fast one core folds a shard's log in memory, from bytes to events to outputs to bytes, without a broker.

The chain is a toy with one pool, one book and swaps of the real curve; quiet blocks and busy ones.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import ToyWatcher, started

from pipeline.state.shard import Shard
from pipeline.units import Offset, ShardId
from streams.kafka.codec import encode, encode_entry
from streams.work.fold import fold_record

SWAPS_PER_BLOCK = {0: 2_000, 1: 2_000, 10: 1_000, 100: 200, 400: 50}
"""And so many blocks of each kind."""
BATCH_RECORDS = 400
ROUNDS = 3


def log_of(swaps: int, blocks: int) -> list[bytes]:
    """A read book, and blocks with so many swaps each, back and forth."""
    watcher: ToyWatcher = started(7)
    chain = watcher.chain
    for _ in range(blocks):
        chain.mine(0)
        for number in range(swaps):
            chain.swap(10**15 + number, down=number % 2 == chain.head.number % 2)
        watcher.tell()
    return [encode(event) for event in watcher.log]


def fold_s(log: list[bytes]) -> float:
    """Fold a log as a worker does, with commits but without the broker, and return the CPU time in seconds."""
    shard = Shard(ShardId(0))
    begun_s = time.process_time()
    for offset, payload in enumerate(log):
        fold_record(shard, Offset(offset), payload)
        if offset % BATCH_RECORDS == BATCH_RECORDS - 1:
            for value in shard.tables.changes().values():
                _ = None if value is None else encode_entry(value)
            shard.tables.committed()
    return time.process_time() - begun_s


def table() -> dict[int, float]:
    """Measure microseconds per block by swaps a block, and print them with the rates."""
    found = {}
    sys.stdout.write(f"{'swaps a block':>14}{'blocks':>8}{'blocks/s':>10}{'swaps/s':>10}{'us/block':>10}\n")
    for swaps, blocks in SWAPS_PER_BLOCK.items():
        log = log_of(swaps, blocks)
        took_s = min(fold_s(log) for _ in range(ROUNDS))
        rate, found[swaps] = blocks / took_s, took_s / blocks * 1e6
        sys.stdout.write(f"{swaps:>14}{blocks:>8}{rate:>10,.0f}{rate * swaps:>10,.0f}{1e6 / rate:>10,.0f}\n")
    return found


if __name__ == "__main__":
    table()
