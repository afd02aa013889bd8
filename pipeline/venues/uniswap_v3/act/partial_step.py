"""Find the largest step towards a goal: the nearest range whose swap ends within the price window.

A range's swap is the smaller the nearer the range is to the one that fits what is held without any swap. So between the two
a search by exact quotes finds the first that nothing cuts short.
"""

from msgspec.structs import replace

from pipeline.book.inventory import Stock
from pipeline.errors import PipelineError
from pipeline.math.search import first_where
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Tick
from pipeline.venues.uniswap_v3.act.drafts import describe_limit
from pipeline.venues.uniswap_v3.act.foresight import (
    ForeseenRerange,
    foresee,
    is_kept_away,
    misfit_bps,
)
from pipeline.venues.uniswap_v3.act.goal import Amounts, as_is
from pipeline.venues.uniswap_v3.act.market import PoolMarket
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.pools import need_pool


def largest_step(
    shard: Shard,
    policy: Policy,
    goal: PoolRange,
    market: PoolMarket,
    stock: Stock,
    *,
    whole: ForeseenRerange,
    freed: Amounts,
) -> tuple[PoolRange, ForeseenRerange] | None:
    """Find the range, between a goal's and the one that needs no swap, that leaves the share nearest to its target.

    `whole` is what the goal itself would come to.

    The goal itself, where its swap is not cut short, but leaves the share outside the inner band: by the price that it moves, or by what lies
    elsewhere, such as the wallet's reserves.
    None where there is no step: the goal is the whole way, or its range cannot hold the share for the pool's tick spacing, or even the
    least swap would be cut short.
    """
    if not whole.swap.limited:
        why = _why_short(shard, policy, goal, stock, whole, freed=freed)
        return (goal, replace(whole, cut_short=why)) if why else None
    try:
        start = as_is(shard, policy, goal, freed)
    except PipelineError:
        return None
    spacing = need_pool(shard, goal.pool).tick_spacing
    count = abs(start.tick_lower - goal.tick_lower) // spacing
    width = goal.tick_upper - goal.tick_lower
    towards = spacing if start.tick_lower > goal.tick_lower else -spacing

    def at(number: int) -> tuple[PoolRange, ForeseenRerange]:
        lower = Tick(goal.tick_lower + number * towards)
        nearer = replace(goal, tick_lower=lower, tick_upper=Tick(lower + width))
        return nearer, foresee(shard, policy, nearer, market, stock, freed=freed)

    number = first_where(lambda each: not at(each)[1].swap.limited, 1, count, 1)
    if number > count:
        return None
    nearer, seen = at(number)
    return nearer, replace(seen, cut_short=describe_limit(whole.swap))


def _why_short(
    shard: Shard, policy: Policy, goal: PoolRange, stock: Stock, whole: ForeseenRerange, *, freed: Amounts
) -> str:
    """Explain why a goal whose swap is not cut short is a step only; empty: it is the whole way, or the pool's tick spacing lets no range hold the share."""
    inner = policy.strategy.inner_bps
    if whole.deviations(policy)[1] <= inner:
        return ""
    if misfit_bps(shard, policy, goal, stock, freed) <= inner:
        return "its own swap moves the price"
    if is_kept_away(shard, policy, stock, freed):
        return "what lies outside the range, reserves among it, keeps the share from its target"
    return ""


def comes_nearer(seen: ForeseenRerange, policy: Policy) -> bool:
    """Return whether a step brings the share nearer to its target by at least the band's hysteresis."""
    before, after = seen.deviations(policy)
    return seen.is_active and seen.deploys and before - after >= max(policy.strategy.hysteresis_bps, 1)


def brings_into_range(seen: ForeseenRerange, policy: Policy) -> bool:
    """Return whether a step lets an idle book earn again without moving it further from its target."""
    before, after = seen.deviations(policy)
    return seen.was_idle and seen.is_active and seen.deploys and after <= before
