"""The watcher's rules, one by one, on a chain and a log in memory."""

import asyncio

import pytest
from eth_utils.crypto import keccak
from fake_world import DOLLAR, MANAGER, OWNERS, POOLS, STRANGER, WRAPPED, fake_policy
from msgspec import UNSET
from msgspec.structs import replace
from rigs import TIMING, Rig

from pipeline.drive import drive
from pipeline.errors import FencedError, InfrastructureError, NodeBusyError, SettingsError
from pipeline.follow.due_reads import missing
from pipeline.follow.routes import Arrival
from pipeline.messages.entries import Halted, Writer
from pipeline.messages.events import (
    BlockSeen,
    BlocksReverted,
    HeadStalled,
    ObservationFailed,
    PolicyRemoved,
    PolicySet,
    Resumed,
    WriterStarted,
)
from pipeline.messages.policy import Policy, version_of
from pipeline.state.shard import Shard
from pipeline.units import BookId, Seconds, ShardId, Term, Wei
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved
from pipeline.venues.wallet.native_sum import native_sum
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS
from streams.kafka.codec import decode_event, encode
from streams.node.fake import FakeChain
from streams.watch.fake_log import CrashError
from streams.watch.prefetch import _FIRST_BLOCKS
from streams.watch.standstill import ChainSeen, Standstill

ONE = PolicySet(policy=fake_policy("one", OWNERS[0]))


async def following(rig: Rig, *, blocks: int = 3) -> Rig:
    """A watcher that has read shard 0's book and seen some blocks."""
    await rig.append(0, ONE)
    rig.start()
    await rig.settled()
    for _ in range(blocks):
        rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
    return rig


# ------------------------------------------------------------------ the beginning
async def test_reads_what_is_wanted_at_one_block_before_the_first_block_record() -> None:
    async with Rig() as rig:
        rig.chain.mine(rig.world.move_nft(1, ZERO_ADDRESS, OWNERS[0]))
        rig.chain.mine(rig.world.move_nft(2, ZERO_ADDRESS, STRANGER))
        await rig.append(0, ONE)
        rig.start()
        await rig.settled()
        events = rig.events()
        assert [type(event) for event in events[:2]] == [PolicySet, WriterStarted]
        assert {event.block for event in events[2:]} == {rig.chain.head.block}
        assert all(event.why == "bootstrap" for event in events[2:])
        (owner,) = [event for event in events if isinstance(event, OwnerObserved)]
        assert owner.token_ids == (1,)
        (position,) = [event for event in events if isinstance(event, PositionObserved)]
        assert position.position.pool == POOLS[0]
        assert not rig.fold().of(BlockSeen)
        rig.check()


async def test_a_shard_without_books_gets_no_blocks() -> None:
    async with await following(Rig()) as rig:
        assert [type(event) for event in rig.events(1)] == [WriterStarted]


async def test_every_block_is_a_record_quiet_ones_too() -> None:
    async with await following(Rig()) as rig:
        rig.chain.mine()
        rig.chain.mine(rig.world.swap(POOLS[1]))
        await rig.settled()
        *_, quiet, foreign = rig.check().branch
        assert (quiet.logs, foreign.logs) == ((), ())
        assert {read.account for read in quiet.reads} == {OWNERS[0]}


async def test_own_transactions_come_with_their_receipts() -> None:
    async with await following(Rig()) as rig:
        rig.chain.mine(rig.world.swap(POOLS[0]), rig.world.swap(POOLS[0], sender=OWNERS[0]))
        await rig.settled()
        block = rig.check().branch[-1]
        assert [receipt.transaction_index for receipt in block.receipts] == [1]
        assert [log.address for log in block.logs] == [POOLS[0], WRAPPED, POOLS[0]]


async def test_another_chain_is_refused() -> None:
    async with Rig(chain=FakeChain(chain_id=1)) as rig:
        with pytest.raises(SettingsError, match="follows chain 1, this deployment is of chain 31337"):
            await rig.start()


async def test_a_node_that_comes_back_as_another_chain_is_refused() -> None:
    async with await following(Rig()) as rig:
        rig.chain._chain_id = 5
        rig.chain.fail("newest", "stall")
        with pytest.raises(SettingsError, match="follows chain 5"):
            await rig.tasks[0]


