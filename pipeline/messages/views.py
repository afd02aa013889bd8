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
    """The base of all records on `swaps.v1`: a trade in the form of its venue."""

    @property
    def traded_at(self) -> PoolId:
        """The pool in which the trade took place, which is the record's key."""
        raise NotImplementedError

    @property
    def price(self) -> Price:
        """The pool's price of token0 in token1 after the trade."""
        raise NotImplementedError


class PoolTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The constant properties of a pool: tokens, decimals and fee."""

    tokens: tuple[Address, Address]
    """Token0 and token1."""
    decimals: tuple[int, int]
    fee_pips: Pips
    """The fee, as a share of what a swap pays in."""


class PoolState(View, frozen=True, kw_only=True):
    """The base of all views of a pool: its state after a block that changed it, in the form of its venue."""

    topic: ClassVar[str] = "pool-states"

    @property
    def shown_pool(self) -> PoolId:
        """The pool that the view shows."""
        raise NotImplementedError

    @property
    def terms(self) -> PoolTerms:
        """The pool's constant properties."""
        raise NotImplementedError


class Rewound(Output, frozen=True, kw_only=True, tag=True):
    """A reorg removed blocks: what this partition said about blocks above `to` no longer holds.

    Written to each of the shard's output partitions, before the current values of the views that it changed.
    """

    to: BlockRef


class Holding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A book's amounts of one token, by where they are held. Raw units."""

    token: Address
    wallet: RawAmount
    native: RawAmount
    """The native coin of the accounts, in the holding of the wrapped native token; 0 for other tokens."""
    principal: RawAmount
    fees: RawAmount
    collateral: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """What is supplied to lending markets, or secures a short; left out where there is none."""
    debt: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """What is owed to lending markets, or short, as a negative amount; left out where there is none."""


class TokenShare(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A book's value in one priced token."""

    token: Address
    value_quote: RawAmount
    share_bps: Bps
    """Its share of the book's value; negative for a debt."""
    target_share_bps: Bps | None
    """None: the token has no target."""


class HedgeShown(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a book's hedge: its target, its position and its cost. Amounts are raw base unless noted."""

    ratio_bps: Bps
    """The hedged share: the debt in base as a share of the base exposure. Rounds: down."""
    wanted_ratio_bps: Bps
    """The wanted ratio, by the policy's number or law; 0 where the hedge ends."""
    ends: bool
    """The hedge ends: the debt is repaid and the collateral withdrawn."""
    sigma_ppm: int | msgspec.UnsetType = msgspec.UNSET
    """The volatility from which the ratio follows, in millionths per square root of a year; left out where the policy states the ratio."""
    size: RawAmount
    """The size of the short: what is owed."""
    collateral_token: Address | msgspec.UnsetType = msgspec.UNSET
    """The token that secures the hedge; left out where it is the quote."""
    collateral: RawAmount
    """The collateral, in raw units of that token."""
    health_bps: int | None
    """The health factor, in bps of 1; None where nothing is owed."""
    net_base: RawAmount
    """The net exposure: all base less what is owed."""
    target_base: RawAmount
    """The target of the net exposure."""
    act_at: RawAmount
    """How far the net exposure may be from its target."""
    back_to: RawAmount
    """How far from its target a step leaves the net exposure."""
    pays_base: RawAmount
    """The interest on the debt per year, at the present rate."""
    earns: RawAmount
    """The interest on the collateral per year, in raw units of its own token, at the present rate."""
    order: Order | msgspec.UnsetType = msgspec.UNSET
    """The last order, at a venue that takes orders; the hedge requests nothing else while it waits."""


class BookView(View, frozen=True, kw_only=True, tag="BookView.3"):
    """A book's inventory after a block, valued at the reference pool's spot. Rounds: down."""

    topic: ClassVar[str] = "books"

    book: BookId
    holdings: tuple[Holding, ...]
    base_amount: RawAmount
    quote_amount: RawAmount
    value_quote: RawAmount
    price: Price
    """The pair's price, of its token0 in its token1; token0 is the lower address of base and quote."""
    base_share_bps: Bps
    deviation_bps: Bps
    shares: tuple[TokenShare, ...] | msgspec.UnsetType = msgspec.UNSET
    """The share of each priced token; left out where a book has only base, quote and its equivalents."""
    hedge: HedgeShown | msgspec.UnsetType = msgspec.UNSET
    """The state of its hedge; left out where the book is not hedged, or its position is not known."""

    @property
    def key(self) -> str:
        return keys.book(self.book)


upgrades("BookView", 1)(with_price)


@upgrades("BookView", 2)
def _book_view_3(fields: Fields) -> Fields:
    """Keep all fields: version 2 has no operators' statements on orders, and not the position's size before an order."""
    return fields


class ViewRemoved(Output, frozen=True, kw_only=True, tag=True):
    """A view's subject no longer exists; written as a tombstone under its key."""

    topic: str
    key: str
