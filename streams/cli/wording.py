"""Format amounts and prices for every screen: an amount with its token's symbol, a price of the base in whole tokens."""

from collections.abc import Mapping

import msgspec

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import SettingsError
from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.units import Address, RawAmount
from streams.human_numbers import parse_bps, price_text, rounded_amount_text, short

_DIGITS = 6
"""Of a price."""


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


def pair_decimals(policy: Policy) -> tuple[int, int]:
    """Return the decimals of a book's pair, of its token0 and its token1."""
    base, quote = policy.decimals(policy.base), policy.decimals(policy.quote)
    return (base, quote) if policy.base < policy.quote else (quote, base)


def price_unit(policy: Policy) -> str:
    """Name what a price of a book's pair is counted in, e.g. `USDC per WETH`."""
    symbols = {token.address: token.symbol for token in policy.tokens}
    return f"{symbols[policy.quote]} per {symbols[policy.base]}"


def pair_price_text(policy: Policy, price: Price) -> str:
    """Show a price of a book's pair: the quote per base, in whole tokens."""
    base_is_0 = policy.base < policy.quote
    return price_text(price, *pair_decimals(policy), base_is_0=base_is_0, digits=_DIGITS)