# ------------------------------------------------------------------ what comes in the middle
async def test_an_nft_that_comes_to_an_owner_is_read_before_the_next_block() -> None:
    async with await following(Rig()) as rig:
        rig.chain.mine(rig.world.move_nft(7, ZERO_ADDRESS, STRANGER))
        came = rig.chain.mine(rig.world.move_nft(7, STRANGER, OWNERS[0], by=OWNERS[0]))
        for _ in range(5):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        events = rig.events()
        at = next(i for i, e in enumerate(events) if isinstance(e, PositionObserved))
        assert isinstance(events[at - 1], BlockSeen)
        assert events[at - 1].block == events[at].block == came.block
        rig.chain.mine(rig.world.move_nft(7, OWNERS[0], STRANGER))
        await rig.settled()
        rig.check()


async def test_a_policy_in_the_middle_adds_what_it_names() -> None:
    async with await following(Rig()) as rig:
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0], *POOLS)))
        rig.chain.mine(rig.world.swap(POOLS[1]))
        await rig.until(lambda: {e.pool for e in rig.fold().applied(PoolObserved)} == set(POOLS))
        await rig.settled()
        rig.chain.mine(rig.world.swap(POOLS[1]))
        await rig.settled()
        assert POOLS[1] in {log.address for log in rig.check().branch[-1].logs}


async def test_a_policy_on_a_quiet_chain_is_read_at_once() -> None:
    async with await following(Rig()) as rig:
        await rig.append(0, PolicySet(policy=fake_policy("two", OWNERS[1])))
        await rig.settled()
        assert [e.owner for e in rig.fold().applied(OwnerObserved)] == [OWNERS[0], OWNERS[1]]


async def test_a_removed_policy_ends_the_records() -> None:
    async with await following(Rig()) as rig:
        await rig.append(0, PolicyRemoved(book=BookId("one")))
        await rig.turns()
        length = len(rig.events())
        rig.chain.mine()
        await rig.turns()
        assert len(rig.events()) == length
        await rig.append(0, ONE)
        await rig.settled()
        rig.check()


async def test_what_is_no_event_is_passed_over() -> None:
    async with await following(Rig()) as rig:
        await rig.broker.append(0, [b"", b"\xff\x00", b'{"type":"nonsense"}'])
        rig.chain.mine()
        await rig.settled()
        rig.check()


# ------------------------------------------------------------------ branches
@pytest.mark.parametrize("depth", [1, 5, 11])
@pytest.mark.parametrize("longer", [-1, 0, 3])
async def test_goes_back_to_where_the_branches_part(depth: int, longer: int) -> None:
    async with await following(Rig(), blocks=12) as rig:
        old = [header.block.hash for header, _ in rig.chain.blocks()[-depth:]]
        common = rig.chain.rollback(depth)
        for _ in range(max(depth + longer, 1)):  # less of the chain alone is not another branch
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        (reverted,) = rig.fold().of(BlocksReverted)
        assert reverted.to == common.block
        assert list(reversed(reverted.reverted)) == old
        assert rig.check().count(Arrival.SET_ASIDE) == 0


async def test_goes_back_over_many_blocks_that_were_fetched_together() -> None:
    async with Rig() as rig:
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0], final_depth_blocks=64)))
        task = rig.start()
        await rig.settled()
        await rig.kill(task)
        rig.tasks.clear()
        for _ in range(50):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        rig.start()
        await rig.settled()
        rig.chain.rollback(40)
        for _ in range(60):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        assert len(rig.check().of(BlocksReverted)) == 1


@pytest.mark.parametrize("forgets", [True, False])
async def test_a_shorter_chain_is_followed_once_another_block_stands_at_a_known_height(forgets: bool) -> None:
    async with await following(Rig(forgets=forgets), blocks=6) as rig:
        length = len(rig.events())
        common = rig.chain.rollback(4)
        rig.now_s += 10_000
        await rig.turns()
        assert len(rig.events()) == length, "less of the chain is not another chain"
        rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        (reverted,) = rig.fold().of(BlocksReverted)
        assert reverted.to == common.block
        rig.check()


