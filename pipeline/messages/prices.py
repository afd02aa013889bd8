"""Prices over time: which of them a shard keeps, and the entry that keeps one."""

import msgspec

from pipeline import keys
from pipeline.messages.base import Entry
from pipeline.units import Address, BlockNumber, Seconds, Tick


class PriceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How much of its pools' prices a book's shard keeps."""

    every_s: Seconds = Seconds(300)
    """One price per so many seconds."""
    slots: int = 4_032
    """So many of them, the newest."""


class PriceRing(msgspec.Struct, frozen=True, order=True):
    """A pool's prices, one per interval of so many seconds, the newest of them; two books that want the same share one."""

    pool: Address
    every_s: Seconds
    slots: int

    def interval(self, at_s: Seconds) -> int:
        """Number the interval that a moment lies in; the first began with 1970."""
        return at_s // self.every_s

    def key(self, interval: int) -> str:
        """Build the key of an interval's slot, which later intervals use again."""
        return keys.price(self.pool, self.every_s, self.slots, interval % self.slots)

    @classmethod
    def of(cls, key: str) -> "PriceRing":
        """Tell which ring a slot's key belongs to. Raises: ImpossibleFactError."""
        pool, every_s, slots, _ = keys.price.parse(key)
        return cls(pool, Seconds(every_s), slots)


class PriceSlot(Entry, frozen=True, kw_only=True):
    """`price/P/every/slots/i`: a pool's price after the last block of an interval that moved it, or after the interval's first."""

    at_s: Seconds
    """Of that block."""
    numerator: int
    denominator: int
    """Of the price of token0 in token1, raw and exact, not reduced."""
    tick: Tick
    """The greatest whose price is not above it."""
    tick_seconds: int
    """Of every tick since `since_s`, times the seconds for which it was the price's, up to `at_s`."""
    since_s: Seconds
    """From here on the price is known without a gap."""
    read_at_block: BlockNumber
    """When the pool had last been read: a later read begins anew, for what was before it may have been wrong."""
