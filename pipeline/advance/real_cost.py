"""Add up a plan's real cost at every block: from receipts, the logs of its trades, and the fees that it misses."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.settle import has_withdrawn_tokens
from pipeline.advance.book_context import BookContext
from pipeline.book.inventory import Tracked
from pipeline.book.pricing import gas_in_quote, in_quote
from pipeline.messages.base import Output, Price
from pipeline.messages.costs import ForeseenCost, PlanCost, RealCost
from pipeline.messages.decisions import PlanClosed
from pipeline.messages.effects import Intent, Plan
from pipeline.messages.entries import Mined
from pipeline.messages.goals import Step, kind_of
from pipeline.state.shard import Shard
from pipeline.units import Bps, Hash, RawAmount, Wei
from pipeline.venues.acting import VenueActions
from pipeline.venues.registry import find_actions


def count_cost(context: BookContext, tracked: Tracked) -> None:
    """Add a block's cost to the book's open plan, even where the book's inventory is not known."""
    tables, policy = context.shard.tables, context.policy
    plan = tables.find(keys.plan(policy.book), Plan)
    if plan is None or plan.closed is not None:
        return
    actions = find_actions(context.shard, policy, kind_of(plan.goal))
    if actions is None:
        return
    at = actions.mean_price(context.shard, policy, context.block.timestamp_s)
    if at is None:
        return
    before = tables.find(keys.cost(policy.book), PlanCost)
    if before is None or before.plan != plan.id:
        before = PlanCost(plan=plan.id)
    gas, counted = _add_gas(context, plan, before, at)
    cost = replace(
        gas,
        swap_loss=RawAmount(gas.swap_loss + _swap_loss(context, actions, plan, tracked, at)),
        missed_fees=RawAmount(gas.missed_fees + _missed(context, actions, before, at)),
    )
    after = replace(before, cost=cost, counted=counted, outside=None)
    if has_withdrawn_tokens(plan, tables):
        after = replace(
            after,
            cost=replace(cost, blocks_outside=cost.blocks_outside + 1),
            outside=actions.outside(context.shard, policy, plan.goal),
        )
    tables.put(keys.cost(policy.book), after)


def with_cost(shard: Shard, said: Output, deviation_bps: Bps | None) -> Output:
    """Add real and expected cost to a plan's end; return any other output unchanged."""
    plan = shard.tables.find(keys.plan(said.book), Plan) if isinstance(said, PlanClosed) else None
    if not isinstance(said, PlanClosed) or plan is None or plan.id != said.plan:
        return said
    counted = shard.tables.find(keys.cost(said.book), PlanCost)
    cost = counted.cost if counted is not None and counted.plan == plan.id else None
    return replace(
        said,
        cost=cost,
        foreseen=plan.foreseen,
        over_foreseen=_over(cost, plan.foreseen),
        deviation_before_bps=plan.deviation_before_bps,
        deviation_after_bps=deviation_bps,
    )


def _over(cost: RealCost | None, foreseen: ForeseenCost | None) -> RawAmount | None:
    if cost is None or cost.paid is None or foreseen is None:
        return None
    return RawAmount(cost.paid - foreseen.expected)


# ------------------------------------------------------------------ gas
def _add_gas(
    context: BookContext, plan: Plan, before: PlanCost, at: Price
) -> tuple[RealCost, tuple[Hash, ...]]:
    """Count each receipt once, even where the signer reported its hash after its block."""
    cost, counted = before.cost, list(before.counted)
    for tx_hash in _hashes(context, plan):
        receipt = context.shard.tables.find(keys.receipt(tx_hash), Mined)
        if receipt is None or tx_hash in counted:
            continue
        wei = receipt.gas_used * receipt.effective_gas_price_wei
        quote = gas_in_quote(context.policy, wei, at)
        cost = replace(
            cost,
            transactions=cost.transactions + 1,
            gas_used=cost.gas_used + receipt.gas_used,
            gas_wei=Wei(cost.gas_wei + wei),
            gas_quote=None if quote is None or cost.gas_quote is None else RawAmount(cost.gas_quote + quote),
        )
        counted.append(tx_hash)
    return cost, tuple(counted)


def _hashes(context: BookContext, plan: Plan, steps: Sequence[Step] = ()) -> Iterator[Hash]:
    """List the transaction hashes of a plan's steps; where a step has none, all of them, cancellations included."""
    for each in plan.steps:
        intent = context.shard.tables.find(keys.intent(each.intent), Intent)
        if intent is not None and (not steps or each.step in steps):
            yield from intent.hashes
            yield from () if steps else intent.cancellations


# ------------------------------------------------------------------ swaps
def _swap_loss(context: BookContext, actions: VenueActions, plan: Plan, tracked: Tracked, at: Price) -> int:
    """Value what the plan's trades in this block paid less what they received. Rounds: each amount down."""
    trades = plan.doing("trades")
    own = set(_hashes(context, plan, trades)) if trades else set()
    loss = 0
    for log, swap in tracked.swaps:
        if log.transaction_hash not in own:
            continue
        for token, delta in actions.paid_and_got(context.shard, swap):
            if token in {context.policy.base, context.policy.quote}:
                worth = in_quote(context.policy, token, abs(delta), at)
                loss += worth if delta > 0 else -worth
    return loss


# ------------------------------------------------------------------ fees
def _missed(context: BookContext, actions: VenueActions, before: PlanCost, at: Price) -> int:
    """Value the fees of this block that the tokens would have earned inside the range. Rounds: down."""
    if before.outside is None:
        return 0
    fees = actions.fees_earned(context.shard, context.policy, before.outside)
    return sum(in_quote(context.policy, token, fee, at) for token, fee in fees)