async def test_goes_back_below_its_first_block_and_begins_anew() -> None:
    async with Rig() as rig:
        for _ in range(5):
            rig.chain.mine()
        await following(rig, blocks=2)
        rig.chain.rollback(4)
        for _ in range(5):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        fold = rig.check()
        assert len(fold.of(BlocksReverted)) == 1
        assert len(fold.applied(PoolObserved)) == 2


async def test_a_reorg_deeper_than_can_be_undone_halts_and_an_operator_begins_anew() -> None:
    async with await following(Rig(), blocks=20) as rig:
        rig.chain.rollback(16)
        for _ in range(18):
            rig.chain.mine()
        await rig.until(lambda: rig.fold().tables.find("halted", Halted))
        length = len(rig.events())
        rig.chain.mine()
        await rig.turns()
        assert len(rig.events()) == length
        (reason,) = [rig.fold().tables.need("halted", Halted).reason]
        theirs = {header.block.hash: header.block.number for header, _ in rig.chain.blocks()}
        ours, shown = [word.rstrip(",") for word in reason.split() if word.startswith("0x")]
        final = next(event.block for event in rig.fold().branch if event.block.hash == ours)
        assert theirs[shown] == final.number, "both blocks are named"
        await rig.append(0, Resumed(scope="shard", reason="looked", by="me"))
        await rig.settled()
        rig.chain.mine()
        await rig.settled()
        rig.check()


async def test_a_halt_that_only_the_worker_knows_of_ends_with_the_operators_word_too() -> None:
    async with await following(Rig()) as rig:
        rig.commit(0, len(rig.events()) - 1, halted=Halted(reason="too many in quarantine"))
        for _ in range(3):
            rig.chain.mine()
        await rig.settled()
        before = len(rig.fold().of(PoolObserved))
        await rig.append(0, Resumed(scope="shard", reason="looked", by="me"))
        await rig.until(lambda: len(rig.fold().of(PoolObserved)) > before)
        assert rig.events()[-1].block == rig.chain.head.block


async def test_an_nft_that_came_on_a_branch_that_went_away_is_no_longer_followed() -> None:
    async with await following(Rig()) as rig:
        rig.chain.mine(rig.world.move_nft(7, ZERO_ADDRESS, OWNERS[0]))
        await rig.settled()
        rig.chain.rollback(1)
        rig.chain.mine()
        await rig.settled()
        assert not [
            key for key in rig.check().tables.entries() if key.startswith(f"route/position/{MANAGER}")
        ]


@pytest.mark.parametrize("lags_blocks", [3, 11, 25])
@pytest.mark.parametrize("forgets", [True, False])
async def test_a_lagging_node_is_waited_for_however_far_and_long_it_lags(
    forgets: bool, lags_blocks: int
) -> None:
    """Also further than the shard can undo, and whether or not it knows our head by hash."""
    async with await following(Rig(forgets=forgets), blocks=30) as rig:
        length = len(rig.events())
        rig.chain.lags_blocks = lags_blocks
        for _ in range(5):
            rig.now_s += 1_000
            await rig.turns(100)
        assert len(rig.events()) == length
        rig.chain.mine(rig.world.swap(POOLS[0]))  # the node moves, and is still behind
        await rig.turns(100)
        assert len(rig.events()) == length
        rig.chain.lags_blocks = 0
        rig.chain.mine()
        await rig.settled()
        fold = rig.check()
        assert not fold.of(BlocksReverted)
        assert all(arrival is Arrival.APPLIES for _, arrival in fold.arrivals)


async def test_a_replica_on_another_final_branch_halts_nothing_in_passing() -> None:
    """A load balancer may give an answer or two from a node that is stuck on a branch of its own."""
    async with await following(Rig(), blocks=30) as rig:
        ours = rig.chain.blocks()
        rig.chain.rollback(25)
        for _ in range(25):
            rig.chain.mine()
        await rig.turns(50)
        rig.chain._branch[:] = ours
        await rig.turns(50)
        rig.now_s += 100
        rig.chain.mine()
        await rig.settled()
        fold = rig.check()
        assert not fold.of(BlocksReverted)
        assert all(arrival is Arrival.APPLIES for _, arrival in fold.arrivals)


