"""Process one book at one block: value it, decide, and publish its view."""

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.advance.busy_signer import refused_for_busy_signer
from pipeline.advance.calibrate_volatility import calibrate
from pipeline.advance.daily_counts import proposed
from pipeline.advance.dry_runs import request_dry_run
from pipeline.advance.health import report_health
from pipeline.advance.pauses import refused_by_pause
from pipeline.advance.plans import continue_plan, is_stranded, open_plan, plan_is_open, suspend_plan
from pipeline.advance.preemption import gives_way
from pipeline.advance.price_doubts import refuse_prices
from pipeline.advance.real_cost import count_cost, with_cost
from pipeline.advance.resting import begin_rest
from pipeline.advance.standstill import leave_out_standstill
from pipeline.advance.unvalued import continue_in_need, judge_in_need, stock_in_need
from pipeline.advance.value_feeds import why_undated
from pipeline.book.inventory import Stock, Tracked
from pipeline.book.prices import find_spot, spot_prices
from pipeline.book.pricing import pair_price
from pipeline.book.stock import held_parts, outside_hedge, take_stock
from pipeline.decide.gates import Judgement, Refused, Unknown, deviation_bps, judge, walk_path
from pipeline.decide.hedging import LEG_FAILED, URGENT, offer_hedge, proposed_trade, with_hedge
from pipeline.decide.levers import Option, goal_kind, is_hedge
from pipeline.follow.due_reads import first_missing
from pipeline.follow.quarantine import quarantined
from pipeline.messages.base import Output
from pipeline.messages.decisions import Declined, PlanClosed, Quarantined, RebalanceProposed
from pipeline.messages.entries import BookPath, Quarantine
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy
from pipeline.state.book_effects import effects_of
from pipeline.state.resumes import resumes
from pipeline.state.shard import Shard
from pipeline.venues.registry import pool_item, venues_of

_LONGEST_REASON = 500


def judge_book(context: BookContext, tracked: Tracked) -> tuple[Output, ...]:
    """Process a book at the end of a block; an exception leaves no trace but the book's quarantine."""
    tables = context.shard.tables
    savepoint = tables.savepoint()
    try:
        return tuple(_at_block_end(context, tracked))
    except MemoryError:  # of the machine, not of the book
        raise
    except Exception as error:  # noqa: BLE001 - whatever a step raises, only its book stops
        tables.undo(savepoint)
        return tuple(_quarantine_book(context, error))


def _at_block_end(context: BookContext, tracked: Tracked) -> Iterator[Output]:
    shard, policy = context.shard, context.policy
    path = _path(context)
    leave_out_standstill(context)
    count_cost(context, tracked)
    unknown = _why_unread(shard, policy)
    if unknown is not None:
        yield from _suspend(context, path, unknown)
        return
    undated = why_undated(shard, policy)
    if undated is not None:
        yield from _without_value(context, path, undated)
        return
    calibrate(context)
    stock = stock_of(shard, policy)
    moved = outside_hedge(policy, stock)
    path = walk_path(path, moved, policy, context.block.timestamp_s, stranded=is_stranded(context))
    carried: list[Output] = []
    if policy.mode == "live" and not gives_way(context, stock):
        deviation = deviation_bps(moved, policy)
        carried = [with_cost(shard, said, deviation) for said in list(continue_plan(context, stock, path))]
    judgement = refused_for_busy_signer(context, _judge(context, path, stock, moved))
    if not is_hedge(judgement):
        stock = moved
    yield from report_health(context)
    if carried:
        yield from carried
        path = replace(path, finished_plan=_finished(carried, path))
    yield from _conclude(context, path, stock, judgement)


def _suspend(context: BookContext, path: BookPath, unknown: Unknown) -> Iterator[Output]:
    """Let everything of a book wait until its inventory is known."""
    yield from suspend_plan(context, unknown) if context.policy.mode == "live" else ()
    yield from _conclude(context, path, None, unknown)


def _without_value(context: BookContext, path: BookPath, undated: Unknown) -> Iterator[Output]:
    """Let everything of a book wait for a feed that values an asset, but for what only secures a hedge whose health is low."""
    yield from report_health(context)
    stock = stock_in_need(context)
    if stock is None:
        yield from _suspend(context, path, undated)
        return
    live = context.policy.mode == "live"
    carried = list(continue_in_need(context, stock, path, undated)) if live else []
    yield from carried
    judgement = refused_for_busy_signer(context, judge_in_need(context, stock, undated))
    known = stock if isinstance(judgement, Option) else None
    yield from _conclude(context, replace(path, finished_plan=_finished(carried, path)), known, judgement)


