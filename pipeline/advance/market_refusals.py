"""Handle a proposal that the market refused: give its cooldown back and set a short wait instead.

Whoever pushes a price for one block must not be able to cost a book an hour. So a refusal that the next block
may not give again costs `FIRST_WAIT_S`, twice as much each time in a row, and never more than the cooldown.
"""

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.guards import passing_reasons
from pipeline.decide.gates import held_off_s
from pipeline.messages.effects import BookEffects
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Seconds

_FORGOTTEN_AFTER = 2
"""Cooldowns without such a refusal, after which the next one counts as the first again."""


def give_back_cooldown(
    shard: Shard, policy: Policy, reason: str, now_s: Seconds, proposed_before_s: Seconds | None
) -> None:
    """Give back a proposal's cooldown if the reason for its refusal may have passed by the next block."""
    if reason not in passing_reasons():
        return
    key = keys.effects(policy.book)
    effects = shard.tables.need(key, BookEffects)
    held = replace(
        effects,
        last_proposed_at_s=proposed_before_s,
        refusals_in_a_row=1 + _in_a_row(effects, policy, now_s),
        refused_at_s=now_s,
    )
    shard.tables.put(key, held)


def forget_refusals(shard: Shard, policy: Policy) -> None:
    """Count the next refusal as the first again: a plan has ended."""
    key = keys.effects(policy.book)
    effects = shard.tables.find(key, BookEffects)
    if effects is not None:
        shard.tables.put(key, replace(effects, refused_at_s=None, refusals_in_a_row=0))


def _in_a_row(effects: BookEffects, policy: Policy, now_s: Seconds) -> int:
    """Count the refusals before this one, unless they are long past."""
    quiet_s = held_off_s(effects, policy) + _FORGOTTEN_AFTER * policy.strategy.cooldown_s
    if effects.refused_at_s is None or now_s > effects.refused_at_s + quiet_s:
        return 0
    return effects.refusals_in_a_row