async def test_a_chain_with_nothing_in_common_is_an_error() -> None:
    async with Rig() as rig:
        await following(rig, blocks=1)
        rig.chain._branch.clear()
        for _ in range(3):
            rig.chain.mine()
        with pytest.raises(InfrastructureError, match="no block in common"):
            await rig.tasks[0]


async def test_blocks_fetched_before_a_reorg_are_not_asked_about_for_ever() -> None:
    """A live book's allowances are read at each block's hash, which the node no longer knows after the reorg."""
    live = replace(fake_policy("one", OWNERS[0]), mode="live")
    live = replace(live, policy_version=version_of(live))
    async with Rig() as rig:
        await rig.append(0, PolicySet(policy=live))
        rig.start()
        await rig.settled()
        rig.chain.fail("call", "stall")
        old = [rig.chain.mine().block.hash for _ in range(3)]
        await rig.until(lambda: not rig.chain._faults["call"])
        rig.chain.rollback(3)
        for _ in range(2 * _FIRST_BLOCKS):  # so that the newest block is not in the old ones' chunk
            rig.chain.mine()
        await rig.settled()
        assert not {block.block.hash for block in rig.fold().of(BlockSeen)} & set(old)
        rig.check()


# ------------------------------------------------------------------ nodes that fail
@pytest.mark.parametrize("fault", ["null", "stall", "lie"])
@pytest.mark.parametrize("question", ["newest", "headers", "header", "bodies", "native_balances"])
async def test_no_fault_of_a_node_leaves_a_trace(question: str, fault: str) -> None:
    async with await following(Rig()) as rig:
        for _ in range(4):
            rig.chain.fail(question, *[fault] * 5)
            rig.chain.mine(rig.world.swap(POOLS[0]))
            rig.chain.mine(rig.world.swap(POOLS[0]))
            await rig.settled()
        rig.chain.rollback(3)
        rig.chain.fail(question, *[fault] * 3)
        for _ in range(4):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        fold = rig.check()
        assert all(arrival is Arrival.APPLIES for _, arrival in fold.arrivals)
        assert len(fold.branch[-1].logs) == 1


async def test_a_node_without_old_state_tells_no_native_balances_and_blocks_go_on() -> None:
    async with await following(Rig()) as rig:
        await rig.kill(rig.tasks.pop())
        rig.chain.keeps_states = 3
        for _ in range(9):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        rig.start()
        await rig.settled()
        assert [len(event.reads) for event in rig.check().branch[-9:]] == [0] * 6 + [1] * 3


async def test_the_coin_balances_that_changed_add_up_to_those_of_the_chain() -> None:
    async with await following(Rig()) as rig:
        rig.chain.wei |= {each: lambda header: Wei(header.block.number // 2) for each in OWNERS[:2]}
        for fault in ("", "null", "", "reorg", "", "policy", ""):
            if fault == "null":
                rig.chain.fail("native_balances", fault)
            if fault == "reorg":
                rig.chain.rollback(2)
                rig.chain.mine()
            if fault == "policy":
                await rig.append(0, PolicySet(policy=fake_policy("two", OWNERS[1])))
            for _ in range(3):
                rig.chain.mine(rig.world.swap(POOLS[0]))
                await rig.settled()
        shard = Shard(ShardId(0))
        drive(shard, rig.events())
        head = rig.chain.head.block.hash
        assert native_sum(shard.tables).balances == {each: rig.chain._wei(each, head) for each in OWNERS[:2]}
        tells_all = [event.native_checksum is UNSET for event in rig.events() if isinstance(event, BlockSeen)]
        assert tells_all.count(False) > tells_all.count(True) > 3


async def test_what_cannot_be_read_is_told_once_and_blocks_go_on_and_it_is_read_once_it_can() -> None:
    async with await following(Rig()) as rig:
        rig.world.broken.add(POOLS[1])
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0], *POOLS)))
        for _ in range(9):
            rig.chain.mine(rig.world.swap(POOLS[0]))
            await rig.until(lambda: rig.fold().tables.head.hash == rig.chain.head.block.hash)
        (failed,) = rig.fold().of(ObservationFailed)
        assert failed.item == f"pool/{POOLS[1]}"
        assert failed.reason == f"token0() of {POOLS[1]} reverts"
        rig.world.broken.clear()
        await rig.settled()
        rig.check()


