"""The least that calldata accepts, held against the signer's own simulation and the reference prices.

A minimum that follows a mean lags behind the market. One that follows the simulation alone follows a pool that was
pushed. The stricter of the two counts.
"""

from collections.abc import Iterator

from pipeline.math.slippage import least_of_quote
from pipeline.units import RawAmount, Tick
from pipeline.venues.uniswap_v3.forms.facts import Burned, Swapped
from streams.submit.calldata import KnownCall
from streams.submit.depth import Range
from streams.submit.limits import SignerLimits
from streams.submit.prices import Prices
from streams.submit.simulation import Effect
from streams.submit.value import Offer, in_order, pool_facts
from streams.submit.verdict import Refusal


def check_state(calls: tuple[KnownCall, ...], effect: Effect, prices: Prices, limits: SignerLimits) -> None:
    """Hold the pool itself, as our waiting transactions leave it, against references and depth. Raises: Refusal."""
    before = list(pool_facts(effect.logs_before, limits))
    here = prices.pool.address
    swaps = [fact for fact in before if isinstance(fact, Swapped) and fact.address == here]
    prices.check_spot(limits, [swaps[-1].tick] if swaps else ())
    leaving = [
        Range(tick_lower=fact.tick_lower, tick_upper=fact.tick_upper, liquidity=fact.liquidity)
        for fact in before
        if isinstance(fact, Burned) and fact.address == here
    ]
    for call in calls:
        match call.function, call.arguments:
            case "exactInputSingle", (token_in, _, _, _, amount_in, _, _):
                moves = prices.most(*in_order(token_in.lower(), amount_in, prices.pool))
                prices.check_depth(prices.near, moves, limits, leaving)
            case "mint", (_, _, _, _, _, desired0, desired1, *_):
                prices.check_depth(prices.deepest, prices.most(desired0, desired1), limits)
            case _:
                pass


def check_minimums_of_calls(
    calls: tuple[KnownCall, ...], effect: Effect, prices: Prices, limits: SignerLimits
) -> None:
    """Hold a swap's minimum against what it brings on the head, a mint's against every reference. Raises: Refusal."""
    swaps = _swaps_of_router(effect, limits)
    for call in calls:
        match call.function, call.arguments:
            case "exactInputSingle", (*_, least_out, _):
                _check_swap(least_out, next(swaps, None), limits)
            case "mint", (_, _, _, lower, upper, desired0, desired1, least0, least1, _, _):
                desired, least = (desired0, desired1), (least0, least1)
                _check_mint(Offer(lower=lower, upper=upper, desired=desired, least=least), prices, limits)
            case _:
                pass


def _swaps_of_router(effect: Effect, limits: SignerLimits) -> Iterator[Swapped]:
    """Read the swaps of the intent itself: each call of the router makes one, in order."""
    for fact in pool_facts(effect.logs, limits):
        if isinstance(fact, Swapped) and fact.sender == limits.router:
            yield fact


def _check_swap(least_out: int, swap: Swapped | None, limits: SignerLimits) -> None:
    if swap is None:
        raise Refusal("simulation", "a swap that moves no listed pool on the head")
    simulated_out = RawAmount(-min(swap.amount0_delta, swap.amount1_delta))
    wanted = least_of_quote(simulated_out, limits.swap_tolerance_bps)
    if least_out < wanted:
        raise Refusal(
            "limits",
            f"the swap's minimum is {least_out}; it brings {simulated_out} on the head, so at least {wanted}",
        )


def _check_mint(offer: Offer, prices: Prices, limits: SignerLimits) -> None:
    """See that the minimums are met near every reference only; a range beside a reference counts from its nearer end."""
    first, last = offer.accepted()
    for each in prices.references:
        middle = min(max(each.tick, offer.lower), offer.upper)
        most = (
            limits.max_loss_bps + each.slack_ticks + 1
        )  # a tick is a basis point; both ends are a tick outwards
        for end in (Tick(first), Tick(last)):
            if abs(end - middle) > most:
                raise Refusal(
                    "limits",
                    f"the mint's minimums are met {abs(end - middle)} ticks from {each.name}, at most {most}",
                )
