"""Guards on the market: whether a pool's price can be trusted, and whether it can take a swap and a mint."""

from pipeline.act.question import Question
from pipeline.errors import OutOfRangeError
from pipeline.units import Address, RawAmount
from pipeline.venues.uniswap_v3 import mean_tick
from pipeline.venues.uniswap_v3.act.depth import is_worth_a_mint, most_minted, moved_in_token1
from pipeline.venues.uniswap_v3.act.drafts import describe_limit, swap_of
from pipeline.venues.uniswap_v3.act.guard_question import foreseen_of, market_of, pool_of
from pipeline.venues.uniswap_v3.act.market import mint_window
from pipeline.venues.uniswap_v3.pools import live_pool, need_pool


def spot_from_twap(question: Question) -> str | None:
    """Refuse a spot price that has just jumped, of the pool acted in or of one that values an asset: it may have been manipulated."""
    apart = market_of(question.market).spot_from_twap_ticks
    most = question.policy.limits.spot_log_bps(pool_of(question).fee_pips)
    if apart > most:
        return f"spot is {apart} ticks from the mean, more than {most}"
    found = (_pushed(question, pool) for pool in question.policy.price_path_pools())
    return next((reason for reason in found if reason is not None), None)


def _pushed(question: Question, pool: Address) -> str | None:
    """Compare the spot price of a pool that values an asset with its mean over the policy's window; a pool elsewhere has none."""
    live, limits = live_pool(question.shard, pool), question.policy.limits
    if live is None:
        return f"pool {pool}, which values an asset, has no mean: it is not of this venue"
    try:
        mean = mean_tick(live, question.market.now_s, limits.twap_window_s)
    except OutOfRangeError as error:
        return f"pool {pool}, which values an asset: {error}"
    apart, most = abs(live.tick - mean), limits.spot_log_bps(live.pool().fee_pips)
    return (
        f"spot of pool {pool}, which values an asset, is {apart} ticks from the mean, more than {most}"
        if apart > most
        else None
    )


def swap_limited(question: Question) -> str | None:
    """Refuse a swap that its price limit would cut short where no partial step is worth taking: the book would fit no range."""
    swaps = [found for each in question.drafts if (found := swap_of(each)) is not None]
    seen = foreseen_of(question.foreseen)
    if seen is not None:
        swaps.append(seen.swap)
    for swap in swaps:
        if swap.limited:
            return describe_limit(swap)
    return None


def mint_limited(question: Question) -> str | None:
    """Refuse a mint at a price beyond the slippage from the mean prices: its minimums would not be met.

    Behind a swap the price counts that the swap leaves.
    """
    if all(each.step != "mint" for each in question.drafts):
        return None
    swap = next((found for each in question.drafts if (found := swap_of(each)) is not None), None)
    spot_x96 = pool_of(question).sqrt_price_x96 if swap is None else swap.sqrt_price_after_x96
    low_x96, high_x96 = mint_window(question.policy, market_of(question.market))
    if low_x96 <= spot_x96 <= high_x96:
        return None
    return f"spot is {spot_x96}, the minimums are met within {low_x96} to {high_x96}"


def depth(question: Question) -> str | None:
    """Refuse a mint that is much of the pool's depth: it would set its own price, and the signer has a limit.

    A book that earns is left as it is. One that is idle puts in what fits.
    """
    seen, market = foreseen_of(question.foreseen), market_of(question.market)
    if seen is not None:
        if seen.fits or (seen.was_idle and is_worth_a_mint(seen.mint_moves, seen.mint_most)):
            return None
        return _tell_depth(question, seen.mint_moves, seen.mint_most)
    live = need_pool(question.shard, question.policy.reference_pool)
    for each in question.drafts:
        if each.step == "mint":
            amounts = RawAmount(-each.minimums[0].delta), RawAmount(-each.minimums[1].delta)
            moves = moved_in_token1(market, amounts, live.sqrt_price_x96)
            most = most_minted(question.shard, live, question.policy, market)
            if moves > most:
                return _tell_depth(question, moves, most)
    return None


def _tell_depth(question: Question, moves: int, most: RawAmount) -> str:
    token1 = pool_of(question).token1
    moves_quote, most_quote = question.in_quote(token1, moves), question.in_quote(token1, most)
    return f"the mint is worth {moves_quote} quote; of what the pool holds within 1 %, {most_quote} would fit max_share_of_depth"
