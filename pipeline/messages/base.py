"""The fields that every message has, and the values that several of them carry.

A frozen value is part of no reference cycle, so the types of which there are many instances are not tracked by the garbage collector (`gc=False`).
"""

from typing import ClassVar

import msgspec

from pipeline.units import Address, BlockNumber, Hash, LogIndex, Offset, RawAmount, Seconds, ShardId, Wei


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type", omit_defaults=False):
    """The base of all messages: a frozen value whose `type` field names its type and, from version 2 on, its version: see `versions`."""


class BlockRef(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The identity of a block: number, hash, parent's hash and timestamp. Two blocks of one height differ in their hashes."""

    number: BlockNumber
    hash: Hash
    parent_hash: Hash
    timestamp_s: Seconds


class RawLog(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A contract's log as the node returned it: hex, lower case."""

    address: Address
    topics: tuple[str, ...]
    data: str
    log_index: LogIndex
    transaction_hash: Hash
    transaction_index: int


class Receipt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The receipt of a transaction that one of the books' owners or signers sent."""

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
    """None in older records, which did not name the token."""
    amount: RawAmount


class Price(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A price as an exact ratio: raw units of one token per raw unit of another. The fraction is not reduced."""

    numerator: int
    denominator: int

    @property
    def ratio(self) -> tuple[int, int]:
        """The numerator and the denominator."""
        return self.numerator, self.denominator

    def inverse(self) -> "Price":
        """Return the price of the second token in the first."""
        return Price(numerator=self.denominator, denominator=self.numerator)

    def value(self, amount: int) -> RawAmount:
        """Value a signed amount of the first token in the second. Rounds: down, so a debt counts in full."""
        return RawAmount(amount * self.numerator // self.denominator)

    def times(self, further: "Price") -> "Price":
        """Multiply by a price of the second token in a third: the price of the first token in the third."""
        return Price(
            numerator=self.numerator * further.numerator, denominator=self.denominator * further.denominator
        )


class Cause(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The record of `events.v1` that caused an output, and the shard's head when that record was applied."""

    shard: ShardId
    offset: Offset
    block: BlockRef | None


class Output(Message, frozen=True, kw_only=True):
    """The base of all messages that `advance` emits. A replay emits the same output under the same id."""

    id: str
    because_of: Cause
    rules: int = 1
    """The number of the decision rules under which it was emitted: see `pipeline/rules.py`."""


class View(Output, frozen=True, kw_only=True):
    """The base of all views: the current value under a key of a compacted topic; a later view replaces it."""

    topic: ClassVar[str]

    @property
    def key(self) -> str:
        """The record's key on its compacted topic."""
        raise NotImplementedError


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The base of all entries: one value of a shard's state, under one key."""
