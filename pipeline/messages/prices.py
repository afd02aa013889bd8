"""The sources of a token's prices, and the entries of the past prices that a shard keeps."""

from collections.abc import Iterator

import msgspec

from pipeline import keys
from pipeline.messages.base import Entry
from pipeline.units import Address, BlockNumber, Bps, LogPrice, PoolId, Seconds

_INTERVALS_PER_WINDOW, _SLOTS_PER_WINDOW = 10, 24
"""Of the ring that a mean is taken from: it reaches back over more than two windows, since a chain may stand still."""


class PriceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How much of its pools' prices a book's shard keeps."""

    every_s: Seconds = Seconds(300)
    """One price per interval of this length."""
    slots: int = 4_032
    """How many of the newest are kept."""


class PriceRing(msgspec.Struct, frozen=True, order=True):
    """A pool's newest prices, one per interval; books that want the same ring share it."""

    pool: PoolId
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
        """Return which ring a slot's key belongs to. Raises: ImpossibleFactError."""
        pool, every_s, slots, _ = keys.price.parse(key)
        return cls(pool, Seconds(every_s), slots)


class PriceSlot(Entry, frozen=True, kw_only=True):
    """`price/P/every/slots/i`: a pool's price after the last block of an interval that moved it, or after the interval's first."""

    at_s: Seconds
    """Of that block."""
    numerator: int
    denominator: int
    """Of the price of token0 in token1, raw and exact, not reduced."""
    log_price: LogPrice
    """Its logarithm to the base 1.0001, rounded down."""
    log_price_seconds: int
    """Sum of the logarithms since `since_s`, each times the seconds for which it held, up to `at_s`."""
    since_s: Seconds
    """From here on the price is known without a gap."""
    read_at_block: BlockNumber
    """When the pool had last been read: after a later read the ring starts over, for what it held may have been wrong."""

    def log_price_seconds_at(self, at_s: int) -> int:
        """Sum the logarithms over time up to a later moment, until which the price stays."""
        return self.log_price_seconds + self.log_price * (at_s - self.at_s)


class FeedAnswer(Entry, frozen=True, kw_only=True):
    """`feed/A`: what a price feed answered after the last block; there is none where the block does not tell."""

    round_id: int
    answer: int
    """In units of 10**-decimals."""
    updated_at_s: Seconds
    decimals: int


# ------------------------------------------------------------------ where a price comes from
class PoolPath(msgspec.Struct, frozen=True, kw_only=True, tag="pools"):
    """The spots of pools up to the quote, multiplied: each trades what the one before gives."""

    pools: tuple[PoolId, ...]


class MeanPath(msgspec.Struct, frozen=True, kw_only=True, tag="mean"):
    """The time-weighted means of pools up to the quote, multiplied; of the spots that the shard has followed."""

    pools: tuple[PoolId, ...]
    window_s: Seconds
    """At least; a mean begins at the end of an interval of its ring, so that it is up to a tenth longer."""

    def rings(self) -> Iterator[PriceRing]:
        """List the rings that the means are taken from, in the order of the pools."""
        every_s = Seconds(-(-self.window_s // _INTERVALS_PER_WINDOW))
        for pool in self.pools:
            yield PriceRing(pool, every_s, _SLOTS_PER_WINDOW)


class Par(msgspec.Struct, frozen=True, kw_only=True, tag="par"):
    """What another token is worth, unit for unit: they are said to be equivalent."""

    unit: Address
    """Base or quote."""


class FeedPrice(msgspec.Struct, frozen=True, kw_only=True, tag="feed"):
    """What a Chainlink feed answers, as read after each block."""

    feed: Address
    unit: Address
    """Base or quote: what the feed counts in, or what stands for that (USDC for a feed in dollars)."""
    max_age_s: Seconds
    """An older answer is none."""


PriceSource = PoolPath | MeanPath | Par | FeedPrice


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A further price of a token, which nothing is valued at: a book acts only while spot is near it."""

    price: PriceSource
    within_bps: Bps = Bps(100)
    """How far spot may be from it."""


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A token beside base, quote and its equivalents that counts in a book's value."""

    token: Address
    price_path: tuple[PoolId, ...]
    """Pools that value it in the quote: each trades what the one before gives. None where something else values it."""
    valued_by: PriceSource | msgspec.UnsetType = msgspec.UNSET
    """Left out where `price_path` does."""
    references: tuple[Reference, ...] | msgspec.UnsetType = msgspec.UNSET
    """Left out where there are none."""
    target_share_bps: Bps | None = None
    """Of the book's value; None: any share will do."""

    @property
    def spot(self) -> PriceSource:
        """What values it."""
        return self.valued_by or PoolPath(pools=self.price_path)


def pools_of(source: PriceSource) -> tuple[PoolId, ...]:
    """List the pools that a price follows from."""
    return source.pools if isinstance(source, PoolPath | MeanPath) else ()
