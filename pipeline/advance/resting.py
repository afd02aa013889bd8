"""Books that rest: nothing that they are decided by has changed, and the clock has not come to where it could matter.

A book that is looked at all the same would be refused as before, say nothing and write nothing. So whether a shard remembers
a rest, as after a restart it does not, changes no output and no entry.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.decide.gates import next_look_s
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import Policy
from pipeline.state.quiet_period import QuietPeriod
from pipeline.state.tables import Tables
from pipeline.units import BlockNumber
from pipeline.venues.registry import venues_of

_OF_EVERY_BOOK = sorted(keys.families(keys.route, keys.resumed, keys.quarantine, keys.checked))
"""Families that seldom change, and may matter to any book."""


def is_resting(context: BookContext) -> bool:
    """Ask whether a book needs no look at this block."""
    tables, book = context.shard.tables, context.policy.book
    rest = context.shard.rests.get(book)
    if rest is None or not rest.covers(context.block) or rest.own != _own(tables, context.policy):
        return False
    writes = _shard_writes(tables)
    if rest.shard_writes == writes:
        return True
    if rest.of_chain != _of_chain(tables, context.policy):
        return False
    context.shard.rests[book] = replace(rest, shard_writes=writes)
    return True


def note_rest(context: BookContext) -> None:
    """Remember until when a refusal holds if nothing changes; a book whose plan may go on is looked at at every block.

    So is one with references or feeds: a mean moves, and an answer gets too old, with time alone.
    """
    tables, policy = context.shard.tables, context.policy
    path = tables.need(keys.path(policy.book), BookPath)
    effects = tables.find(keys.effects(policy.book), BookEffects) or BookEffects()
    if _acts(context) or path.declined_at_block is None or policy.all_references() or policy.feeds():
        return
    context.shard.rests[policy.book] = QuietPeriod(
        own=_own(tables, policy),
        of_chain=_of_chain(tables, policy),
        shard_writes=_shard_writes(tables),
        from_s=context.block.timestamp_s,
        until_s=next_look_s(path, effects, policy, context.block.timestamp_s),
        until_block=BlockNumber(path.declined_at_block + policy.chain.report_every_blocks),
    )


def _acts(context: BookContext) -> bool:
    """Ask whether a plan of the book may do something at any block: it is open, or what it allowed is not taken back."""
    plan = context.shard.tables.find(keys.plan(context.policy.book), Plan)
    return plan is not None and (plan.closed is None or bool(plan.allowances))


def _shard_writes(tables: Tables) -> tuple[int, ...]:
    return (tables.seen_writes, *tables.writes(keys.pause.family))


def _own(tables: Tables, policy: Policy) -> tuple[object, ...]:
    """List a book's policy and its own entries."""
    book = policy.book
    return (
        policy,
        tables.find(keys.path(book), BookPath),
        tables.find(keys.effects(book), BookEffects),
        tables.find(keys.plan(book), Plan),
    )


def _of_chain(tables: Tables, policy: Policy) -> tuple[object, ...]:
    """List what else a refusal follows from, beside the clock: equal lists lead to equal refusals.

    Judging a book writes none of it, so it is listed once per block.
    """
    made_of = (policy, *_shard_writes(tables))
    return tables.derived(keys.refused_by(policy.book), made_of, lambda: tuple(_listed(tables, policy)))


def _listed(tables: Tables, policy: Policy) -> Iterator[object]:
    yield from tables.writes(keys.pause.family, *_OF_EVERY_BOOK)
    for venue in venues_of(policy.chain):
        yield from venue.follows_from(tables, policy)
