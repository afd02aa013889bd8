"""Amounts and ranges as every screen shows them: an amount with its token's symbol, a range in prices of the base."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from pipeline import keys
from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import SettingsError
from pipeline.math.log_prices import price_at_log
from pipeline.messages.arrivals import Departure
from pipeline.messages.decisions import NftLeft
from pipeline.messages.policy import Policy
from pipeline.units import Address, LogPrice, RawAmount, Tick
from streams.human import parse_bps, price_text, rounded_amount_text, short

_DIGITS = 5
"""Of a price at the end of a range."""
_NO_END_TICK = 880_000
"""A range to here or beyond has no end: which of the last ticks it is follows from the pool's spacing."""


class Named(msgspec.Struct, frozen=True):
    """How tokens are called, and how many decimals they have."""

    tokens: Mapping[Address, tuple[str, int]]

    def amount(self, token: Address | None, raw: RawAmount) -> str:
        """Show an amount with its symbol; of a token that no policy names, the raw number."""
        if token is None:
            return f"{raw} raw"
        if token not in self.tokens:
            return f"{raw} raw {short(token)}"
        symbol, decimals = self.tokens[token]
        sign = "-" if raw < 0 else ""
        return f"{sign}{rounded_amount_text(abs(raw), decimals)} {symbol}"


def named_in(policy: Policy | None) -> Named:
    """Take the names of tokens from a book's policy; without one there are none."""
    tokens = () if policy is None else policy.tokens
    return Named({token.address: (token.symbol, token.decimals) for token in tokens})


def share_of(option: str, text: str) -> float:
    """Read an option that is a share, as `60%`. Raises: SettingsError naming the option."""
    try:
        return parse_bps(text) / WHOLE_BPS
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None


def left_text(item: str, left: NftLeft | Departure, policy: Policy | None) -> str:
    """Say of an NFT that left a book what it was worth, where it went, by which transaction, and of a departure when."""
    quote = None if policy is None else policy.quote
    known = left.value_quote
    worth = "of unknown worth" if known is None else f"worth {named_in(policy).amount(quote, known)}"
    parts = ["was burned" if left.to is None else f"has left for {left.to}"]
    if isinstance(left, Departure):
        when = datetime.fromtimestamp(left.block.timestamp_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        parts.append(f"at block {left.block.number} ({when})")
    if left.transaction_hash is not None:
        parts.append(f"by transaction {left.transaction_hash}")
    return f"NFT {keys.number_of(item)}, {worth}, {' '.join(parts)}"


def range_text(ticks: tuple[Tick, Tick], decimals: tuple[int, int], *, base_is_0: bool) -> str:
    """Show a range in prices of the base, lowest first, with its ticks. `decimals` are those of token0 and token1."""
    return f"{prices_text(ticks, decimals, base_is_0=base_is_0)} (ticks {ticks[0]}..{ticks[1]})"


def prices_text(ticks: tuple[Tick, Tick], decimals: tuple[int, int], *, base_is_0: bool) -> str:
    """Show a range in prices of the base, lowest first."""
    ends = [_end_text(tick, decimals, base_is_0=base_is_0) for tick in ticks]
    low, high = ends if base_is_0 else reversed(ends)
    return f"{low}–{high}"  # noqa: RUF001 - a range is written so


def _end_text(tick: Tick, decimals: tuple[int, int], *, base_is_0: bool) -> str:
    if abs(tick) >= _NO_END_TICK:
        return "0" if (tick < 0) == base_is_0 else "∞"
    return price_text(price_at_log(LogPrice(tick)), *decimals, base_is_0=base_is_0, digits=_DIGITS)