async def test_a_node_that_fails_in_the_middle_of_reads_does_not_hold_up_blocks_for_ever() -> None:
    async with await following(Rig()) as rig:
        rig.chain.fail("call", *["stall"] * 100_000)
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0], *POOLS)))
        for _ in range(6):
            rig.chain.mine()
            await rig.until(lambda: rig.fold().tables.head.hash == rig.chain.head.block.hash)
        assert not rig.fold().of(ObservationFailed), "what ails a node is not a fact about a pool"
        assert f"pool/{POOLS[1]}" in missing(rig.fold().tables, rig.fold().tables.need("policy/one", Policy))
        rig.chain._faults.clear()
        await rig.settled()
        rig.check()


# ------------------------------------------------------------------ checks, stalls, repairs
async def test_pools_nfts_and_balances_are_compared_every_so_many_blocks_before_the_next_one() -> None:
    async with await following(Rig(), blocks=2) as rig:
        rig.chain.mine(
            rig.world.move_nft(1, ZERO_ADDRESS, OWNERS[0], by=OWNERS[0]),
            rig.world.move_nft(3, ZERO_ADDRESS, STRANGER),
        )
        await rig.settled()
        for _ in range(25):
            rig.chain.mine()
        await rig.settled()
        checks = [(i, e) for i, e in enumerate(rig.events()) if getattr(e, "why", "") == "check"]
        ours = (
            f"pool/{POOLS[0]}",
            f"position/{MANAGER}/1",
            f"balance/{OWNERS[0]}/{DOLLAR}",
            f"balance/{OWNERS[0]}/{WRAPPED}",
        )
        assert {(event.block.number, event.item) for _, event in checks} == {
            (number, item) for number in (10, 20) for item in ours
        }
        assert len(checks) == 8
        for at, check in checks:
            assert rig.events()[at - 1].block == check.block
        rig.check()


@pytest.mark.parametrize("what", ["takes a fee", "rebasing"])
async def test_a_token_that_cannot_be_followed_by_its_transfers_is_never_observed(what: str) -> None:
    async with Rig() as rig:
        if what == "rebasing":
            shares = keccak(text="scaledTotalSupply()")[:4]
            plain = rig.chain.contracts[DOLLAR]
            rig.chain.contracts[DOLLAR] = lambda data, at: (
                bytes(31) + b"1" if data[:4] == shares else plain(data, at)
            )
        else:
            rig.chain.fees_bps[DOLLAR] = 1
        await rig.append(0, ONE)
        rig.start()
        await rig.until(lambda: [e for e in rig.events() if isinstance(e, ObservationFailed)])
        for _ in range(3):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.until(lambda: rig.fold().branch and rig.fold().branch[-1].block == rig.chain.head.block)
        (failed,) = [e for e in rig.events() if isinstance(e, ObservationFailed)]
        assert failed.item == f"balance/{OWNERS[0]}/{DOLLAR}"
        assert DOLLAR in failed.reason
        assert what in failed.reason
        assert list(missing(rig.fold().tables, ONE.policy)) == [failed.item], "its book declines, for ever"


async def test_a_restart_does_not_check_again() -> None:
    async with await following(Rig(), blocks=2) as rig:
        while rig.chain.head.block.number < 10:
            rig.chain.mine()
        await rig.settled()
        await rig.until(lambda: len([e for e in rig.events() if getattr(e, "why", "") == "check"]) == 3)
        await rig.kill(rig.tasks.pop())
        rig.start()
        rig.chain.mine()
        await rig.settled()
        assert len([e for e in rig.events() if getattr(e, "why", "") == "check"]) == 3


async def test_an_operators_word_brings_a_repairing_read_once() -> None:
    async with await following(Rig(), blocks=2) as rig:
        await rig.append(0, Resumed(scope=f"pool/{POOLS[0]}", reason="looked", by="me"))
        await rig.until(lambda: [e for e in rig.fold().of(PoolObserved) if e.why == "repair"])
        for _ in range(3):
            rig.chain.mine()
            await rig.settled()
        assert [e.why for e in rig.fold().of(PoolObserved)] == ["bootstrap", "repair"]
        rig.check()


