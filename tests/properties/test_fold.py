"""The fold of a shard's log: reorgs leave no trace, checks find no difference, and repeated records change nothing."""

import copy
from collections import Counter

from builders import FINAL_DEPTH, OWNER, POOL, ROOMY_SIGNER, ToyWatcher, policy, started
from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.act.guards import passing_reasons
from pipeline.drive import drive
from pipeline.keys import family, is_of_chain
from pipeline.messages.base import Output
from pipeline.messages.decisions import (
    Declined,
    PlanOpened,
    PoolDrifted,
    Quarantined,
    RebalanceProposed,
    ShardHalted,
    StepRefused,
)
from pipeline.messages.events import AnyEvent
from pipeline.messages.policy import Limits, Policy, TargetBand
from pipeline.state.shard import Shard

few = settings(max_examples=examples(15), deadline=None)


def fold(log: list[AnyEvent], shard: Shard | None = None) -> tuple[Shard, list[Output]]:
    shard = shard or Shard(0)
    return shard, drive(shard, log)


def chain_part(shard: Shard) -> dict[str, object]:
    return {k: v for k, v in shard.tables.entries().items() if is_of_chain(k) and family(k) != "path"}


def grow(watcher: ToyWatcher, blocks: int, operations: int = 3) -> None:
    for _ in range(blocks):
        watcher.block(operations)


@few
@given(st.integers(0, 2**32), st.integers(1, 25))
def test_following_equals_reading(seed, blocks):
    """What the shard tracked over blocks is what a read at the end says: a check finds no difference."""
    watcher = started(seed)
    grow(watcher, blocks)
    watcher.check()
    for token_id, nft in watcher.chain.nfts.items():
        if nft.owner == OWNER:
            watcher.append(
                watcher.chain.read(f"position/{policy().chain.position_manager}/{token_id}", "check", 1)
            )
    for token in (policy().base, policy().quote):
        watcher.append(watcher.chain.read(f"balance/{OWNER}/{token}", "check", 1))
    shard, outputs = fold(watcher.log)
    assert not [o for o in outputs if isinstance(o, PoolDrifted | Quarantined)]
    assert shard.tables.head == watcher.chain.head


@few
@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(1, FINAL_DEPTH), st.integers(1, 10))
def test_a_reorg_leaves_the_chain_part_as_if_the_branch_had_never_been(seed, common, depth, after):
    straight = started(seed)
    grow(straight, common)
    bent = copy.deepcopy(straight)
    canonical = straight.fork("canonical")
    grow(bent, depth)
    bent.revert_to(copy.deepcopy(canonical))
    straight.chain = canonical
    grow(bent, after)
    grow(straight, after)
    one, _ = fold(straight.log)
    two, outputs = fold(bent.log)
    assert chain_part(two) == chain_part(one)
    assert two.tables.head == one.tables.head
    assert not [o for o in outputs if isinstance(o, Quarantined | PoolDrifted | ShardHalted)]


@few
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_reorg_deeper_than_the_frames_halts(seed, deeper):
    watcher = started(seed)
    grow(watcher, 3)
    base = watcher.fork("deep")
    grow(watcher, FINAL_DEPTH + deeper)
    watcher.revert_to(base)
    before = len(watcher.log)
    shard, outputs = fold(watcher.log)
    assert [type(o) for o in outputs][-1] is ShardHalted
    grow(watcher, 2)
    assert fold(watcher.log[before:], shard)[1] == []


@few
@given(st.integers(0, 2**32), st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 6))
def test_a_shard_taken_up_from_its_entries_goes_on_alike(seed, cuts, depth):
    """Whatever is kept outside the entries must not matter: working copies, indexes, open frames."""
    watcher = started(seed)
    grow(watcher, 10)
    base = watcher.fork("other")
    grow(watcher, depth)
    if depth:
        watcher.revert_to(base)
    grow(watcher, 6)
    calm, expected = fold(watcher.log)
    stored: dict[str, object] = {}
    outputs: list[Output] = []
    at = 0
    while at < len(watcher.log):
        size = cuts[at % len(cuts)]
        shard = Shard(0, stored)
        _, new = fold(watcher.log[at : at + size], shard)
        outputs += new
        for key, value in shard.tables.changes().items():
            if value is None:
                del stored[key]
            else:
                stored[key] = value
        at += size
    assert outputs == expected
    kept = {k: v for k, v in stored.items() if family(k) != "frame"}
    assert kept == dict(calm.tables.entries())


@few
@given(st.integers(0, 2**32))
def test_the_net_changes_are_the_entries(seed):
    watcher = started(seed)
    grow(watcher, 20)
    shard, _ = fold(watcher.log)
    changes = shard.tables.changes()
    assert {k: v for k, v in changes.items() if family(k) != "frame"} == dict(shard.tables.entries())
    assert len([k for k in changes if family(k) == "frame"]) == FINAL_DEPTH
    shard.tables.committed()
    assert shard.tables.changes() == {}


