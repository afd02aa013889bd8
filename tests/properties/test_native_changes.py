"""Blocks with only the changed native balances lead to the same as blocks with all of them; a lost change is detected."""

from typing import Any

import msgspec
from builders import FINAL_DEPTH, OWNER, STRANGER, ToyWatcher, policy, started
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from pipeline import keys
from pipeline.drive import drive
from pipeline.messages.decisions import Declined
from pipeline.messages.events import BlockSeen, PolicyRemoved, Resumed
from pipeline.messages.read_values import NativeBalance
from pipeline.state.native_sum import NativeSum
from pipeline.state.shard import Shard
from pipeline.units import NATIVE, Wei
from pipeline.venues.wallet.forms import Balance
from pipeline.venues.wallet.native_sum import native_sum

BETA: dict[str, Any] = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": ()}


def tell(watcher: ToyWatcher, act: int) -> None:
    """Do something that changes which native balances a block contains."""
    match act:
        case 0 | 1 | 2:
            watcher.coins_change = not act
            watcher.block(act)
        case 3:
            base = watcher.fork(f"other {len(watcher.log)}")
            for _ in range(min(3, FINAL_DEPTH - 1)):
                watcher.block(1)
            watcher.revert_to(base)
        case 4:
            watcher.set_policy(policy(**BETA))
        case 5:
            watcher.append(PolicyRemoved(book="beta"))
        case _:
            watcher.append(Resumed(scope=keys.SHARD, reason="anew", by="me"))
            watcher.read_wanted()


def telling_all(log: list[Any]) -> list[Any]:
    """Make the log of a watcher that writes every native balance with every block."""
    at: dict[str, dict[str, NativeBalance]] = {}
    made = []
    for event in log:
        if isinstance(event, BlockSeen):
            natives = {each.account: each for each in event.reads if isinstance(each, NativeBalance)}
            before = {} if event.native_checksum is UNSET else at[event.block.parent_hash]
            at[event.block.hash] = all_told = before | natives
            others = [each for each in event.reads if not isinstance(each, NativeBalance)]
            reads = (*all_told.values(), *others)
            made.append(msgspec.structs.replace(event, reads=reads, native_checksum=UNSET))
        else:
            made.append(event)
    return made


@given(st.integers(0, 2**16), st.lists(st.integers(0, 6), max_size=20))
def test_changes_lead_to_what_all_balances_lead_to(seed, acts):
    watcher = started(seed)
    for act in acts:
        tell(watcher, act)
    told, all_told = Shard(0), Shard(0)
    assert drive(told, watcher.log) == drive(all_told, telling_all(watcher.log))
    assert told.tables.entries() == all_told.tables.entries()
    assert told.tables.overwritten() == all_told.tables.overwritten()


@given(
    st.lists(st.tuples(st.sampled_from([OWNER, STRANGER, "0x3"]), st.none() | st.integers(0, 3).map(Wei))),
)
def test_the_sum_of_changes_is_the_sum_of_all(changes):
    kept = NativeSum()
    for account, amount_wei in changes:
        kept.put(account, amount_wei)
    assert kept.checksum == NativeSum(kept.balances).checksum
    last = dict(changes)
    assert kept.balances == {account: wei for account, wei in last.items() if wei is not None}


def quiet_blocks(count: int) -> ToyWatcher:
    watcher = started(7)
    for _ in range(count):
        watcher.block(0)
    return watcher


def test_a_block_that_changes_nothing_tells_nothing():
    watcher = started(7)
    watcher.coins_change = False
    for _ in range(3):
        watcher.block(0)
    natives = [
        [each for each in event.reads if isinstance(each, NativeBalance)]
        for event in watcher.log
        if isinstance(event, BlockSeen)
    ]
    assert [len(each) for each in natives] == [1, 0, 0]


def test_a_lost_change_is_seen_and_ends_with_a_block_that_tells_all():
    watcher = quiet_blocks(4)
    at = len(watcher.log) - 1
    reads = tuple(each for each in watcher.log[at].reads if not isinstance(each, NativeBalance))
    assert len(reads) < len(watcher.log[at].reads)
    watcher.log[at] = msgspec.structs.replace(watcher.log[at], reads=reads)
    shard = Shard(0)
    said = [each for each in drive(shard, watcher.log) if isinstance(each, Declined)]
    item = keys.balance(OWNER, NATIVE)
    assert (said[-1].gate, said[-1].reason, said[-1].item) == ("observed", "not_observed", item)
    assert shard.tables.find(item, Balance) is None
    watcher.append(PolicyRemoved(book="none"))  # the next block tells all
    watcher.block(0)
    assert watcher.log[-1].native_checksum is UNSET
    drive(shard, watcher.log)
    assert shard.tables.find(item, Balance) is not None
    assert native_sum(shard.tables).balances.keys() == {OWNER}