async def test_what_is_to_be_repaired_at_a_block_of_checks_is_read_once() -> None:
    """Else the watcher would end at that block, and each one after it: nobody could go on."""
    async with await following(Rig(), blocks=2) as rig:
        while rig.chain.head.block.number < 9:
            rig.chain.mine()
        await rig.settled()
        await rig.kill(rig.tasks.pop())
        rig.chain.mine()
        claims = rig.partitions
        with pytest.raises(CrashError):
            await rig.start(dies_at=(claims + 1, "after"))
        rig.tasks.clear()
        assert rig.fold().tables.head.number == 10, "a block of checks, of which none was made"
        await rig.append(0, Resumed(scope=f"pool/{POOLS[0]}", reason="looked", by="me"))
        rig.start()
        await rig.settled()
        await rig.until(lambda: [e for e in rig.events() if getattr(e, "why", "") == "check"])
        at_10 = [e for e in rig.fold().applied(PoolObserved) if e.block.number == 10]
        assert [e.why for e in at_10] == ["repair"]
        rig.chain.mine()
        await rig.settled()
        rig.check()


async def test_a_chain_that_stands_still_is_told_once_each_time() -> None:
    async with await following(Rig(timing=replace(TIMING, stall_after_s=20))) as rig:
        for times in (1, 2):
            await rig.until(lambda times=times: len(rig.fold().of(HeadStalled)) == times)
            await rig.turns(2_000)
            stalls = rig.fold().of(HeadStalled)
            assert len(stalls) == times
            assert stalls[-1].block == rig.chain.head.block
            assert stalls[-1].age_s >= 20
            assert stalls[-1].cause == f"the node shows no block after {rig.chain.head.block.number}"
            rig.chain.mine()
            await rig.settled()


async def test_a_node_that_is_away_is_a_chain_that_stands_still() -> None:
    async with await following(Rig(timing=replace(TIMING, stall_after_s=20))) as rig:
        rig.chain.fail("newest", *["stall"] * 100_000)
        await rig.turns()
        rig.now_s += 30
        await rig.until(lambda: rig.fold().of(HeadStalled))


def test_a_standstill_of_many_words_is_told_in_a_record_that_can_be_read() -> None:
    standstill = Standstill(lambda: 7.0, after_s=1)
    standstill.failed(NodeBusyError("; ".join(f"node{place}: is busy" for place in range(100))))
    head = FakeChain().head.block
    cause = standstill.cause(head, ChainSeen(newest=None, trouble=None))
    assert cause.startswith("node0: is busy; node1: is busy; ")
    assert cause.endswith("...; for 0 s")
    told = HeadStalled(term=Term(1), block=head, age_s=Seconds(60), cause=cause)
    assert decode_event(encode(told), where="here") == told


async def stalled(rig: Rig) -> HeadStalled:
    rig.now_s += 30
    await rig.until(lambda: rig.fold().of(HeadStalled))
    (told,) = rig.fold().of(HeadStalled)
    return told


@pytest.mark.parametrize("question", ["bodies", "headers", "native_balances"])
async def test_a_head_that_stands_still_while_the_nodes_moves_is_reported_with_its_cause(
    question: str,
) -> None:
    async with await following(Rig(timing=replace(TIMING, stall_after_s=20))) as rig:
        head = rig.chain.head.block
        rig.chain.fail(question, *["stall"] * 1_000_000)
        for _ in range(5):
            for _ in range(2):  # of a single new block the header is known already
                rig.chain.mine(rig.world.swap(POOLS[0]))
            await rig.turns(20)
            rig.now_s += 3
        told = await stalled(rig)
        assert told.block == head
        assert told.age_s >= 20
        assert told.cause.startswith(f"{question}: no answer in time; for ")
        assert int(told.cause.split()[-2]) >= 10, "since the first of the row of errors"
        rig.chain._faults.clear()
        await rig.settled()
        rig.check()


async def test_a_standstill_names_what_the_node_shows_where_nothing_fails() -> None:
    async with await following(Rig(timing=replace(TIMING, stall_after_s=20)), blocks=6) as rig:
        number = rig.chain.head.block.number
        rig.chain.lags_blocks = 2
        await rig.turns()
        said = f"the node is behind: its newest block is {number - 2}, the shard is at {number}"
        assert (await stalled(rig)).cause == said


