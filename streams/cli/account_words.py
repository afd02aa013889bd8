"""Put into words the liquidation of a book's account."""

from collections.abc import Sequence

from pipeline.messages.account_alerts import AccountLiquidated
from pipeline.messages.base import TokenAmount
from pipeline.messages.policy import Policy
from pipeline.units import Address, RawAmount
from streams.cli.wording import named_in
from streams.human_numbers import factor_text


def liquidated_text(said: AccountLiquidated, policy: Policy | None) -> str:
    """Describe what was repaid and taken, by whom, what went beyond its worth, and what is left."""
    bonus = (
        ""
        if said.bonus is None
        else f", {_amount(said.seized.token, said.bonus, policy)} of it beyond its worth"
    )
    health = "" if said.health_bps is None else f", health factor {factor_text(said.health_bps)}"
    return (
        f"what it owed was liquidated by {said.liquidator} in transaction {said.transaction_hash}: "
        f"{_of(said.repaid, policy)} was repaid, {_of(said.seized, policy)} was taken for it{bonus}; "
        f"{_all(said.collateral_left, policy)} of collateral and {_all(said.debt_left, policy)} of debt are left{health}"
    )


def _all(amounts: Sequence[TokenAmount], policy: Policy | None) -> str:
    return " and ".join(_of(each, policy) for each in amounts) or "nothing"


def _of(amount: TokenAmount, policy: Policy | None) -> str:
    return _amount(amount.token, amount.amount, policy)


def _amount(token: Address | None, raw: RawAmount, policy: Policy | None) -> str:
    return named_in(policy).amount(token, raw)
