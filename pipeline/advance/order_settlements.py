"""Apply operators' statements of what became of hedge orders that the chain does not tell."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.decide.hedging import position_of
from pipeline.errors import PipelineError
from pipeline.hedge.port import HedgePosition
from pipeline.hedge.settled_by_operator import why_not_said
from pipeline.messages.entries import OrderWord
from pipeline.messages.events import OrderEndSaid
from pipeline.messages.order_alerts import OrderEndRefused, OrderEndTaken
from pipeline.messages.orders import Order, SaidEnded
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard


def apply_order_statement(
    shard: Shard, event: OrderEndSaid, now: Provenance
) -> Iterator[OrderEndTaken | OrderEndRefused]:
    """Record an operator's statement about an order that the venue does not contradict, and publish it; a repeated one changes nothing."""
    policy = shard.tables.find(keys.policy(event.book), Policy)
    if policy is None or not policy.hedge:
        yield _refused(event, now, f"book {event.book} is not hedged here")
        return
    try:
        held = position_of(shard, policy)
    except PipelineError as error:
        yield _refused(event, now, f"its position is not known: {error}")
        return
    if is_said(held, event):
        return
    says = why_not_said(held.order, event.order, held.size, event.outcome)
    if says is not None or held.order is None:
        yield _refused(event, now, says or "")
        return
    word = OrderWord(
        venue=policy.hedge.venue,
        number=event.order,
        change=held.order.change,
        outcome=event.outcome,
        reason=event.reason,
        by=event.by,
    )
    shard.tables.put(keys.order_word(event.book), word)
    yield _taken(shard, event, policy, now)


def is_said(held: HedgePosition, event: OrderEndSaid) -> bool:
    """Return whether the same was stated of the same order before."""
    match held.order:
        case Order(number=event.order, state=SaidEnded(outcome=event.outcome)):
            return True
    return False


def _taken(shard: Shard, event: OrderEndSaid, policy: Policy, now: Provenance) -> OrderEndTaken:
    held = position_of(shard, policy)
    assert held.order is not None, "it was just asked for"
    assert policy.hedge, "it was just asked for"
    return OrderEndTaken(
        **now.stamp("order", event.book, action=f"{event.order} said"),
        book=event.book,
        venue=policy.hedge.venue,
        order=held.order,
        size=held.size,
    )


def _refused(event: OrderEndSaid, now: Provenance, says: str) -> OrderEndRefused:
    return OrderEndRefused(
        **now.stamp("order", event.book, action=f"{event.order} refused"),
        book=event.book,
        order=event.order,
        outcome=event.outcome,
        says=says,
        by=event.by,
    )
