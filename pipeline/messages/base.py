"""The fields that every message has, and the values that several of them carry.

A frozen value is part of no cycle, so the collector of garbage is not given what there is much of (`gc=False`).
"""

from typing import ClassVar

import msgspec

from pipeline.units import Address, BlockNumber, Hash, LogIndex, Offset, RawAmount, Seconds, ShardId, Wei


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type", omit_defaults=False):
    """A frozen value with a type; from its second form on the type's tag ends with a version: see `versions`."""


class BlockRef(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which block. Two blocks of one height differ by hash."""

    number: BlockNumber
    hash: Hash
    parent_hash: Hash
    timestamp_s: Seconds


class RawLog(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A log as the node gave it: hex, lower case."""

    address: Address
    topics: tuple[str, ...]
    data: str
    log_index: LogIndex
    transaction_hash: Hash
    transaction_index: int


class Receipt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of a transaction of one of the books' owners or signers."""

    transaction_hash: Hash
    transaction_index: int
    sender: Address
    to: Address | None
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: Wei


class TokenAmount(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A raw amount of a token."""

    token: Address | None
    """None in records that did not name it."""
    amount: RawAmount


class Price(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Raw units of one token for a raw unit of another: an exact ratio, not reduced."""

    numerator: int
    denominator: int

    @property
    def ratio(self) -> tuple[int, int]:
        """Numerator and denominator."""
        return self.numerator, self.denominator

    def inverse(self) -> "Price":
        """Return the price of the other token."""
        return Price(numerator=self.denominator, denominator=self.numerator)

    def value(self, amount: int) -> RawAmount:
        """Value a signed amount. Rounds: down, so a debt counts in full."""
        return RawAmount(amount * self.numerator // self.denominator)

    def times(self, further: "Price") -> "Price":
        """Carry a price on: of the first token in a third, by way of the second."""
        return Price(
            numerator=self.numerator * further.numerator, denominator=self.denominator * further.denominator
        )


class Cause(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The record of `events.v1` that an output follows from, and the block at which it stood."""

    shard: ShardId
    offset: Offset
    block: BlockRef | None


class Output(Message, frozen=True, kw_only=True):
    """Something that `advance` says. Its id is the same however often it is said."""

    id: str
    because_of: Cause
    rules: int = 1
    """Under which it was said: see `pipeline/rules.py`."""


class View(Output, frozen=True, kw_only=True):
    """The present value under a key: a later one replaces it."""

    topic: ClassVar[str]

    @property
    def key(self) -> str:
        """What it replaces by: the record's key on its compacted topic."""
        raise NotImplementedError


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One remembered value."""
