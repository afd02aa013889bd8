"""Compute an account's health by the signer's own prices, and how far the market's oracle is from them."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations

from pipeline.errors import UnreadableError
from pipeline.units import Address, Bps
from streams.submit.venues.aave_v3.account import ACCOUNT, AccountRead, HeldAtMarket
from streams.submit.venues.aave_v3.terms import LendingMarket
from streams.submit.verdict import Refusal

Prices = Mapping[Address, Sequence[Fraction]]
"""By token, raw units of the budget's token for one of it, at each reference."""

WAD = 10**18
_WHOLE_BPS = 10_000


def check_health(market: LendingMarket, after: AccountRead, prices: Prices, shock_bps: Bps) -> None:
    """Hold an account against the least health: by the market, and at the worst of all references after a shock.

    An account that owes nothing is healthy. Raises: Refusal.
    """
    if after.health_wad < market.least_health_wad:
        raise _unhealthy(Fraction(after.health_wad, WAD), market, "by its oracle")
    health = worst_health(after.holdings, prices, Fraction(market.least_health_wad, WAD), shock_bps)
    if health is not None and health * WAD < market.least_health_wad:
        shocked = f", after a shock of {shock_bps} bps" if shock_bps else ""
        raise _unhealthy(health, market, f"by the signer's references{shocked}")


def is_weak(market: LendingMarket, answer: bytes) -> bool:
    """Return whether an account owes something and is below the least health after the shock, by the market's own oracle. Raises: Refusal."""
    try:
        _, debt_base, _, _, _, health_wad = ACCOUNT.answer(answer)
    except UnreadableError as error:
        raise Refusal("market", f"{market.pool}: {error}") from None
    least_wad = market.least_health_wad * (_WHOLE_BPS + market.shock_bps)
    return bool(debt_base) and health_wad * _WHOLE_BPS < least_wad


def worst_health(
    holdings: Mapping[Address, HeldAtMarket], prices: Prices, least: Fraction, shock_bps: Bps
) -> Fraction | None:
    """Return the health factor where each price is on the side that makes it hardest to be at least `least`.

    sum(collateral * threshold * price) / sum(debt * price); it is below `least` at some prices if and only if it is below
    it here. The budget's own token, whose price is one, is not shocked: prices move against it. None where nothing is owed.
    """
    backed = owed = Fraction(0)
    for asset, held in holdings.items():
        weighed = Fraction(held.collateral * held.threshold_bps, _WHOLE_BPS)
        if not weighed and not held.debt:
            continue
        low, high = _shocked(prices[asset], shock_bps)
        price = low if weighed > least * held.debt else high
        backed += weighed * price
        owed += held.debt * price
    return backed / owed if owed else None


def check_oracle(market: LendingMarket, after: AccountRead, prices: Prices) -> None:
    """Hold what the oracle says two tokens are worth in each other against every reference. Raises: Refusal."""
    if after.oracle != market.oracle:
        raise Refusal(
            "market",
            f"the oracle of {market.name} is {after.oracle}, it was {market.oracle} when the signer began",
        )
    worth = {
        each.asset: Fraction(after.holdings[each.asset].price, 10**each.decimals) for each in market.reserves
    }
    for one, other in combinations(sorted(prices), 2):
        if not worth[one] or not worth[other]:
            raise Refusal("market", f"the oracle of {market.name} has no price of {one} or {other}")
        told = worth[one] / worth[other]
        for reference in (first / second for first in prices[one] for second in prices[other]):
            if abs(told - reference) * _WHOLE_BPS > reference * market.max_oracle_deviation_bps:
                apart_bps = int(abs(told - reference) * _WHOLE_BPS / reference)
                raise Refusal(
                    "market",
                    f"the oracle of {market.name} is {apart_bps} bps from a reference of {one} in {other}, "
                    f"at most {market.max_oracle_deviation_bps}",
                )


def check_debts(market: LendingMarket, before: AccountRead, after: AccountRead) -> None:
    """Let no debt grow beyond the file's, and none be owed that the file does not name. Raises: Refusal."""
    for each in market.reserves:
        owed, owes = before.holdings[each.asset].debt, after.holdings[each.asset].debt
        if owes > max(each.max_debt, owed):
            raise Refusal(
                "limits", f"a debt of {owes} of {each.asset} at {market.name}, at most {each.max_debt}"
            )
    named = sum(_debt_base(market, after))
    if after.debt_base > named:
        raise Refusal(
            "limits",
            f"{after.debt_base} base units are owed at {market.name}, {named} of them by debts that the file names",
        )


def _debt_base(market: LendingMarket, account: AccountRead) -> Iterator[int]:
    """Value each debt as the market does. Rounds: up, as 3.6 does; 3.0 down."""
    for each in market.reserves:
        held = account.holdings[each.asset]
        yield -(-held.debt * held.price // 10**each.decimals)


def _shocked(prices: Sequence[Fraction], shock_bps: Bps) -> tuple[Fraction, Fraction]:
    """Return the lowest and the highest that a price may become."""
    if list(prices) == [1]:
        return Fraction(1), Fraction(1)
    moved = Fraction(_WHOLE_BPS + shock_bps, _WHOLE_BPS)
    return min(prices) / moved, max(prices) * moved


def _unhealthy(health: Fraction, market: LendingMarket, by: str) -> Refusal:
    least = market.least_health_wad / WAD
    return Refusal(
        "limits", f"a health factor of {float(health):.4f} {by} at {market.name}, at least {least:.4f}"
    )
