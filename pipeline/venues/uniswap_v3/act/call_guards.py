"""Guards on calldata, read back from its bytes: only listed calls, for our owner, at prices and deadlines within the limits."""

from collections.abc import Iterable, Iterator

from pipeline.act.drafts import Draft
from pipeline.act.question import Question
from pipeline.errors import CalldataError
from pipeline.math.slippage import least_of_quote, most_of_quote
from pipeline.units import Address
from pipeline.venues.uniswap_v3.act.drafts import swap_of
from pipeline.venues.uniswap_v3.act.guard_question import market_of, pool_of
from pipeline.venues.uniswap_v3.act.market import least_swapped, swap_tolerance_bps, swap_window
from pipeline.venues.uniswap_v3.calldata import MANAGER, ROUTER, TOKEN, Called, read_calls
from pipeline.venues.uniswap_v3.deployment import acting_deployment

_DEADLINE_AT = {"mint": 10, "decreaseLiquidity": 4}
_RECIPIENT_AT = {"collect": 1, "mint": 9, "exactInputSingle": 3, "exactOutputSingle": 3}


def not_allowed(question: Question) -> str | None:
    """Refuse any call other than the few that are known, to our contracts and in favour of our owner."""
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
    policy, here = question.policy, acting_deployment(question.policy)
    contracts: dict[str, Iterable[Address | None]] = {
        MANAGER: (here.manager,),
        ROUTER: (here.router,),
        TOKEN: (policy.base, policy.quote),
    }
    if each.call.to not in contracts[call.contract]:
        return f"{call.name} on {each.call.to}"
    place = _RECIPIENT_AT.get(call.name)
    if place is not None and call.arguments[place] != policy.owner:
        return f"{call.name} pays {call.arguments[place]}"
    if call.name == "approve" and call.arguments[0] not in {here.manager, here.router}:
        return f"approve of {call.arguments[0]}"
    return None


def min_out(question: Question) -> str | None:
    """Require of a swap the stricter of the reference price less slippage and its quote less the tolerance."""
    pool, tolerance_bps = pool_of(question), swap_tolerance_bps(question.policy)
    market = market_of(question.market)
    for each, call in _calls(question, "exactInputSingle"):
        token_in, _, _, _, amount_in, asked, _ = call.arguments
        least = least_swapped(
            question.policy, market, pool.fee_pips, amount_in, zero_for_one=token_in == pool.token0
        )
        if asked < least:
            return f"asks for {asked}, the mean says {least}"
        swap = swap_of(each)
        if swap is None:
            return f"asks for {asked}, nobody has quoted it"
        quoted = swap.amount_out
        if quoted < asked:
            return f"would bring {quoted}, asked are {asked}"
        if asked < least_of_quote(quoted, tolerance_bps):
            return f"asks for {asked} of {quoted} that it would bring, tolerated are {tolerance_bps} bps"
    return _dear_purchase(question)


def _dear_purchase(question: Question) -> str | None:
    """Limit a purchase's cost by the reference price and slippage, and by its quote and the tolerance."""
    pool, market, policy = pool_of(question), market_of(question.market), question.policy
    for each, call in _calls(question, "exactOutputSingle"):
        token_in, _, _, _, amount_out, most_in, _ = call.arguments
        swap = swap_of(each)
        if swap is None or swap.amount_out != amount_out:
            return f"buys {amount_out}, nobody has quoted it"
        if most_in > most_of_quote(swap.amount_in, swap_tolerance_bps(policy)):
            return f"pays up to {most_in} for what would cost {swap.amount_in}"
        if (
            least_swapped(policy, market, pool.fee_pips, most_in, zero_for_one=token_in == pool.token0)
            > amount_out
        ):
            return f"pays up to {most_in} for {amount_out}, more than the mean says"
    return None


def price_limit(question: Question) -> str | None:
    """Require a swap to end no further from the mean prices than slippage and signer allow."""
    market, fee_pips = market_of(question.market), pool_of(question).fee_pips
    low_x96, high_x96 = swap_window(question.policy, market, fee_pips)
    for _, call in _calls(question, "exactInputSingle"):
        if not low_x96 <= call.arguments[6] <= high_x96:
            return f"may go to the price {call.arguments[6]}, not within {low_x96} to {high_x96}"
    return None


def deadline(question: Question) -> str | None:
    """Require a deadline of every call that depends on a price."""
    now_s = question.market.now_s
    last_s = now_s + question.policy.limits.deadline_s
    for _, call in _calls(question, "exactInputSingle", "exactOutputSingle", *_DEADLINE_AT):
        place = _DEADLINE_AT.get(call.name)
        ends_s = call.deadline_s if place is None else call.arguments[place]
        if ends_s is None or not now_s < ends_s <= last_s:
            return f"{call.name} may be mined until {ends_s}, now is {now_s}, at most {last_s}"
    return None


def _calls(question: Question, *names: str) -> Iterator[tuple[Draft, Called]]:
    """Iterate over the calls of these names; unreadable ones were refused before."""
    for each in question.drafts:
        for call in read_calls(each.call.data):
            if call.name in names:
                yield each, call
