"""Step 7: one list of reasons not to act. The first that holds refuses the whole phase.

The signer asks again, by its own limits, right before it signs.
"""

from collections.abc import Callable, Iterable

import msgspec

from pipeline.errors import CalldataError
from pipeline.inventory import WHOLE_BPS
from pipeline.math.q import PIPS
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.effects import BookEffects
from pipeline.messages.entries import Pause, Pool
from pipeline.messages.policy import Policy
from pipeline.plan import Draft, Market
from pipeline.protocols.uniswap_v3.calldata import MANAGER, ROUTER, TOKEN, Called, read_calls
from pipeline.shard import Shard
from pipeline.units import Address, RawAmount

DAY_S = 86_400
_TIP_WEI = 10**9


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Which guard refused, and by how much."""

    reason: str
    detail: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What every guard may look at."""

    shard: Shard
    policy: Policy
    market: Market
    effects: BookEffects
    drafts: tuple[Draft, ...]
    notional_quote: RawAmount
    opening: bool
    """Whether these are the plan's first transactions: what limits a whole action is asked here."""


Guard = Callable[[Question], str | None]


def guard(question: Question) -> Refusal | None:
    """Ask every guard in order."""
    for reason, ask in GUARDS.items():
        detail = ask(question)
        if detail is not None:
            return Refusal(reason=reason, detail=detail)
    return None


# ------------------------------------------------------------------ operators and the market
def _paused(question: Question) -> str | None:
    for scope in ("all", f"book/{question.policy.book}"):
        if question.shard.tables.find(f"pause/{scope}", Pause) is not None:
            return f"paused: {scope}"
    return None


def _spot_from_twap(question: Question) -> str | None:
    apart, most = question.market.spot_from_twap_ticks, question.policy.limits.max_spot_from_twap_ticks
    return f"spot is {apart} ticks from the mean, more than {most}" if apart > most else None


def _gas_price(question: Question) -> str | None:
    wanted_wei = 2 * question.market.base_fee_wei + _TIP_WEI
    most_wei = question.policy.limits.max_fee_per_gas_wei
    return f"{wanted_wei} wei a gas, more than {most_wei}" if wanted_wei > most_wei else None


def _swap_limited(question: Question) -> str | None:
    """A swap that its price limit would cut short leaves a book that no range fits."""
    for each in question.drafts:
        if each.swap is not None and each.swap.limited:
            return f"the price limit {each.swap.limit_x96} lets only {each.swap.amount_in} be sold"
    return None


# ------------------------------------------------------------------ how much
def _notional(question: Question) -> str | None:
    most = question.policy.limits.max_notional_quote
    if question.opening and most is not None and question.notional_quote > most:
        return f"moves {question.notional_quote}, more than {most}"
    return None


def _today(question: Question) -> list[tuple[int, int]]:
    since_s = question.market.now_s - DAY_S
    return [(at_s, moved) for at_s, moved in question.effects.actions if at_s > since_s]


def _daily_notional(question: Question) -> str | None:
    most = question.policy.limits.max_daily_notional_quote
    if not question.opening or most is None:
        return None
    total = question.notional_quote + sum(moved for _, moved in _today(question))
    return f"{total} within a day, more than {most}" if total > most else None


def _daily_actions(question: Question) -> str | None:
    count, most = 1 + len(_today(question)), question.policy.limits.max_actions_per_day
    return f"{count} actions within a day, more than {most}" if question.opening and count > most else None


# ------------------------------------------------------------------ what it costs
def _cost(question: Question) -> str | None:
    """Gas, swap fee and impact, against the notional of the plan."""
    gas = _gas_cost_quote(question)
    if gas is None:
        return "gas cannot be priced: neither base nor quote is the wrapped native token"
    cost = gas + sum(_swap_cost_quote(question, each) for each in question.drafts)
    most = question.notional_quote * question.policy.limits.max_cost_bps // WHOLE_BPS
    return f"costs {cost} quote, more than {most}" if cost > most else None


def _gas_cost_quote(question: Question) -> int | None:
    policy = question.policy
    gas = sum(each.call.gas_limit for each in question.drafts)
    cost_wei = gas * (question.market.base_fee_wei + _TIP_WEI)
    if policy.chain.wrapped_native == policy.quote:
        return cost_wei
    if policy.chain.wrapped_native == policy.base:
        return _in_quote(question, policy.base, cost_wei)
    return None


def _swap_cost_quote(question: Question, each: Draft) -> int:
    """Value what goes in less what comes out at the reference price: fee and impact together. At least 0."""
    if each.swap is None:
        return 0
    pool = _pool(question)
    down = each.swap.zero_for_one
    token_in, token_out = (pool.token0, pool.token1) if down else (pool.token1, pool.token0)
    paid = _in_quote(question, token_in, each.swap.amount_in)
    fee = paid * pool.fee_pips // PIPS
    return max(paid - _in_quote(question, token_out, each.swap.amount_out), fee)


def _in_quote(question: Question, token: Address, amount: int) -> int:
    if token == question.policy.quote:
        return amount
    at = question.market.reference_x96
    if _pool(question).token0 == token:
        return value_in_token1(RawAmount(amount), at)
    return value_in_token0(RawAmount(amount), at)


def _pool(question: Question) -> Pool:
    return question.shard.tables.need(f"pool/{question.policy.reference_pool}", Pool)


# ------------------------------------------------------------------ what may be called
def _allowed(question: Question) -> str | None:
    """Every call must be one of the few, on our contracts, in favour of our owner."""
    for each in question.drafts:
        try:
            calls = read_calls(each.call.data)
        except CalldataError as error:
            return str(error)
        wrong = next((w for call in calls if (w := _wrong(question, each, call)) is not None), None)
        if wrong is not None:
            return wrong
    return None


def _wrong(question: Question, each: Draft, call: Called) -> str | None:
    policy = question.policy
    contracts: dict[str, Iterable[Address | None]] = {
        MANAGER: (policy.chain.position_manager,),
        ROUTER: (policy.chain.router,),
        TOKEN: (policy.base, policy.quote),
    }
    if each.call.to not in contracts[call.contract]:
        return f"{call.name} on {each.call.to}"
    places = {"collect": 1, "mint": 9, "exactInputSingle": 3}
    place = places.get(call.name)
    if place is not None and call.arguments[place] != policy.owner:
        return f"{call.name} pays {call.arguments[place]}"
    spenders = {policy.chain.position_manager, policy.chain.router}
    if call.name == "approve" and call.arguments[0] not in spenders:
        return f"approve of {call.arguments[0]}"
    return None


GUARDS: dict[str, Guard] = {
    "paused": _paused,
    "spot_from_twap": _spot_from_twap,
    "gas_price": _gas_price,
    "swap_limited": _swap_limited,
    "notional": _notional,
    "daily_notional": _daily_notional,
    "daily_actions": _daily_actions,
    "cost": _cost,
    "not_allowed": _allowed,
}
"""Reason code to guard, in the order in which they are asked."""
