"""The fold of a shard's log: reorgs leave no trace, a check finds nothing, repetition changes nothing."""

import copy
from itertools import pairwise

from builders import FINAL_DEPTH, OWNER, POOL, ToyWatcher, policy, started
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.advance import advance
from pipeline.messages.base import Output
from pipeline.messages.decisions import Declined, PoolDrifted, Quarantined, RebalanceProposed, ShardHalted
from pipeline.messages.entries import CHAIN_FAMILIES
from pipeline.messages.events import AnyEvent
from pipeline.shard import Shard
from pipeline.state import family

few = settings(max_examples=40, deadline=None)


def fold(log: list[AnyEvent], shard: Shard | None = None, start: int = 0) -> tuple[Shard, list[Output]]:
    shard = shard or Shard(0)
    outputs = [o for offset, event in enumerate(log, start) for o in advance(shard, offset, event)]
    return shard, outputs


def chain_part(shard: Shard) -> dict[str, object]:
    return {
        k: v for k, v in shard.tables.entries().items() if family(k) in CHAIN_FAMILIES and family(k) != "path"
    }


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
    assert fold(watcher.log[before:], shard, before)[1] == []


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
        _, new = fold(watcher.log[at : at + size], shard, at)
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
    assert dict(rough.tables.entries()) == dict(calm.tables.entries())
    assert not [o for o in outputs if isinstance(o, Quarantined)]


@few
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_no_two_proposals_closer_than_the_cooldown_across_reorgs(seed, depth):
    watcher = started(seed)
    grow(watcher, 15, operations=4)
    base = watcher.fork("again")
    grow(watcher, depth, operations=4)
    watcher.revert_to(base)
    grow(watcher, 15, operations=4)
    _, outputs = fold(watcher.log)
    times = [o.because_of.block.timestamp_s for o in outputs if isinstance(o, RebalanceProposed)]
    assert all(b - a >= policy().strategy.cooldown_s for a, b in pairwise(times))
    ids = [o.id for o in outputs]
    decisions = [o.id for o in outputs if isinstance(o, RebalanceProposed | Declined)]
    assert len(decisions) == len(set(decisions))
    assert ids


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
