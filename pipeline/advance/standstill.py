"""Leave the time in which the chain had no block out of the clocks of a plan: nothing could be mined in it."""

from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.messages.effects import Plan
from pipeline.units import Seconds

_PARTS, _LEAST_S = 10, 30
"""Between two blocks at most a tenth of `stall_after` counts, or half a minute where that is more: two missed slots of the slowest chain."""


def leave_out_standstill(context: BookContext) -> None:
    """Set the clocks of a plan that is not over forward by the time between two blocks that does not count.

    After a reorg the same time may be left out again. No clock goes beyond the block's time, so a wait begins anew at worst.
    """
    key = keys.plan(context.policy.book)
    plan, left_out_s = context.shard.tables.find(key, Plan), _left_out_s(context)
    if plan is None or not left_out_s or (plan.closed is not None and not plan.allowances):
        return

    def later(at_s: Seconds | None) -> Seconds | None:
        return None if at_s is None else Seconds(min(at_s + left_out_s, context.block.timestamp_s))

    clocks = {"stalled_since_s": later(plan.stalled_since_s), "commanded_at_s": later(plan.commanded_at_s)}
    context.shard.tables.put(key, replace(plan, **clocks))


def _left_out_s(context: BookContext) -> int:
    """Return how much of the time since the block before does not count."""
    if context.former is None:
        return 0
    counts_s = max(context.policy.action.stall_after_s // _PARTS, _LEAST_S)
    return max(context.block.timestamp_s - context.former.timestamp_s - counts_s, 0)
