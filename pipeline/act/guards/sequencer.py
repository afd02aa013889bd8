"""Guard on the sequencer: refuse a phase that depends on a price while the sequencer is down or within its grace period."""

from pipeline.act.question import Question
from pipeline.book.sequencer import chain_trouble
from pipeline.venues.registry import hedge_venue, need_actions


def sequencer(question: Question) -> str | None:
    """Refuse all but what reduces risk: revoking allowances, and urgent steps that need no price.

    Where health is low all of an emergency goes once the sequencer is back. Lending markets let nobody be liquidated in the grace period,
    but for the weakest; whoever waited for its end would be liquidated in the block in which it ends.
    """
    if question.only_resets:
        return None
    found = chain_trouble(question.shard.tables, question.policy, question.market.now_s)
    if found is None:
        return None
    if question.is_urgent and (
        _needs_no_price(question) or (found.reason != "sequencer_down" and _is_in_need(question))
    ):
        return None
    return found.told


def _needs_no_price(question: Question) -> bool:
    guards = need_actions(question.shard, question.policy, question.kind).guards
    return all(each.step in guards.securing for each in question.drafts)


def _is_in_need(question: Question) -> bool:
    """Return whether a book's health is below its hedge's act level, by the price at which the venue liquidates."""
    policy, venue = question.policy, hedge_venue(question.policy)
    if venue is None or not policy.hedge:
        return False
    return policy.hedge.is_low(venue.position(question.shard, policy).health_bps)