def _path(context: BookContext) -> BookPath:
    return context.shard.tables.find(keys.path(context.policy.book), BookPath) or BookPath()


def _judge(context: BookContext, path: BookPath, stock: Stock, moved: Stock) -> Judgement:
    """Ask the operator first, then the plan under way unless it gives way, low health, the sequencer, the strategy, and the hedge.

    The strategy is asked about what a re-range moves: the book without what lies at its hedge's venue.
    """
    paused = refused_by_pause(context.shard, context.policy)
    if paused is not None:
        return paused
    if plan_is_open(context) and not gives_way(context, stock):
        return Refused(gate="plan", reason="plan_open")
    shard, policy, now_s = context.shard, context.policy, context.block.timestamp_s
    effects = effects_of(shard.tables, policy.book)
    hedge = offer_hedge(shard, policy, stock, effects, now_s)
    if hedge is not None and hedge.target.trigger in {URGENT, LEG_FAILED}:
        return hedge
    refused = refuse_prices(context, stock)
    if refused is not None:
        return refused
    judged = judge(moved, path, effects, policy, now_s)
    if isinstance(judged, Option):
        return with_hedge(shard, policy, moved, judged)
    return judged if hedge is None else hedge


def _finished(carried: list[Output], path: BookPath) -> str | None:
    done = [o.plan for o in carried if isinstance(o, PlanClosed) and isinstance(o.outcome, Done)]
    return done[0] if done else path.finished_plan


def stock_of(shard: Shard, policy: Policy) -> Stock:
    """Return a book's inventory, computed again only after a write to something that it follows from. Raises: PipelineError."""
    tables = shard.tables
    return tables.derived(keys.stock(policy.book), (policy, tables.seen_writes), _stock_of, shard, policy)


def _stock_of(shard: Shard, policy: Policy) -> Stock:
    parts, prices = held_parts(shard, policy), spot_prices(shard, policy)
    made_of = (policy, prices, *parts)
    return shard.tables.derived(keys.book(policy.book), made_of, take_stock, policy, parts, prices)


# ------------------------------------------------------------------ gates before the inventory
def why_unknown(shard: Shard, policy: Policy) -> Unknown | None:
    """Explain why a book's inventory is not known: something is unread, in quarantine, or without a price."""
    return _why_unread(shard, policy) or why_undated(shard, policy)


def _why_unread(shard: Shard, policy: Policy) -> Unknown | None:
    """Explain why it is not known what a book has: all but a feed without a recent answer."""
    tables = shard.tables
    unknown: Unknown | None = tables.derived(
        keys.unknown(policy.book), (policy, tables.seen_writes), _why_unknown, shard, policy
    )
    return unknown


def _why_unknown(shard: Shard, policy: Policy) -> Unknown | None:
    unread = first_missing(shard.tables, policy) or next(_untold(shard, policy), None)
    if unread is not None:
        return Unknown(gate="observed", reason="not_observed", item=unread)
    held = quarantined(shard.tables)
    if held:
        stopped = [item for item in _items(shard, policy) if item in held]
        stopped = [item for item in stopped if not _book_resumed(shard, item, held[item])]
        if stopped:
            return Unknown(gate="quarantine", reason="quarantined", item=stopped[0])
    return _no_price(shard, policy)


def _untold(shard: Shard, policy: Policy) -> Iterator[str]:
    for venue in venues_of(policy.chain):
        yield from venue.unreported_items(shard, policy)


def _no_price(shard: Shard, policy: Policy) -> Unknown | None:
    """Explain that a pool was created and never initialised, so that it has no price to value anything by."""
    for pool in policy.pricing_pools():
        if find_spot(shard, venues_of(policy.chain), pool) is None:
            return Unknown(gate="value", reason="no_price", item=pool_item(policy, pool))
    return None


def _items(shard: Shard, policy: Policy) -> Iterator[str]:
    yield keys.book(policy.book)
    for venue in venues_of(policy.chain):
        yield from venue.stopping_items(shard, policy)


