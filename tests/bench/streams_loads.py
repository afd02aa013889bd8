"""The measured load: logs of a toy chain with one pool and one book of one NFT, made before the measurement."""

from typing import NamedTuple

from builders import ToyChain, policy, started
from msgspec.structs import replace

from streams.kafka.codec import encode

_SIZES = (10**16,) * 15 + (10**17,) * 4 + (2 * 10**18,)
"""A swap moves the price by a tenth of a tick, by a tick, and one in twenty by twenty ticks."""
_MIDDLE_TICK = 25
_PULL_TICKS = 200
_WORD_TICKS = 2560
"""A word of the pool's bitmap at a spacing of 10: a step ends at its border too."""


class Load(NamedTuple):
    """A shard's log as bytes, and what is in it."""

    swaps_per_block: int
    blocks: int
    before_blocks: int
    """So many records stand before the first of the blocks: the policy and what was read for it."""
    records: list[bytes]
    several_steps: int
    """So many swaps took more than one step of the curve."""

    @property
    def several_steps_share(self) -> float:
        return self.several_steps / max(self.swaps_per_block * self.blocks, 1)

    @property
    def mean_bytes(self) -> float:
        return sum(map(len, self.records)) / len(self.records)


def load_of(swaps: int, blocks: int, *, decides_each_block: bool = False) -> Load:
    """Make a log whose blocks have so many swaps each; a price that wanders about the NFT's range."""
    book = policy()
    if decides_each_block:
        book = policy(chain=replace(book.chain, report_every_blocks=1))
    watcher = started(7, book)
    records = [encode(event) for event in watcher.log]
    before, several = len(records), 0
    for _ in range(blocks):
        watcher.log.clear()
        watcher.chain.mine(0)
        several += sum(_swap(watcher.chain) for _ in range(swaps))
        watcher.tell()
        records += [encode(event) for event in watcher.log]
    assert len(records) == before + blocks, "a block, a record"
    return Load(swaps, blocks, before, records, several)


def _swap(chain: ToyChain) -> bool:
    """Swap once, and return whether the price passed a step's end."""
    before = chain.pool.tick
    down = chain.random.random() < 0.5 + (before - _MIDDLE_TICK) / _PULL_TICKS
    made = len(chain.logs)
    chain.swap(chain.random.choice(_SIZES), down=down)
    assert len(chain.logs) > made, "every swap is one"
    low, high = sorted((before, chain.pool.tick))
    return low // _WORD_TICKS != high // _WORD_TICKS or any(low < tick <= high for tick in chain.pool.ticks)
