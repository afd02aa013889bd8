"""The sources of a token's prices, and the entries of the past prices that a shard keeps."""

from collections.abc import Iterator

import msgspec

from pipeline import keys
from pipeline.messages.base import Entry
from pipeline.units import Address, BlockNumber, Bps, LogPrice, PoolId, Seconds

_INTERVALS_PER_WINDOW, _SLOTS_PER_WINDOW = 10, 24
"""The size of the ring from which a mean is taken: it covers more than two windows, because blocks may be missing for a time."""


class PriceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The past prices of a book's pools that its shard keeps."""

    every_s: Seconds = Seconds(300)
    """One price per interval of this length."""
    slots: int = 4_032
    """How many of the newest prices are kept."""


class PriceRing(msgspec.Struct, frozen=True, order=True):
    """A ring of a pool's newest prices, one per interval. Books with the same settings share it."""

    pool: PoolId
    every_s: Seconds
    slots: int

    def interval(self, at_s: Seconds) -> int:
        """Return the number of the interval that contains a time, counted from 1970."""
        return at_s // self.every_s

    def key(self, interval: int) -> str:
        """Build the key of an interval's slot; a later interval reuses it."""
        return keys.price(self.pool, self.every_s, self.slots, interval % self.slots)

    @classmethod
    def of(cls, key: str) -> "PriceRing":
        """Return the ring to which a slot's key belongs. Raises: ImpossibleFactError."""
        pool, every_s, slots, _ = keys.price.parse(key)
        return cls(pool, Seconds(every_s), slots)


class PriceSlot(Entry, frozen=True, kw_only=True):
    """`price/P/every/slots/i`: a pool's price after the last block of an interval that changed it, or after the interval's first block. Chain part."""

    at_s: Seconds
    """The timestamp of that block."""
    numerator: int
    denominator: int
    """The price of token0 in token1 as a fraction, in raw units, exact and not reduced."""
    log_price: LogPrice
    """The price's logarithm to the base 1.0001, rounded down."""
    log_price_seconds: int
    """The sum of the logarithms from `since_s` to `at_s`, each multiplied by the seconds for which it held."""
    since_s: Seconds
    """The time since which the price is known without a gap."""
    read_at_block: BlockNumber
    """The block of the pool's last read: a later read restarts the ring, because the prices before it may be wrong."""

    def log_price_seconds_at(self, at_s: int) -> int:
        """Return the sum of the logarithms up to a later time, if the price does not change until then."""
        return self.log_price_seconds + self.log_price * (at_s - self.at_s)


class FeedAnswer(Entry, frozen=True, kw_only=True):
    """`feed/A`: the answer of a price feed after the last block; absent where the block has no answer. Chain part."""

    round_id: int
    answer: int
    """The answer, in units of 10**-decimals."""
    updated_at_s: Seconds
    decimals: int


# ------------------------------------------------------------------ where a price comes from
class PoolPath(msgspec.Struct, frozen=True, kw_only=True, tag="pools"):
    """The product of the spot prices of a path of pools, from the token to the quote."""

    pools: tuple[PoolId, ...]


class MeanPath(msgspec.Struct, frozen=True, kw_only=True, tag="mean"):
    """The product of the time-weighted mean prices of a path of pools, of the spots that the shard has followed."""

    pools: tuple[PoolId, ...]
    window_s: Seconds
    """The least length of the mean: it begins at the end of one of its ring's intervals, so it is up to a tenth longer."""

    def rings(self) -> Iterator[PriceRing]:
        """List the rings from which the means are taken, in the order of the pools."""
        every_s = Seconds(-(-self.window_s // _INTERVALS_PER_WINDOW))
        for pool in self.pools:
            yield PriceRing(pool, every_s, _SLOTS_PER_WINDOW)


class Par(msgspec.Struct, frozen=True, kw_only=True, tag="par"):
    """The price of another token, one for one: the policy declares the two equivalent."""

    unit: Address
    """Base or quote."""


class FeedPrice(msgspec.Struct, frozen=True, kw_only=True, tag="feed"):
    """The price that a Chainlink feed answers, read after each block."""

    feed: Address
    unit: Address
    """The token, base or quote, that the feed counts in or that is taken for it (USDC for a feed in dollars)."""
    max_age_s: Seconds
    """The age above which an answer does not count."""


PriceSource = PoolPath | MeanPath | Par | FeedPrice


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A further price of a token that spot must be near before a book acts. Nothing is valued at it."""

    price: PriceSource
    within_bps: Bps = Bps(100)
    """How far spot may be from this price."""


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A token beside base, quote and its equivalents that counts in a book's value."""

    token: Address
    price_path: tuple[PoolId, ...]
    """The path of pools that value the token in the quote; empty where `valued_by` does."""
    valued_by: PriceSource | msgspec.UnsetType = msgspec.UNSET
    """The source of its price; left out where it is `price_path`."""
    references: tuple[Reference, ...] | msgspec.UnsetType = msgspec.UNSET
    """Left out where there are none."""
    target_share_bps: Bps | None = None
    """The target share of the book's value; None: no target."""

    @property
    def spot(self) -> PriceSource:
        """The source of the price at which the token is valued."""
        return self.valued_by or PoolPath(pools=self.price_path)


def pools_of(source: PriceSource) -> tuple[PoolId, ...]:
    """List the pools of a price source; empty for one without pools."""
    return source.pools if isinstance(source, PoolPath | MeanPath) else ()
