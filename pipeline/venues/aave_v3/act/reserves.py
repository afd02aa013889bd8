"""Whether a market's configuration lets a hedge change as it is to.

Totals of a reserve are not followed: whether a cap is reached, or enough is there to be borrowed, only the signer's simulation tells.
"""

from collections.abc import Iterator

from pipeline.book.inventory import WHOLE_BPS
from pipeline.hedge.port import HedgeChange, Misfit
from pipeline.messages.policy import Policy
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3.act.account_after import AccountNow


def unfit(now: AccountNow, policy: Policy, change: HedgeChange) -> Misfit | None:
    """Tell the first reason against a change."""
    return next(_reasons(now, policy, change), None)


def _reasons(now: AccountNow, policy: Policy, change: HedgeChange) -> Iterator[Misfit]:
    base, quote = now.reserve(policy.base).configuration, now.reserve(policy.quote).configuration
    if change.size:
        yield from _closed("base", base, grows=change.size > 0)
        if change.size > 0 and not bits.may_be_borrowed(base):
            yield Misfit(reason="reserve", detail="the base's reserve lends nothing")
    if change.collateral:
        yield from _closed("quote", quote, grows=change.collateral > 0)
    if change.collateral > 0 and bits.debt_ceiling(quote):
        yield Misfit(reason="reserve", detail="the quote is an isolated collateral")
    if change.collateral > 0 and not now.counts_collateral(policy.quote):
        yield Misfit(reason="reserve", detail="what is supplied of the quote is switched off as collateral")
    if change.size > 0:
        data = now.data_after(change)
        most = data.collateral_base * data.ltv_bps // WHOLE_BPS
        if data.debt_base > most:
            detail = f"owes {data.debt_base} of {most} that the collateral lets be borrowed"
            yield Misfit(reason="reserve", detail=detail)


def _closed(name: str, configuration: int, *, grows: bool) -> Iterator[Misfit]:
    if not bits.is_active(configuration) or bits.is_paused(configuration):
        yield Misfit(reason="reserve", detail=f"the {name}'s reserve is paused")
    if grows and bits.is_frozen(configuration):
        yield Misfit(reason="reserve", detail=f"the {name}'s reserve is frozen")
