"""Proposals of dry-run books stay untried until the outcome of their dry-run is published, each once."""

import copy

import pytest
from desk import Desk, live
from toy_fork import untried_of

from pipeline import keys
from pipeline.messages.decisions import Declined, ProposalTried, RebalanceProposed
from pipeline.messages.dry_run import DryRun
from pipeline.messages.effects import BookEffects
from pipeline.messages.events import DryRunEnded, PolicyRemoved
from pipeline.state.shard import Shard
from streams.kafka.codec import encode, mark
from streams.work.fold import fold_log

DONE = DryRun(outcome="done", blocks=4)


@pytest.fixture
def desk() -> Desk:
    desk = Desk(live(mode="dry-run"))
    desk.block(push=True)
    return desk


def end(desk: Desk, proposal: str, run: DryRun = DONE, book: str = "alpha") -> list[ProposalTried]:
    desk.watcher.append(DryRunEnded(book=book, proposal=proposal, run=run))
    return [output for output in desk.take() if isinstance(output, ProposalTried)]


def test_an_outcome_is_told_once(desk):
    (proposed,) = desk.said(RebalanceProposed)
    (untried,) = untried_of(desk.shard)
    assert proposed.id.endswith(untried.proposal)
    (told,) = end(desk, untried.proposal)
    assert (told.book, told.proposal, told.at, told.run) == ("alpha", untried.proposal, untried.at, DONE)
    assert told.simulated
    assert told.id.startswith("dry.0.")
    assert untried_of(desk.shard) == ()
    assert "dry-run/alpha" not in desk.shard.tables.entries()
    assert end(desk, untried.proposal) == []
    assert end(desk, untried.proposal, DryRun(outcome="failed")) == []


def test_what_nobody_waits_for_changes_nothing(desk):
    before = {**desk.shard.tables.entries(), keys.CURSOR: None}
    (untried,) = untried_of(desk.shard)
    assert end(desk, "0" * 16) == []
    assert end(desk, untried.proposal, book="beta") == []
    assert {**desk.shard.tables.entries(), keys.CURSOR: None} == before, "but for how far the log was read"


def test_the_cooldown_counts_and_the_book_is_as_it_was(desk):
    (untried,) = untried_of(desk.shard)
    end(desk, untried.proposal)
    assert len(desk.liquid()) == 1
    said = desk.block()
    assert [o.gate for o in said if isinstance(o, Declined)] == ["cooldown"]
    effects = desk.shard.tables.need("effects/alpha", BookEffects)
    assert (effects.proposals, effects.actions) == (1, ())
    for _ in range(4):
        desk.block()
    (second,) = untried_of(desk.shard)
    assert second.proposed_before_s == untried.at.timestamp_s


def test_a_reorg_takes_neither_proposal_nor_outcome_back():
    desk = Desk(live(mode="dry-run"))
    base = desk.watcher.fork("other")
    desk.block(push=True)
    kept = untried_of(desk.shard)
    desk.watcher.revert_to(base)
    desk.take()
    assert untried_of(desk.shard) == kept
    (told,) = end(desk, kept[0].proposal, DryRun(outcome="orphaned", reason="gone"))
    assert told.at == kept[0].at
    assert told.because_of.block == base.head
    branch = copy.deepcopy(base)
    desk.block()
    desk.watcher.revert_to(branch)
    desk.take()
    assert untried_of(desk.shard) == ()
    assert end(desk, kept[0].proposal) == []


def test_a_book_that_goes_leaves_what_is_untried(desk):
    (untried,) = untried_of(desk.shard)
    desk.watcher.append(PolicyRemoved(book="alpha"))
    desk.take()
    assert [told.run.outcome for told in end(desk, untried.proposal, DryRun(outcome="refused"))] == [
        "refused"
    ]


def test_where_nobody_tries_them_the_oldest_are_forgotten(desk):
    for _ in range(60):
        desk.block()
    assert len(desk.said(RebalanceProposed)) > 8
    untried = untried_of(desk.shard)
    last = [proposed.id.rpartition(".")[2] for proposed in desk.said(RebalanceProposed)][-8:]
    assert [each.proposal for each in untried] == last


def test_a_fold_of_the_log_gives_the_same_bytes(desk):
    (untried,) = untried_of(desk.shard)
    end(desk, untried.proposal)
    payloads = [encode(event) for event in desk.watcher.log]
    folds = [fold_log(Shard(0), enumerate(payloads)) for _ in range(2)]
    assert folds[0] == folds[1]
    told = [r for r in folds[0] if r.value and mark(ProposalTried) in r.value]
    assert [(r.topic, r.key) for r in told] == [("decisions.v1", b"book/alpha")]


@pytest.mark.parametrize("mode", ["watch", "live"])
def test_no_other_mode_has_untried_proposals(mode):
    desk = Desk(live(mode=mode))
    desk.block(push=True)
    assert untried_of(desk.shard) == ()
