"""The cached values of an NFT equal newly computed ones, over blocks and reorgs."""

from builders import FINAL_DEPTH, policy, started
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.drive import drive
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3.assess import held_nft, own_positions


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, FINAL_DEPTH - 1), st.integers(1, 6))
def test_what_is_remembered_is_what_measuring_gives(seed, common, gone, after):
    watcher = started(seed)
    for _ in range(common):
        watcher.block(2)
    fork = watcher.fork("other")
    for _ in range(gone):
        watcher.block(2)
    watcher.revert_to(fork)
    for operations in (0, *[2] * after):
        watcher.block(operations)
        watcher.chain.mine(0)
        watcher.chain.swap(10**20, down=watcher.chain.random.random() < 0.5)  # out of a range, or back
        watcher.tell()
    shard = Shard(0)
    for event in watcher.log:
        drive(shard, [event])
        fresh = Shard(0, dict(shard.tables.entries()))
        for key, position in own_positions(shard, policy()):
            remembered = _or_error(held_nft, shard, key, position)
            assert remembered == _or_error(held_nft, fresh, key, position)


def _or_error(measure, *nft):
    try:
        return measure(*nft)
    except Exception as error:  # noqa: BLE001 - the same error is the same answer
        return repr(error)


def test_an_nft_is_measured_again_when_the_price_crosses_its_range():
    """From one side of it to the other within one block, and into it and out of it."""
    watcher = started(1)
    shard, seen = Shard(0), set()
    for moves in ((1,), (1,), (-1, -1, -1), (1,), (1,), (1, 1), (-1,)):
        watcher.chain.mine(0)
        for move in moves:
            watcher.chain.swap(2 * 10**19, down=move < 0)
        watcher.tell()
        drive(shard, watcher.log[shard.cursor + 1 :])
        fresh = Shard(0, dict(shard.tables.entries()))
        for key, position in own_positions(shard, policy()):
            held = held_nft(shard, key, position)
            assert held == held_nft(fresh, key, position)
            seen.add((held.in_range, watcher.chain.pool.tick < position.tick_lower))
    assert seen == {(True, False), (False, True), (False, False)}


def test_a_quiet_block_measures_nothing_anew(monkeypatch):
    watcher = started(1)
    shard = Shard(0)
    drive(shard, watcher.log)
    watcher.block(1)
    drive(shard, watcher.log[-1:])
    measured = []
    monkeypatch.setattr("pipeline.venues.uniswap_v3.assess._measure", lambda *nft: measured.append(nft))
    watcher.block(0)
    drive(shard, watcher.log[-1:])
    assert not measured
