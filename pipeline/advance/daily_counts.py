"""Count for each book, over the last 24 hours, how many plans began, what they move and what they cost."""

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.guards import DAY_S
from pipeline.advance.book_context import BookContext
from pipeline.decide.hedging import URGENT
from pipeline.decide.levers import Option, is_hedge
from pipeline.messages.costs import ForeseenCost
from pipeline.messages.effects import Action, BookEffects
from pipeline.state.book_effects import effects_of
from pipeline.units import RawAmount, Seconds


def count_action(context: BookContext, notional: RawAmount, costs: ForeseenCost) -> None:
    """Count a plan that begins, with its expected notional and cost, and drop those older than a day."""
    effects = effects_of(context.shard.tables, context.policy.book)
    since_s = context.block.timestamp_s - DAY_S
    actions = tuple(action for action in effects.actions if action.at_s > since_s)
    begun = Action(
        at_s=context.block.timestamp_s, notional=notional, cost=costs.total, gas=costs.gas_at_limits
    )
    context.shard.tables.put(_key(context), replace(effects, actions=(*actions, begun)))


def proposed(context: BookContext, effects: BookEffects, chosen: Option) -> BookEffects:
    """Record a proposal: the cooldown of a re-range starts, or a hedge rests for its pace at least."""
    now_s, hedge = context.block.timestamp_s, context.policy.hedge
    effects = replace(effects, proposals=effects.proposals + 1)
    if not is_hedge(chosen) or not hedge:
        return replace(effects, last_proposed_at_s=now_s)
    effects = replace(effects, hedge_rests_until_s=Seconds(now_s + hedge.pace_s))
    return replace(effects, hedge_secured_at_s=now_s) if chosen.target.trigger == URGENT else effects


def rest_hedge(context: BookContext, *, proposed: bool = False) -> None:
    """Let a hedge rest: for its pace after a proposal, for its cooldown after a step that reaches its target."""
    hedge = context.policy.hedge
    if not hedge:
        return
    effects = effects_of(context.shard.tables, context.policy.book)
    rests_s = hedge.pace_s if proposed else hedge.cooldown_s
    until_s = Seconds(context.block.timestamp_s + rests_s)
    context.shard.tables.put(_key(context), replace(effects, hedge_rests_until_s=until_s))


def end_hedge_rest(context: BookContext) -> None:
    """End a hedge's rest: what its last step left open must be taken back."""
    effects = effects_of(context.shard.tables, context.policy.book)
    context.shard.tables.put(_key(context), replace(effects, hedge_rests_until_s=context.block.timestamp_s))


def count_again(context: BookContext, costs: ForeseenCost) -> None:
    """Add the cost of making a phase again to the present plan."""
    effects = context.shard.tables.find(_key(context), BookEffects)
    if effects is None or not effects.actions:
        return
    last = effects.actions[-1]
    more = replace(
        last,
        cost=RawAmount(last.cost + costs.total),
        gas=RawAmount(last.gas + costs.gas_at_limits),
    )
    context.shard.tables.put(_key(context), replace(effects, actions=(*effects.actions[:-1], more)))


def _key(context: BookContext) -> str:
    return keys.effects(context.policy.book)