def _book_resumed(shard: Shard, item: str, held: Quarantine) -> bool:
    """End a book's own quarantine at an operator's request: there is nothing to read for it."""
    return keys.book.matches(item) and resumes(shard.tables, item) > held.resumed


def _quarantine_book(context: BookContext, error: Exception) -> Iterator[Quarantined]:
    """Put a book into quarantine; report it once per reason, even where the book cannot be declined at later blocks."""
    item, reason = keys.book(context.policy.book), f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
    before = context.shard.tables.find(keys.quarantine(item), Quarantine)
    if before is not None and before.reason == reason and not _book_resumed(context.shard, item, before):
        return
    held = Quarantine(
        reason=reason, at_block=context.block.number, resumed=resumes(context.shard.tables, item)
    )
    context.shard.tables.put(keys.quarantine(item), held)
    stamp = context.now.stamp("alert", item, action="quarantine")
    yield Quarantined(**stamp, item=item, reason=reason)


# ------------------------------------------------------------------ what is said
def _conclude(
    context: BookContext, path: BookPath, stock: Stock | None, judgement: Judgement
) -> Iterator[Output]:
    """Publish every proposal, and a refusal when it is new or due again; remember both."""
    tables, book = context.shard.tables, context.policy.book
    if isinstance(judgement, Option) and stock is not None:
        effects = effects_of(context.shard.tables, context.policy.book)
        tables.put(keys.effects(book), proposed(context, effects, judgement))
        path = replace(path, declined_gate=None, declined_reason=None, declined_at_block=None)
        proposal = _proposal(context, path, stock, judgement)
        yield proposal
        if context.policy.mode == "dry-run":
            request_dry_run(context, proposal, effects.last_proposed_at_s)
        if context.policy.mode == "live":
            acting = context.acting_for(goal_kind(judgement))
            yield from open_plan(acting, stock, path, effects.last_proposed_at_s, proposal)
    elif isinstance(judgement, Refused) and _is_news(context, path, judgement):
        path = replace(
            path,
            declined_gate=judgement.gate,
            declined_reason=judgement.reason,
            declined_at_block=context.block.number,
        )
        yield _refusal(context, stock, judgement)
    tables.put(keys.path(book), path)
    if isinstance(judgement, Refused):
        begin_rest(context, stock)


def _is_news(context: BookContext, path: BookPath, refused: Refused) -> bool:
    if (path.declined_gate, path.declined_reason) != (refused.gate, refused.reason):
        return True
    said_at = path.declined_at_block
    return said_at is None or context.block.number - said_at >= context.policy.chain.report_every_blocks


def _refusal(context: BookContext, stock: Stock | None, refused: Refused) -> Declined:
    policy = context.policy
    known = stock is not None and stock.value_quote > 0
    return Declined(
        **context.now.stamp("dec", policy.book, action=refused.gate, policy_version=policy.policy_version),
        book=policy.book,
        policy_version=policy.policy_version,
        gate=refused.gate,
        reason=refused.reason,
        item=refused.item,
        until_s=UNSET if refused.until_s is None else refused.until_s,
        value_quote=stock.value_quote if stock is not None else None,
        base_share_bps=stock.base_share_bps if stock is not None and known else None,
        deviation_bps=deviation_bps(stock, policy) if stock is not None and known else None,
    )


def _proposal(context: BookContext, path: BookPath, stock: Stock, chosen: Option) -> RebalanceProposed:
    policy, target = context.policy, chosen.target
    trade = proposed_trade(context.shard, policy, stock, chosen)
    since_s = path.out_of_range_since_s
    return RebalanceProposed(
        **context.now.stamp("reb", policy.book, action="rebalance", policy_version=policy.policy_version),
        book=policy.book,
        policy_version=policy.policy_version,
        trigger=target.trigger,
        base_amount=stock.base_amount,
        quote_amount=stock.quote_amount,
        value_quote=stock.value_quote,
        price=pair_price(policy, stock.base_price),
        base_share_bps=stock.base_share_bps,
        target_share_bps=target.base_share_bps,
        deviation_bps=deviation_bps(stock, policy),
        base_to_buy=trade.to_buy,
        base_to_borrow=trade.to_borrow,
        out_of_range_s=0 if since_s is None else context.block.timestamp_s - since_s,
    )
