"""A dry-run of a proposal, and the same proposal carried out by a real signer on the same block."""

from collections.abc import Callable

from followed import Followed
from sender_house import signer_of

from pipeline.messages.decisions import PlanClosed, RebalanceProposed
from pipeline.messages.effects import DryRuns, Untried
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import BookId, ChainId, Offset, ShardId
from streams.devnet.chain import Chain
from streams.rehearse.trial import Trial
from streams.submit.fake import FakeInbox, FakeJournal, FakeReports, FakeSignerBroker
from streams.submit.limits import SignerLimits
from streams.submit.node import HttpSenderNode
from streams.submit.serve import Submit
from streams.submit.submit_timing import SubmitTiming


async def until_proposed(mine: Callable[[], object], *followed: Followed) -> list[RebalanceProposed]:
    """Mine quiet blocks until all books propose at the head."""
    for _ in range(20):
        said = [await each.catch_up() for each in followed]
        found = [o for outputs in said for o in outputs if isinstance(o, RebalanceProposed)]
        if found:
            assert len(found) == len(followed)
            return found
        mine()
    raise AssertionError("no proposal")


def trial_of(followed: Followed) -> tuple[Trial, Untried]:
    untried = followed.shard.tables.need("dry-run/alpha", DryRuns).untried[-1]
    offset, event = followed.record_of(untried.at)
    return Trial(followed.copy(), BookId("alpha"), untried, Offset(offset), event), untried


async def carry_out(
    chain: Chain,
    limits: SignerLimits,
    live: Followed,
    commands: list[SubmitTransaction],
    *,
    base_fee_wei: int | None = None,
) -> int:
    """Carry out a live book's plan with a real signer and without other traders, and return its blocks.

    A fork's base fee stays that of its first block: with `base_fee_wei` the chain's does, too.
    """
    broker = FakeSignerBroker()
    submit = Submit(
        HttpSenderNode(chain.url, timeout_s=10),
        FakeJournal(broker),
        FakeReports(broker),
        FakeInbox(broker),
        chain_id=ChainId(chain.chain_id),
        partitions=1,
        signer=signer_of(live.policy.owner),
        limits=limits,
        timing=SubmitTiming(),
        new_signer=True,
    )
    await submit.open()
    heard = blocks = 0
    try:
        while not [o for o in live.said if isinstance(o, PlanClosed)]:
            broker.put(ShardId(0), *commands)
            await submit.step()
            reports = broker.reports(ShardId(0))
            for report in reports[heard:]:
                live.take(report)
            heard = len(reports)
            chain.mine(base_fee_wei=base_fee_wei)
            blocks += 1
            commands = [o for o in await live.catch_up() if isinstance(o, SubmitTransaction)]
            assert blocks < 20, [type(o).__name__ for o in live.said]
    finally:
        await submit.close()
    return blocks
