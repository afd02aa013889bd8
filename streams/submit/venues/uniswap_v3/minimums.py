"""Check the least that calldata accepts and the most that it pays, against the signer's simulation and reference prices.

A minimum that follows a mean lags behind the market. One that follows the simulation alone follows a pool that was
pushed. The stricter of the two counts.
"""

from collections.abc import Iterator

from pipeline.math.slippage import least_of_quote, most_of_quote
from pipeline.units import Bps, RawAmount, Tick
from streams.submit.venues.port import JudgedIntent
from streams.submit.venues.uniswap_v3.calldata import takes_liquidity_out
from streams.submit.venues.uniswap_v3.depth import Range
from streams.submit.venues.uniswap_v3.pool_logs import PoolSwap, liquidity_changes, swaps
from streams.submit.venues.uniswap_v3.prices import Prices
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, UniswapV3Terms
from streams.submit.venues.uniswap_v3.value import Offer, in_order
from streams.submit.verdict import Refusal


def check_state(judged: JudgedIntent, prices: Prices, here: ListedDeployment, terms: UniswapV3Terms) -> None:
    """Compare the pool, as our pending transactions leave it, with references and depth. Raises: Refusal."""
    before, pool = judged.effect.logs_before, prices.pool.address
    ticks = [swap.tick for swap in swaps(before, [pool])]
    only_takes_out = takes_liquidity_out(judged.calls)
    bound_of = terms.withdrawing_bound_ticks if only_takes_out else terms.spot_bound_ticks
    prices.check_spot(bound_of(prices.pool), ticks[-1:])
    leaving = [
        Range(tick_lower=each.tick_lower, tick_upper=each.tick_upper, liquidity=each.liquidity)
        for each in liquidity_changes(before, [here])
        if each.pool == pool and each.change < 0
    ]
    for call in judged.calls:
        match call.function, call.arguments:
            case ("exactInputSingle", (token_in, _, _, _, amount_in, _, _)) | (
                "exactOutputSingle",
                (token_in, _, _, _, _, amount_in, _),
            ):
                moves = prices.most(*in_order(token_in.lower(), amount_in, prices.pool))
                prices.check_depth(prices.near, moves, terms, leaving)
            case "mint", (_, _, _, _, _, desired0, desired1, *_):
                prices.check_depth(prices.deepest, prices.most(desired0, desired1), terms)
            case _:
                pass


def check_minimums_of_calls(
    judged: JudgedIntent, prices: Prices, here: ListedDeployment, terms: UniswapV3Terms, *, max_loss_bps: Bps
) -> None:
    """Compare a swap's minimum or maximum with its result at the head, a mint's minimums with every reference. Raises: Refusal."""
    made = _swaps_of_router(judged, here)
    for call in judged.calls:
        match call.function, call.arguments:
            case "exactInputSingle", (*_, least_out, _):
                _check_sale(least_out, _whole(next(made, None)), terms.swap_tolerance_bps)
            case "exactOutputSingle", (*_, most_in, _):
                _check_purchase(most_in, _whole(next(made, None)), terms.swap_tolerance_bps)
            case "mint", (_, _, _, lower, upper, desired0, desired1, least0, least1, _, _):
                desired, least = (desired0, desired1), (least0, least1)
                offer = Offer(lower=lower, upper=upper, desired=desired, least=least)
                _check_mint(offer, prices, max_loss_bps)
            case _:
                pass


def _swaps_of_router(judged: JudgedIntent, here: ListedDeployment) -> Iterator[PoolSwap]:
    """Read the intent's own swaps: each call of the router makes one, in order."""
    for swap in swaps(judged.effect.logs, [pool.address for pool in here.pools]):
        if swap.sender == here.router:
            yield swap


def _whole(swap: PoolSwap | None) -> PoolSwap:
    if swap is None:
        raise Refusal("simulation", "a swap that moves no listed pool on the head")
    return swap


def _check_sale(least_out: int, swap: PoolSwap, tolerance_bps: Bps) -> None:
    simulated_out = RawAmount(-min(swap.amount0, swap.amount1))
    wanted = least_of_quote(simulated_out, tolerance_bps)
    if least_out < wanted:
        raise Refusal(
            "limits",
            f"the swap's minimum is {least_out}; it brings {simulated_out} on the head, so at least {wanted}",
        )


def _check_purchase(most_in: int, swap: PoolSwap, tolerance_bps: Bps) -> None:
    simulated_in = RawAmount(max(swap.amount0, swap.amount1))
    wanted = most_of_quote(simulated_in, tolerance_bps)
    if most_in > wanted:
        raise Refusal(
            "limits",
            f"the swap's maximum is {most_in}; it takes {simulated_in} on the head, so at most {wanted}",
        )


def _check_mint(offer: Offer, prices: Prices, max_loss_bps: Bps) -> None:
    """Check that the minimums are met only near every reference; a range beside a reference counts from its nearer end."""
    first, last = offer.accepted()
    for each in prices.references:
        middle = min(max(each.tick, offer.lower), offer.upper)
        most = max_loss_bps + each.slack_ticks + 1  # a tick is a basis point; both ends are a tick outwards
        for end in (Tick(first), Tick(last)):
            if abs(end - middle) > most:
                raise Refusal(
                    "limits",
                    f"the mint's minimums are met {abs(end - middle)} ticks from {each.name}, at most {most}",
                )
