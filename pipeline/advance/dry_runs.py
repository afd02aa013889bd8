"""Remember proposals of dry-run books until the dry-run is reported, and publish each outcome once."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.advance.market_refusals import give_back_cooldown
from pipeline.messages.decisions import ProposalTried, RebalanceProposed
from pipeline.messages.effects import BookEffects, DryRuns, Untried
from pipeline.messages.events import DryRunEnded
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import Seconds

_MOST_UNTRIED = 8
"""Where nobody tries them, the oldest are forgotten."""


def request_dry_run(
    context: BookContext, proposal: RebalanceProposed, proposed_before_s: Seconds | None
) -> None:
    """Record a proposal that is to be tried on a fork."""
    key = keys.dry_run(context.policy.book)
    known = context.shard.tables.find(key, DryRuns) or DryRuns()
    untried = Untried(
        proposal=proposal.id.rpartition(".")[2],
        at=context.block,
        policy_version=proposal.policy_version,
        proposed_before_s=proposed_before_s,
    )
    context.shard.tables.put(key, DryRuns(untried=(*known.untried, untried)[-_MOST_UNTRIED:]))


def apply_dry_run(shard: Shard, event: DryRunEnded, now: Provenance) -> Iterator[ProposalTried]:
    """Publish the result of a dry-run; one that nobody waits for changes nothing."""
    key = keys.dry_run(event.book)
    known = shard.tables.find(key, DryRuns) or DryRuns()
    tried = next((each for each in known.untried if each.proposal == event.proposal), None)
    if tried is None:
        return
    left = tuple(each for each in known.untried if each is not tried)
    shard.tables.put(key, DryRuns(untried=left) if left else None)
    _give_back(shard, event, tried)
    yield ProposalTried(
        **now.stamp("dry", event.book, action=event.proposal, policy_version=tried.policy_version),
        book=event.book,
        policy_version=tried.policy_version,
        proposal=event.proposal,
        at=tried.at,
        run=event.run,
    )


def _give_back(shard: Shard, event: DryRunEnded, tried: Untried) -> None:
    """Treat a proposal that the market refused on the fork like one of a live book."""
    policy = shard.tables.find(keys.policy(event.book), Policy)
    effects = shard.tables.find(keys.effects(event.book), BookEffects)
    if policy is None or effects is None or event.run.refusal is None:
        return
    if effects.last_proposed_at_s == tried.at.timestamp_s:
        give_back_cooldown(shard, policy, event.run.refusal, tried.at.timestamp_s, tried.proposed_before_s)
