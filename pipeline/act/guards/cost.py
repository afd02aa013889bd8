"""Guards on the cost of acting: gas, and the venue's trades."""

from pipeline.act.guards.block import TIP_WEI
from pipeline.act.question import Question
from pipeline.book.inventory import WHOLE_BPS
from pipeline.messages.costs import ForeseenCost
from pipeline.units import RawAmount
from pipeline.venues.registry import need_actions


def costs_of(question: Question) -> ForeseenCost | None:
    """Return the cost of the whole plan, or later of a phase; None where gas has no price."""
    seen, actions = question.foreseen, need_actions(question.shard, question.policy, question.kind)
    if seen is None:
        limit = sum(each.call.gas_limit for each in question.drafts)
        expected = sum(actions.usual_gas[each.step] for each in question.drafts)
        count = len(question.drafts)
    else:
        limit, expected, count = seen.gas_limit, seen.gas_expected, seen.transactions
    at_limits, usual = (_gas_cost_quote(question, gas, count) for gas in (limit, expected))
    if at_limits is None or usual is None:
        return None
    traded = actions.trade_cost(question)
    return ForeseenCost(
        gas_expected=RawAmount(usual),
        gas_at_limits=RawAmount(at_limits),
        swap_fee=RawAmount(traded.fee),
        impact=RawAmount(traded.impact),
        way_back=RawAmount(traded.way_back),
    )


def cost(question: Question) -> str | None:
    """Limit the cost of the whole plan, or later of a phase, as a share of the plan's notional."""
    costs = costs_of(question)
    if costs is None:
        return "gas cannot be priced: neither base nor quote is the wrapped native token"
    most = _most(question) + question.missed_quote
    if costs.total <= most:
        return None
    return f"costs {costs.total} quote, {costs.gas_at_limits} of it gas, more than {most}"


def _most(question: Question) -> int:
    """Return the most that may be spent; for a step that ends outside the inner band, in proportion to how much nearer it brings the share.

    Where a step also lets an idle book earn again, it is not a mere step. Units: raw quote. Rounds: down.
    """
    most = question.notional_quote * question.policy.limits.max_cost_bps // WHOLE_BPS
    seen = question.foreseen
    if seen is None or seen.was_idle:
        return most
    band = question.policy.strategy
    before, after = seen.deviations(question.policy)
    if after <= band.inner_bps:
        return most
    return most * max(before - after, 0) // max(before, 1)


def daily_cost(question: Question) -> str | None:
    """Limit the cost of all plans within 24 hours, as a share of the book's value."""
    costs = costs_of(question)
    if question.foreseen is None or costs is None:
        return None
    most = question.value_quote * question.policy.limits.max_daily_cost_bps // WHOLE_BPS
    total = costs.total + sum(action.cost for action in question.today())
    return f"costs {total} quote within a day, more than {most}" if total > most else None


def daily_gas(question: Question) -> str | None:
    """Limit the cost of gas within 24 hours, as a share of the book's value."""
    costs = costs_of(question)
    if question.foreseen is None or costs is None:
        return None
    most = question.value_quote * question.policy.limits.max_daily_gas_bps // WHOLE_BPS
    total = costs.gas_at_limits + sum(action.gas for action in question.today())
    return f"gas costs {total} quote within a day, more than {most}" if total > most else None


def _gas_cost_quote(question: Question, gas_used: int, transactions: int) -> int | None:
    data_wei = transactions * question.policy.chain.data_fee_wei
    return question.gas_in_quote(gas_used * (question.market.base_fee_wei + TIP_WEI) + data_wei)
