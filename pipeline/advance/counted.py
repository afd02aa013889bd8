"""What a book's plans count for within a day: how many began, what they move and what they cost."""

from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.turn import Turn
from pipeline.guard import DAY_S
from pipeline.messages.costs import ForeseenCost
from pipeline.messages.effects import Action, BookEffects
from pipeline.units import RawAmount


def count_action(turn: Turn, notional: RawAmount, costs: ForeseenCost) -> None:
    """Count a plan that begins, at what it is foreseen to move and to cost, and forget those of another day."""
    effects = turn.shard.tables.find(_key(turn), BookEffects) or BookEffects()
    since_s = turn.block.timestamp_s - DAY_S
    actions = tuple(action for action in effects.actions if action.at_s > since_s)
    begun = Action(at_s=turn.block.timestamp_s, notional=notional, cost=costs.total, gas=costs.gas_at_limits)
    turn.shard.tables.put(_key(turn), replace(effects, actions=(*actions, begun)))


def count_again(turn: Turn, costs: ForeseenCost) -> None:
    """Add what it costs to make a phase once more to the plan that is under way."""
    effects = turn.shard.tables.find(_key(turn), BookEffects)
    if effects is None or not effects.actions:
        return
    last = effects.actions[-1]
    more = replace(
        last,
        cost=RawAmount(last.cost + costs.total),
        gas=RawAmount(last.gas + costs.gas_at_limits),
    )
    turn.shard.tables.put(_key(turn), replace(effects, actions=(*effects.actions[:-1], more)))


def _key(turn: Turn) -> str:
    return keys.effects(turn.policy.book)
