"""Convert what a lending account owes and has supplied into base and quote: what is not base counts at its present price."""

from typing import NamedTuple

from pipeline.book.inventory import WHOLE_BPS
from pipeline.book.lending_accounts import LendingAccount, LendingAsset
from pipeline.errors import HedgeError
from pipeline.hedge.liquidation import DebtPosition
from pipeline.units import Address


class DebtInPair(NamedTuple):
    """A debt with its collateral, and the price of the base by the lending market's oracle, in whole quote."""

    position: DebtPosition
    price: float


def debt_in_pair(
    held: LendingAccount, base: Address, unit: Address, unit_in_quote: float = 1.0
) -> DebtInPair:
    """Take a lending account apart into base and quote, at the oracle's prices in a token of which a whole one is worth so much whole quote.

    Raises: HedgeError where the market does not price both.
    """
    prices = {each.token: each.price for each in held.assets}
    if not (prices.get(base) and prices.get(unit)):
        raise HedgeError("the lending market has no price of the book's base and collateral for this account")
    base_price = prices[base] / prices[unit] * unit_in_quote
    collateral, debt = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
    for each in held.assets:
        is_base = each.token == base
        worth = 1.0 if is_base else each.price / prices[unit] * unit_in_quote
        collateral[is_base] += worth * _whole(each, each.collateral) * each.threshold_bps / WHOLE_BPS
        debt[is_base] += worth * _whole(each, each.debt)
    return DebtInPair(DebtPosition(collateral[True], collateral[False], debt[True], debt[False]), base_price)


def distance(held: DebtInPair) -> float | None:
    """Compute by what share the price must move until the account may be liquidated; None where no price leads there."""
    at = held.position.liquidation_price()
    return None if at is None else at / held.price - 1


def _whole(asset: LendingAsset, raw: int) -> float:
    return raw / asset.unit
