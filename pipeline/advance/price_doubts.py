"""Refuse to act at prices that do not count: after an outage of the sequencer, or far from a reference."""

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.book.inventory import Stock
from pipeline.book.references import doubt
from pipeline.book.sequencer import chain_trouble
from pipeline.decide.gates import Refused


def refuse_prices(context: BookContext, stock: Stock) -> Refused | None:
    """Check the sequencer, then the references; a book in mode watch never acts, so neither is checked."""
    if context.policy.mode == "watch":
        return None
    return _out_of_order(context) or _doubted(context, stock)


def _out_of_order(context: BookContext) -> Refused | None:
    """Refuse while the chain's sequencer is down, and for its grace period after."""
    policy = context.policy
    found = chain_trouble(context.shard.tables, policy, context.block.timestamp_s)
    if found is None or not policy.chain.sequencer:
        return None
    item = keys.sequencer(policy.chain.sequencer.feed)
    return Refused(gate="sequencer", reason=found.reason, item=item, until_s=found.until_s)


def _doubted(context: BookContext, stock: Stock) -> Refused | None:
    """Refuse a spot price that a reference contradicts, or that none confirms."""
    policy = context.policy
    if not policy.all_references():
        return None
    found = doubt(context.shard, policy, stock.prices, context.block.timestamp_s)
    if found is None:
        return None
    return Refused(gate="value", reason=found.reason, item=found.item, until_s=found.until_s)