async def test_a_node_that_does_not_answer_is_named_as_the_cause() -> None:
    async with await following(Rig(timing=replace(TIMING, stall_after_s=20))) as rig:
        rig.chain.fail("newest", *["stall"] * 1_000_000)
        await rig.turns()
        assert (await stalled(rig)).cause.startswith("newest: no answer in time; for ")


async def test_a_shard_that_is_broken_off_from_within_ends_the_watch(monkeypatch) -> None:
    """The others must not go on without it, as if nothing had happened."""
    async with Rig() as rig:
        await rig.append(0, ONE)
        watch = rig.watch("w")

        async def breaks_off(view: object) -> bool:
            raise asyncio.CancelledError

        monkeypatch.setattr(watch.shards[1], "step", breaks_off)
        with pytest.raises(InfrastructureError, match="broken off from within"):
            await asyncio.wait_for(watch.run(), 20)


# ------------------------------------------------------------------ terms
async def test_a_second_watcher_takes_over_and_the_first_ends() -> None:
    async with await following(Rig()) as rig:
        (first,) = rig.tasks
        rig.tasks.clear()
        rig.start("second")
        with pytest.raises(FencedError, match="another watcher writes since, with term 2"):
            await first
        for _ in range(3):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        await rig.settled()
        rig.check()
        assert [(e.term, e.instance) for e in rig.fold(1).of(WriterStarted)] == [(1, "w"), (2, "second")]


async def test_of_equal_terms_the_first_in_the_log_wins_and_the_other_ends() -> None:
    async with Rig() as rig:
        await rig.append(0, ONE)
        watches = [rig.watch(name) for name in ("a", "b")]
        for watch in watches:
            for each in watch.shards:
                await each.follower.load(watch._event_log)
            await watch._event_log.follow({s.follower.shard: s.follower.next_offset for s in watch.shards})
        await watches[0].shards[0].take_over(1, "a")
        with pytest.raises(FencedError):
            await watches[1].shards[0].take_over(1, "b")
        await watches[0].shards[1].take_over(1, "a")
        assert [e.instance for e in rig.fold(1).of(WriterStarted)] == ["a"]


async def test_what_a_replaced_watcher_still_writes_does_not_count() -> None:
    async with await following(Rig()) as rig:
        await rig.kill(rig.tasks.pop())
        rig.start("second")
        await rig.until(lambda: len(rig.fold().of(WriterStarted)) == 2)
        stale = replace(rig.fold().of(BlockSeen)[-1], term=1)
        await rig.append(0, stale, replace(stale, block=replace(stale.block, hash="0x" + "66" * 32)))
        rig.chain.mine()
        await rig.settled()
        fold = rig.check()
        assert fold.count(Arrival.OUTDATED) == 2
        assert fold.count(Arrival.SET_ASIDE) == 0


async def test_a_watcher_that_dies_between_its_claims_leaves_nothing_to_repair() -> None:
    async with Rig(partitions=4) as rig:
        await rig.append(2, ONE)
        for death in ("before", "after"):
            for claim in range(1, 5):
                with pytest.raises(CrashError):
                    await rig.start(dies_at=(claim, death))
                rig.tasks.clear()
        rig.start()
        await rig.settled()
        rig.check(2)
        assert len({rig.fold(shard).tables.need("writer", Writer).term for shard in range(4)}) == 1


# ------------------------------------------------------------------ the committed state
async def test_goes_on_from_what_a_worker_has_committed() -> None:
    async with await following(Rig(), blocks=8) as rig:
        await rig.kill(rig.tasks.pop())
        rig.commit(0, len(rig.events()) // 2)
        rig.chain.rollback(3)
        for _ in range(5):
            rig.chain.mine(rig.world.swap(POOLS[0]))
        rig.start()
        await rig.settled()
        rig.check()


async def test_a_log_that_no_longer_reaches_back_is_an_error() -> None:
    async with await following(Rig()) as rig:
        await rig.kill(rig.tasks.pop())
        rig.commit(0, len(rig.events()) - 1)
        del rig.broker.logs[0][3:]
        with pytest.raises(InfrastructureError, match="not the log that the state was made from"):
            await rig.start()
        rig.tasks.clear()
