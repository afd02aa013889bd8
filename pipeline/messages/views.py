"""The views for users: swaps as facts, and the present value of pools, positions and books."""

from typing import ClassVar

import msgspec

from pipeline import keys
from pipeline.messages.base import BlockRef, Output, Price, View
from pipeline.messages.former_prices import with_price
from pipeline.messages.orders import Order
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import (
    Address,
    BookId,
    Bps,
    Pips,
    PoolId,
    RawAmount,
)


class TradeSeen(Output, frozen=True, kw_only=True):
    """A trade, as its venue tells it. On `swaps.v1`."""

    @property
    def traded_at(self) -> PoolId:
        """The pool that traded: the record's key."""
        raise NotImplementedError

    @property
    def price(self) -> Price:
        """The pool's price after it, of token0 in token1."""
        raise NotImplementedError


class PoolTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change of a pool."""

    tokens: tuple[Address, Address]
    """Its token0 and its token1."""
    decimals: tuple[int, int]
    fee_pips: Pips
    """Of what a swap pays in."""


class PoolState(View, frozen=True, kw_only=True):
    """A pool after a block that touched it, as its venue tells it."""

    topic: ClassVar[str] = "pool-states"

    @property
    def shown_pool(self) -> PoolId:
        """The pool."""
        raise NotImplementedError

    @property
    def terms(self) -> PoolTerms:
        """What does not change of it."""
        raise NotImplementedError


class Rewound(Output, frozen=True, kw_only=True, tag=True):
    """A branch went away: what this partition said of blocks above `to` no longer holds.

    Stands on each of the shard's output partitions, before the present value of every view it changed.
    """

    to: BlockRef


class Holding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where a book's amount of one token lies. Raw units."""

    token: Address
    wallet: RawAmount
    native: RawAmount
    """Of the wrapped native token: what the accounts hold unwrapped."""
    principal: RawAmount
    fees: RawAmount
    collateral: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """Supplied to lending markets, or what stands against a short; left out where there is none."""
    debt: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """Owed to lending markets, or short, below 0; left out where there is none."""


class TokenShare(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a book has of one token that has a price."""

    token: Address
    value_quote: RawAmount
    share_bps: Bps
    """Of the book's value; below 0 for a debt."""
    target_share_bps: Bps | None
    """None: any share will do."""


class HedgeShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a book's hedge stands: what it is to keep, what it has, and what that costs. Amounts are raw, of base where nothing else is said."""

    ratio_bps: Bps
    """What is owed, of the base that a ratio counts from. Rounds: down."""
    wanted_ratio_bps: Bps
    """By the policy's number or by its law; 0 where it ends."""
    ends: bool
    """Nothing is to be hedged, and what is left is taken back."""
    sigma_ppm: int | msgspec.UnsetType = msgspec.UNSET
    """The volatility by which the ratio was chosen, in millionths per square root of a year; left out where it is a number."""
    size: RawAmount
    """Short: what is owed."""
    collateral_token: Address | msgspec.UnsetType = msgspec.UNSET
    """What secures it; left out where that is the quote."""
    collateral: RawAmount
    """Of that token."""
    health_bps: int | None
    """In bps of 1; None where nothing is owed."""
    net_base: RawAmount
    """All base less what is owed."""
    target_base: RawAmount
    """What the net exposure is to be."""
    act_at: RawAmount
    """How far from the target it may be."""
    back_to: RawAmount
    """How far from the target a step leaves it."""
    pays_base: RawAmount
    """What the debt grows by per year, at the present rate."""
    earns: RawAmount
    """What the collateral earns per year in its own token, at the rate of now."""
    order: Order | msgspec.UnsetType = msgspec.UNSET
    """The last one, where the venue takes orders; while it waits the hedge asks for nothing else."""


class BookView(View, frozen=True, kw_only=True, tag="BookView.3"):
    """A book's inventory after a block, valued at the reference pool's spot; rounded down."""

    topic: ClassVar[str] = "books"

    book: BookId
    holdings: tuple[Holding, ...]
    base_amount: RawAmount
    quote_amount: RawAmount
    value_quote: RawAmount
    price: Price
    """Of the pair: of its token0, the lower address of base and quote, in its token1."""
    base_share_bps: Bps
    deviation_bps: Bps
    shares: tuple[TokenShare, ...] | msgspec.UnsetType = msgspec.UNSET
    """Of each priced token; left out where a book has base, quote and its equivalents only."""
    hedge: HedgeShown | msgspec.UnsetType = msgspec.UNSET
    """Left out where the book is not hedged, or its position is not known."""

    @property
    def key(self) -> str:
        return keys.book(self.book)


upgrades("BookView", 1)(with_price)


@upgrades("BookView", 2)
def _book_view_3(fields: Fields) -> Fields:
    """Leave it as it is: before, nobody could say what had become of an order, and how large the position was before it was not told."""
    return fields


class ViewRemoved(Output, frozen=True, kw_only=True, tag=True):
    """There is no such thing any more: becomes a tombstone under its key."""

    topic: str
    key: str
