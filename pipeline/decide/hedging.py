"""Decide whether to move a book's hedge: its net exposure has left the band, or its debt is not secured well enough."""

import msgspec

from pipeline.book.inventory import Stock
from pipeline.decide.gates import FIRST_WAIT_S, base_to_buy
from pipeline.decide.levers import Option, is_hedge
from pipeline.decide.strategies import Target
from pipeline.errors import ImpossibleFactError, PipelineError
from pipeline.hedge.port import HedgePosition
from pipeline.messages.decisions import Trigger
from pipeline.messages.effects import BookEffects
from pipeline.messages.goals import Goal, Phase
from pipeline.messages.policy import Policy
from pipeline.messages.views import HedgeShown
from pipeline.state.shard import Shard
from pipeline.units import RawAmount, Seconds
from pipeline.venues.registry import hedge_venue, need_hedging

URGENT: Trigger = "health_low"
"""It waits for no cooldown, and goes before a re-range."""
LEG_FAILED: Trigger = "leg_failed"
"""A step ended between two of its legs: the first is taken back before anything else but low health."""
UNWIND: Trigger = "unwind"
"""Nothing is to be hedged, and something is left: it waits for no cooldown either."""


class ProposedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """What a proposal's plan trades in total, and borrows for it. Units: raw base."""

    to_buy: RawAmount
    """Negative: to sell."""
    to_borrow: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """Negative: to repay; left out where it is not of a re-range and a hedge together."""


def hedge_trigger(shard: Shard, policy: Policy, stock: Stock) -> Trigger | None:
    """Return why a hedge must be moved; None: it need not be, or the book has none. Raises: ImpossibleFactError."""
    if not policy.hedge:
        return None
    held = position_of(shard, policy)
    if policy.hedge.is_low(held.health_bps):
        return URGENT
    if held.waits:  # for an order: the position is not yet what was asked for
        return None
    if need_hedging(policy).left_open(shard, policy):
        return LEG_FAILED
    if need_hedging(policy).target(shard, policy, stock) is None:
        return None
    return UNWIND if policy.hedge.ends else "net_outside_band"


def proposed_trade(shard: Shard, policy: Policy, stock: Stock, chosen: Option) -> ProposedTrade:
    """Return what an option's plan trades at spot, without price impact. Raises: PipelineError.

    `stock`: of a re-range the book without what it has at its hedge's venue.
    """
    if is_hedge(chosen):
        return ProposedTrade(to_buy=_hedge_to_buy(shard, policy, stock))
    if chosen.lever != "both":
        return ProposedTrade(to_buy=base_to_buy(stock, policy))
    change, after = need_hedging(policy).change_with_range(shard, policy, stock)
    return ProposedTrade(to_buy=base_to_buy(after, policy), to_borrow=RawAmount(change.size))


def _hedge_to_buy(shard: Shard, policy: Policy, stock: Stock) -> RawAmount:
    """Return the base that a step buys (negative: sells) to reach its target; 0 where it secures a debt or takes a leg back."""
    if need_hedging(policy).left_open(shard, policy):
        return RawAmount(0)
    target = need_hedging(policy).target(shard, policy, stock)
    return RawAmount(0 if target is None else target.net - stock.base_amount)


def compensates_after_s(policy: Policy, goal: Goal, phase: Phase) -> Seconds | None:
    """Return how long a failing phase may keep a step open before the leg before it is taken back; None: for ever."""
    return need_hedging(policy).compensates_after_s(policy, goal, phase)


def hedge_shown(shard: Shard, policy: Policy, stock: Stock) -> HedgeShown | msgspec.UnsetType:
    """Return the state of a book's hedge; nothing where it has none, or its position is not known."""
    if not policy.hedge:
        return msgspec.UNSET
    try:
        return need_hedging(policy).shown(shard, policy, stock)
    except PipelineError:
        return msgspec.UNSET


def position_of(shard: Shard, policy: Policy) -> HedgePosition:
    """Return a hedged book's position at its venue. Raises: ImpossibleFactError where it is not known."""
    venue = hedge_venue(policy)
    if venue is None:
        raise ImpossibleFactError(f"book {policy.book} is not hedged")
    return venue.position(shard, policy)


def offer_hedge(
    shard: Shard, policy: Policy, stock: Stock, effects: BookEffects, now_s: Seconds
) -> Option | None:
    """Offer a step of the hedge; None where none is needed, or the hedge rests after the last one."""
    if policy.mode == "watch":
        return None
    trigger = hedge_trigger(shard, policy, stock)
    if trigger is None or now_s < _rests_until_s(policy, effects, trigger, now_s):
        return None
    target = Target(base_share_bps=policy.strategy.target_share_bps, trigger=trigger)
    return Option(lever="hedge", target=target)


def with_hedge(shard: Shard, policy: Policy, moved: Stock, chosen: Option) -> Option:
    """Add a step of the hedge to a re-range that would leave the net exposure outside its band, even while the hedge rests.

    `moved`: the book without what it has at the hedge's venue.
    """
    if policy.hedge and need_hedging(policy).goes_with_range(shard, policy, moved):
        return msgspec.structs.replace(chosen, lever="both")
    return chosen


def _rests_until_s(policy: Policy, effects: BookEffects, trigger: Trigger, now_s: Seconds) -> int:
    """Return when a step may be proposed again: for low health a minute after the last such proposal, whatever came of it.

    What ends a hedge rests for its pace at most: a longer rest is that of a step before, which it does not wait for.
    """
    if trigger == URGENT:
        last_s = effects.hedge_secured_at_s
        return 0 if isinstance(last_s, msgspec.UnsetType) else last_s + FIRST_WAIT_S
    until_s = effects.hedge_rests_until_s
    if isinstance(until_s, msgspec.UnsetType):
        return 0
    if trigger == UNWIND and policy.hedge and until_s > now_s + policy.hedge.pace_s:
        return 0
    return until_s
