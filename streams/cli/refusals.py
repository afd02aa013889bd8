"""The details of a refusal in human units: the pipeline writes raw integers of the quote, wei and sqrt prices."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from pipeline.math.log_prices import price_of_root
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount, SqrtPriceX96
from streams.cli.wording import named_in
from streams.human import amount_text, price_text

_GWEI_DIGITS = 9
_PRICE_DIGITS = 6

_QUOTE = (
    r"\bmoves (\d+), more than (\d+)",
    r"\bcosts (\d+ quote), (\d+) of it gas, more than (\d+)",
    r"\bcosts (\d+ quote) within a day, more than (\d+)",
    r"(?:^|: )(\d+) within a day, more than (\d+)",
    r"\bgas costs (\d+ quote); for the whole plan at most (\d+) were foreseen",
    r"\bis worth (\d+ quote); of what the pool holds within 1 %, (\d+) would fit",
)
_GAS = (r"(?:^|: )(\d+ wei) a gas, more than (\d+)",)
_PRICE = (
    r"\bspot is (\d+), the minimums are met within (\d+) to (\d+)",
    r"\bmay go to the price (\d+), not within (\d+) to (\d+)",
    r"\bthe price limit (\d+) lets only",
)


def in_units(text: str, policy: Policy | None) -> str:
    """Give each number of a refusal's detail its unit; without the book's policy they stay as they are."""
    if policy is None:
        return text
    shown: Mapping[tuple[str, ...], Callable[[int], str]] = {
        _QUOTE: partial(_amount, policy),
        _GAS: _gwei,
        _PRICE: partial(_price, policy),
    }
    for patterns, show in shown.items():
        for pattern in patterns:
            text = re.sub(pattern, partial(_with_units, show), text)
    return text


def _with_units(show: Callable[[int], str], found: re.Match[str]) -> str:
    """Replace each number that a pattern has found, and the unit behind it."""
    text, end = "", found.start()
    for number in range(1, found.re.groups + 1):
        start = found.start(number)
        text += found.string[end:start] + show(int(found[number].split()[0]))
        end = found.end(number)
    return text + found.string[end : found.end()]


def _amount(policy: Policy, raw: int) -> str:
    return named_in(policy).amount(policy.quote, RawAmount(raw))


def _gwei(wei: int) -> str:
    return f"{amount_text(wei, _GWEI_DIGITS, places=3)} gwei"


def _price(policy: Policy, sqrt_price_x96: int) -> str:
    """Show a price of the reference pool in quote per base: a pool orders its tokens by address."""
    base_is_0 = policy.base < policy.quote
    token0, token1 = (policy.base, policy.quote) if base_is_0 else (policy.quote, policy.base)
    decimals = policy.decimals(token0), policy.decimals(token1)
    return price_text(
        price_of_root(SqrtPriceX96(sqrt_price_x96)), *decimals, base_is_0=base_is_0, digits=_PRICE_DIGITS
    )
