"""The operator's word, the age of the block, the price as it is."""

from pipeline import keys
from pipeline.act.depth import is_worth_a_mint, most_minted, moved_in_token1
from pipeline.act.drafts import tell_limit
from pipeline.act.guards.question import Question
from pipeline.act.market import mint_window
from pipeline.errors import OutOfRangeError
from pipeline.messages.entries import HighestHead, Pause
from pipeline.units import Address, RawAmount
from pipeline.venues.uniswap_v3 import mean_tick
from pipeline.venues.uniswap_v3.pools import need_pool

TIP_WEI = 10**9
"""Beside the base fee, where a price of gas is wanted before anybody offers one."""


def paused(question: Question) -> str | None:
    """Nothing goes out while an operator has stopped all books, and of a stopped book only what takes permissions back.

    Whoever cancels what is signed wants nothing sent at all: the signer would refuse that too.
    """
    for scope in (keys.ALL, keys.book(question.policy.book)):
        pause = question.shard.tables.find(keys.pause(scope), Pause)
        if pause is not None and (scope == keys.ALL or pause.cancels or not question.only_resets):
            return f"paused: {scope}"
    return None


def stale_block(question: Question) -> str | None:
    """A branch that is still far below the highest block ever seen tells an old price: it is being caught up with."""
    head, highest = question.shard.tables.head, question.shard.tables.find(keys.HIGHEST, HighestHead)
    if head is None or highest is None:
        return "there is no head"
    behind, most = highest.number - head.number, question.policy.limits.max_age_blocks
    return (
        f"block {head.number} is {behind} below the highest seen, more than {most}" if behind > most else None
    )


def spot_from_twap(question: Question) -> str | None:
    """A price that has just jumped may have been pushed: the one that is acted at, or one that an asset is valued by."""
    apart = question.market.spot_from_twap_ticks
    most = question.policy.limits.spot_ticks(question.pool().fee_pips)
    if apart > most:
        return f"spot is {apart} ticks from the mean, more than {most}"
    found = (_pushed(question, pool) for pool in question.policy.price_path_pools())
    return next((reason for reason in found if reason is not None), None)


def _pushed(question: Question, pool: Address) -> str | None:
    """Hold the spot of a pool that values an asset against its mean over the policy's window."""
    live, limits = need_pool(question.shard, pool), question.policy.limits
    try:
        mean = mean_tick(live, question.market.now_s, limits.twap_window_s)
    except OutOfRangeError as error:
        return f"pool {pool}, which values an asset: {error}"
    apart, most = abs(live.tick - mean), limits.spot_ticks(live.pool().fee_pips)
    return (
        f"spot of pool {pool}, which values an asset, is {apart} ticks from the mean, more than {most}"
        if apart > most
        else None
    )


def mint_limited(question: Question) -> str | None:
    """A mint's minimums stand about the means: at a price beyond the slippage from them they are not met.

    Behind a swap the price counts that the swap leaves.
    """
    if all(each.step != "mint" for each in question.drafts):
        return None
    swap = next((each.swap for each in question.drafts if each.swap is not None), None)
    spot_x96 = question.pool().sqrt_price_x96 if swap is None else swap.sqrt_price_after_x96
    low_x96, high_x96 = mint_window(question.policy, question.market)
    if low_x96 <= spot_x96 <= high_x96:
        return None
    return f"spot is {spot_x96}, the minimums are met within {low_x96} to {high_x96}"


def depth(question: Question) -> str | None:
    """A mint that is much of what the pool holds makes its price: the signer has a bound, and a plan has to end within it.

    A book that earns is left as it is. One that is idle puts in what fits.
    """
    seen, market = question.foreseen, question.market
    if seen is not None:
        if seen.fits_depth or (seen.was_idle and is_worth_a_mint(seen.mint_moves, seen.mint_most)):
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
    token1 = question.pool().token1
    moves_quote, most_quote = question.in_quote(token1, moves), question.in_quote(token1, most)
    return f"the mint is worth {moves_quote} quote; of what the pool holds within 1 %, {most_quote} would fit max_share_of_depth"


def gas_price(question: Question) -> str | None:
    """What must be offered for a unit of gas has a ceiling, until waiting has cost as much as what lies above it."""
    wanted_wei = 2 * question.market.base_fee_wei + TIP_WEI
    most_wei = question.policy.limits.max_fee_per_gas_wei
    gas_limit = sum(each.call.gas_limit for each in question.drafts)
    if wanted_wei <= most_wei:
        return _dearer_than_foreseen(question, gas_limit)
    above = question.gas_in_quote((wanted_wei - most_wei) * gas_limit)
    if question.missed_quote and above is not None and above <= question.missed_quote:
        return None
    return f"{wanted_wei} wei a gas, more than {most_wei}"


def _dearer_than_foreseen(question: Question, gas_limit: int) -> str | None:
    """In the middle of a plan, hold a phase's gas against what the whole plan's was foreseen to cost: a storm is waited out.

    As above the ceiling, until waiting has cost as much.
    """
    most = question.gas_foreseen
    costs = question.gas_in_quote(gas_limit * (question.market.base_fee_wei + TIP_WEI))
    if most is None or costs is None or costs - most <= question.missed_quote:
        return None
    return f"gas costs {costs} quote; for the whole plan at most {most} were foreseen"


def swap_limited(question: Question) -> str | None:
    """A swap that its price limit would cut short leaves a book that no range fits; no step towards it is worth taking."""
    swaps = [each.swap for each in question.drafts if each.swap is not None]
    if question.foreseen is not None:
        swaps.append(question.foreseen.swap)
    for swap in swaps:
        if swap.limited:
            return tell_limit(swap)
    return None
