"""The values that a watcher reads beside logs and receipts."""

import msgspec

from pipeline.units import Address, RawAmount, Seconds, Wei


class NativeBalance(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="native_balance"):
    """An account's balance of the native coin after a block, which no log contains."""

    account: Address
    amount_wei: Wei


class FeedRead(msgspec.Struct, frozen=True, kw_only=True, tag="feed"):
    """The answer of a price feed after a block, which no log of the feed's proxy contains."""

    feed: Address
    round_id: int
    answer: int
    updated_at_s: Seconds
    decimals: int


class UptimeRead(msgspec.Struct, frozen=True, kw_only=True, tag="uptime"):
    """The answer of a sequencer's uptime feed after a block. Its logs come from a contract behind the proxy, which may be replaced."""

    feed: Address
    round_id: int
    answer: int
    """0: the sequencer is up; 1: it is down."""
    started_at_s: Seconds
    """The time since which the sequencer is up or down."""


class AllowanceRead(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="allowance"):
    """A spender's allowance of an owner's token after a block; transfers lower it without a log."""

    owner: Address
    token: Address
    spender: Address
    amount: RawAmount


class CallRead(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """The answer of a contract to a fixed call after a block, as one word. Venues read with it what no log contains."""

    to: Address
    data: str
    """Calldata in hex."""
    value: int


AnyRead = NativeBalance | AllowanceRead | FeedRead | UptimeRead | CallRead
"""Any read that a block may have."""
