"""The values that a watcher reads beside logs and receipts."""

import msgspec

from pipeline.units import Address, RawAmount, Seconds, Wei


class NativeBalance(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="native_balance"):
    """The answer of a fixed read at the block's hash: no log tells it."""

    account: Address
    amount_wei: Wei


class FeedRead(msgspec.Struct, frozen=True, kw_only=True, tag="feed"):
    """What a price feed answers: no log of its proxy tells it."""

    feed: Address
    round_id: int
    answer: int
    updated_at_s: Seconds
    decimals: int


class UptimeRead(msgspec.Struct, frozen=True, kw_only=True, tag="uptime"):
    """What a sequencer's uptime feed answers: its logs are of a contract behind the proxy, which may be replaced."""

    feed: Address
    round_id: int
    answer: int
    """0: the sequencer is up; 1: it is down."""
    started_at_s: Seconds
    """Since when that is so."""


class AllowanceRead(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="allowance"):
    """What a spender may still take of an owner's token: transfers lower it without a word."""

    owner: Address
    token: Address
    spender: Address
    amount: RawAmount


class CallRead(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """What a contract answers to a fixed call in one word: a venue wants it of each block, for no log tells it."""

    to: Address
    data: str
    """Calldata in hex."""
    value: int


AnyRead = NativeBalance | AllowanceRead | FeedRead | UptimeRead | CallRead
"""What a block may contain of them."""
