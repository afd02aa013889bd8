"""Check whether an intent fits into the remaining budget: per transaction, per hour and per day."""

from pipeline.messages.journal import Charge
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.budget import DAY_S, HOUR_S, Window, most_gas_wei, spent_within
from pipeline.sign.nonces import Account
from streams.submit.limits import SignerLimits
from streams.submit.node import SignerView
from streams.submit.verdict import Refusal


def check_gas(
    intent: SubmitTransaction, gas_wei: int, account: Account, look: SignerView, limits: SignerLimits
) -> None:
    """Compare the most that gas and data may cost, and the coin that pays for it, with the limits. Raises: Refusal."""
    day = _window(account, look, DAY_S)
    reserve_wei = limits.gas_reserve_wei if intent.call.value_wei else 0
    _check(
        ("gas limit", intent.call.gas_limit, limits.max_gas_limit),
        ("wei of gas", gas_wei, limits.max_gas_wei),
        ("wei of gas within 24 h", day.gas_wei + gas_wei, limits.max_gas_wei_per_day),
        ("transactions within 24 h", day.transactions + 1, limits.max_transactions_per_day),
        (
            "wei of value, gas and reserve" if reserve_wei else "wei of value and gas",
            intent.call.value_wei + gas_wei + waiting_wei(account) + reserve_wei,
            look.balance_wei,
        ),
    )


def check_budget(charge: Charge, account: Account, look: SignerView, limits: SignerLimits) -> None:
    """Add what a transaction is charged to everything signed within the windows, and compare it with the budget. Raises: Refusal.

    Raises: Refusal.
    """
    budget = limits.budget
    day, hour = _window(account, look, DAY_S), _window(account, look, HOUR_S)
    others = day.tokens - {budget.token}
    if others and (charge.loss or charge.notional):
        raise Refusal(
            "limits",
            f"the last 24 h are charged in {', '.join(sorted(others))}, the file's budget_token is {budget.token}: "
            "they cannot be added up",
        )
    _check(
        ("raw notional", charge.notional, budget.max_notional),
        ("raw notional within 24 h", day.notional + charge.notional, budget.max_notional_per_day),
        ("raw loss within 24 h at worst", day.loss + charge.loss, budget.max_loss_per_day),
        ("actions within an hour", hour.actions + charge.actions, budget.max_actions_per_hour),
    )


def waiting_wei(account: Account) -> int:
    """Add up what pending nonces may still take of the owner's coin: value, and gas at the most that they offer."""
    return sum(bound.intent.call.value_wei + most_gas_wei(bound) for bound in account.waiting())


def _window(account: Account, look: SignerView, window_s: int) -> Window:
    return spent_within(account.standing, account.nonces, look.head.timestamp_s, window_s)


def _check(*limits: tuple[str, int, int]) -> None:
    for what, found, most in limits:
        if found > most:
            raise Refusal("limits", f"{found} {what}, at most {most}")