@few
@given(st.integers(0, 2**32), st.data())
def test_records_that_come_twice_change_nothing(seed, data):
    watcher = started(seed)
    grow(watcher, 12)
    again = data.draw(st.lists(st.integers(0, len(watcher.log) - 1), max_size=8))
    noisy = list(watcher.log)
    for index in sorted(again, reverse=True):
        noisy.insert(data.draw(st.integers(index + 1, len(watcher.log))), watcher.log[index])
    calm, _ = fold(watcher.log)
    rough, outputs = fold(noisy)
    entries = [{**shard.tables.entries(), keys.CURSOR: None} for shard in (rough, calm)]
    assert entries[0] == entries[1], "but for how far the log was read"
    assert not [o for o in outputs if isinstance(o, Quarantined)]


BAND = TargetBand(band_bps=300, hysteresis_bps=100, hold_out_of_range_s=60, cooldown_s=480)
WATCHED = policy(strategy=BAND)
REFUSED = policy(
    strategy=BAND,
    mode="live",
    limits=Limits(twap_window_s=24, max_spot_from_twap_log_bps=1, max_cost_bps=500, signer=ROOMY_SIGNER),
)
"""A live book whose market is hardly ever calm enough."""


def waits_of(outputs: list[Output]) -> list[tuple[int, int]]:
    """Each proposal but the first: how long after the one before it, and how long it had to be at least.

    What the market refused at once does not count as a proposal before, and costs a wait that doubles in a row.
    """
    refused = {
        o.because_of.offset for o in outputs if isinstance(o, StepRefused) and o.reason in passing_reasons()
    } - {o.because_of.offset for o in outputs if isinstance(o, PlanOpened)}
    waits, counted_s, last_s, in_a_row = [], None, None, 0
    for said in (o for o in outputs if isinstance(o, RebalanceProposed)):
        at_s = said.because_of.block.timestamp_s
        if counted_s is not None:
            waits.append((at_s - counted_s, BAND.cooldown_s))
        if in_a_row:
            waits.append((at_s - last_s, min(60 * 2 ** (in_a_row - 1), BAND.cooldown_s)))
        if said.because_of.offset in refused:
            in_a_row, last_s = in_a_row + 1, at_s
        else:
            counted_s = at_s
    return waits


def proposals_over_a_reorg(seed: int, depth: int, book: Policy) -> list[Output]:
    watcher = started(seed, book)
    grow(watcher, 25, operations=4)
    base = watcher.fork("again")
    grow(watcher, depth, operations=4)
    watcher.revert_to(base)
    grow(watcher, 40, operations=4)
    return fold(watcher.log)[1]


@few
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from([WATCHED, REFUSED]))
def test_no_two_proposals_closer_than_the_cooldown_across_reorgs(seed, depth, book):
    """A proposal that the market refuses at once (a passing reason) counts for its own short, growing wait only."""
    outputs = proposals_over_a_reorg(seed, depth, book)
    assert all(apart_s >= least_s for apart_s, least_s in waits_of(outputs))
    decisions = [o.id for o in outputs if isinstance(o, RebalanceProposed | Declined)]
    assert len(decisions) == len(set(decisions))
    assert decisions


def test_the_property_of_the_cooldown_sees_both_kinds_of_wait():
    seen = Counter(
        least_s
        for seed in range(12)
        for book in (WATCHED, REFUSED)
        for _, least_s in waits_of(proposals_over_a_reorg(seed, 5, book))
    )
    assert seen[60] >= 5
    assert seen[120] >= 5
    assert seen[BAND.cooldown_s] >= 5


@few
@given(st.integers(0, 2**32))
def test_a_policy_that_goes_and_comes_is_read_again(seed):
    watcher = started(seed)
    grow(watcher, 5)
    from pipeline.messages.events import PolicyRemoved

    watcher.append(PolicyRemoved(book="alpha"))
    assert watcher.routes.head is None
    shard, _ = fold(watcher.log)
    assert chain_part(shard) == {}
    watcher.chain.mine(3)
    watcher.set_policy(policy(policy_version="v2"))
    grow(watcher, 3)
    watcher.check()
    shard, outputs = fold(watcher.log)
    assert shard.tables.head == watcher.chain.head
    assert not [o for o in outputs if isinstance(o, PoolDrifted)]
    assert f"pool/{POOL}" in shard.tables.entries()


def test_the_stories_are_worth_telling():
    """The properties above say something only if the toy chain makes everything happen."""
    said: set[str] = set()
    for seed in range(8):
        watcher = started(seed)
        grow(watcher, 25)
        _, outputs = fold(watcher.log)
        said |= {o.reason if isinstance(o, Declined) else type(o).__name__ for o in outputs}
    assert said >= {"PositionView", "RebalanceProposed", "BookView", "PoolView", "SwapSeen", "ViewRemoved"}
    assert said >= {"inside_band", "cooling_down", "not_observed"}
