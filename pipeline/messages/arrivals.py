"""Entries about positions that somebody else sent, that left, or that an operator has decided on."""

from pipeline.messages.base import BlockRef, Entry
from pipeline.units import Address, BlockNumber, BookId, Hash, RawAmount


class Gift(Entry, frozen=True, kw_only=True):
    """`gift/item`: an item that somebody else's transaction brought to a book's owner; no book counts it until it is adopted. Log part."""

    at_block: BlockNumber


class Adopted(Entry, frozen=True, kw_only=True):
    """`adopted/item`: an operator has decided whether an item belongs to its owner's book. Log part."""

    ours: bool
    reason: str
    by: str


class Departure(Entry, frozen=True, kw_only=True):
    """`departure/item`: an item that was transferred out of a live book, or burned, in the last 30 days. Chain part."""

    book: BookId
    to: Address | None
    transaction_hash: Hash | None
    value_quote: RawAmount | None
    block: BlockRef
