"""Check whether a market's reserves allow a change of a hedge: their configuration, their caps, and what they have.

A cap of whole tokens holds for all accounts together. What accrues to the treasury counts against a supply cap and is not followed, nor are debts
at a stable rate: within those a cap may be reached earlier than is told here, and the signer's simulation says so.
"""

from collections.abc import Iterator

from pipeline.book.inventory import WHOLE_BPS
from pipeline.hedge.port import HedgeChange, Misfit
from pipeline.messages.policy import Policy
from pipeline.units import Address
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3.act.account_after import AccountNow


def unfit(now: AccountNow, policy: Policy, change: HedgeChange) -> Misfit | None:
    """Return the first reason against a change."""
    return next(_reasons(now, policy, change), None)


def _reasons(now: AccountNow, policy: Policy, change: HedgeChange) -> Iterator[Misfit]:
    if change.size:
        yield from _closed("base", now.reserve(policy.base).configuration, grows=change.size > 0)
    if change.collateral:
        configuration = now.reserve(policy.collateral_token).configuration
        yield from _closed("collateral", configuration, grows=change.collateral > 0)
    if change.collateral > 0:
        yield from _not_supplied(now, policy.collateral_token, change.collateral)
    elif change.collateral < 0:
        yield from _lacking("collateral", now, policy.collateral_token, -change.collateral)
    if change.size > 0:
        yield from _not_borrowed(now, policy.base, change.size)
        yield from _not_lent_on(now, change)


def _closed(name: str, configuration: int, *, grows: bool) -> Iterator[Misfit]:
    if not bits.is_active(configuration) or bits.is_paused(configuration):
        yield Misfit(reason="reserve_paused", detail=f"the {name}'s reserve is paused")
    if grows and bits.is_frozen(configuration):
        yield Misfit(reason="reserve_frozen", detail=f"the {name}'s reserve is frozen")


def _not_supplied(now: AccountNow, token: Address, amount: int) -> Iterator[Misfit]:
    configuration, totals = now.reserve(token).configuration, now.totals(token)
    if bits.debt_ceiling(configuration):
        yield Misfit(reason="reserve_isolated", detail="the collateral is an isolated one")
    if not now.counts_collateral(token):
        yield Misfit(reason="reserve", detail="what is supplied of the collateral is switched off as such")
    cap = bits.supply_cap(configuration) * 10 ** bits.decimals(configuration)
    if not cap:
        return
    if totals is None:
        yield Misfit(
            reason="supply_cap", detail="the block does not tell how much is supplied of the collateral"
        )
    elif totals.supply + amount > cap:
        detail = f"{totals.supply} of the collateral is supplied, {amount} more would exceed its cap of {cap}"
        yield Misfit(reason="supply_cap", detail=detail)


def _not_borrowed(now: AccountNow, base: Address, amount: int) -> Iterator[Misfit]:
    configuration, totals = now.reserve(base).configuration, now.totals(base)
    if not bits.may_be_borrowed(configuration):
        yield Misfit(reason="reserve", detail="the base's reserve lends nothing")
    cap = bits.borrow_cap(configuration) * 10 ** bits.decimals(configuration)
    if cap and totals is None:
        yield Misfit(reason="borrow_cap", detail="the block does not tell how much of the base is owed")
    elif cap and totals is not None and totals.debt + amount > cap:
        detail = f"{totals.debt} base is owed by all, {amount} more would exceed its cap of {cap}"
        yield Misfit(reason="borrow_cap", detail=detail)
    yield from _lacking("base", now, base, amount)


def _lacking(name: str, now: AccountNow, asset: Address, amount: int) -> Iterator[Misfit]:
    """A reserve pays out what has not been borrowed. Where a block does not tell that, the transaction would revert at worst."""
    totals = now.totals(asset)
    if totals is not None and amount > totals.free:
        yield Misfit(reason="liquidity", detail=f"the {name}'s reserve has {totals.free} of {amount} left")


def _not_lent_on(now: AccountNow, change: HedgeChange) -> Iterator[Misfit]:
    data = now.data_after(change)
    most = data.collateral_base * data.ltv_bps // WHOLE_BPS
    if data.debt_base > most:
        detail = (
            f"would owe {data.debt_base} of {most} that the collateral lets be borrowed, in the oracle's unit"
        )
        yield Misfit(reason="loan_to_value", detail=detail)
