"""A signer's process on a real broker and a real chain: an intent has one effect, whatever happens to the process."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from freezing import freeze
from kafka_logs import append, read_committed
from sender_house import CHAIN_IDS, SenderHouse, limits_of

from pipeline.messages.events import Paused, Resumed
from pipeline.messages.journal import IntentKnown, NonceBound
from pipeline.sign.nonces import status
from streams.devnet.actions import swap_exact_in, wrap
from streams.devnet.broker import Broker, start_broker
from streams.devnet.chain import start_chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.kafka.codec import encode
from streams.kafka.topics import DEAD_LETTERS, EVENTS
from streams.submit.sending import POINTS

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

GWEI = 10**9
ETHER = 10**18
KILLED = -signal.SIGKILL
FAILED = 1


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], tmp_path)
        yield house
        house.end()


def weth(house: SenderHouse) -> int:
    return balance(house.chain, house.world.weth, house.owner)


def nonces(house: SenderHouse) -> list[NonceBound]:
    return [entry for entry in house.journal().values() if isinstance(entry, NonceBound)]


# ------------------------------------------------------------------ one effect an intent
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_an_intent_has_one_effect(house, point):
    since, had, first_nonce = house.chain.header().number, weth(house), house.nonce()
    wanted = house.deposit()
    dying = house.start(kill_at=point)
    house.put(wanted)
    assert house.wait_end(dying) == KILLED
    signed_before = [bound.attempts[0].raw for bound in nonces(house)]

    pid = house.start()
    assert house.until_said(wanted.digest, "Sent") == ["Simulated", "Signed", "Sent"]
    house.until_pending(1)
    house.chain.mine()
    house.until(lambda: [status(bound) for bound in nonces(house)] == ["mined"])
    house.stop(pid)

    (bound,) = nonces(house)
    assert (bound.nonce, len(bound.attempts)) == (first_nonce, 1)
    assert signed_before in ([], [bound.attempts[0].raw])
    assert bool(signed_before) == (point in POINTS[2:])
    assert [tx["hash"] for tx in house.transactions_of_owner(since)] == [bound.attempts[0].transaction_hash]
    assert weth(house) == had + ETHER


def test_a_phase_goes_out_together_on_consecutive_nonces(house):
    usdc, place = house.world.usdc_low, "book/b1"
    since = house.chain.header().number
    first = house.approve(usdc, 3_000 * 10**6, position=place)
    second = house.swap(usdc, 3_000 * 10**6, 998 * ETHER // 1000, position=place, after=first.digest)
    stranger = house.deposit(position=place)
    had = weth(house)
    pid = house.start()
    house.put(first, second, stranger)
    house.until_said(second.digest, "Sent")
    house.until_said(stranger.digest, "IntentRefused")
    house.chain.mine()
    mined = house.transactions_of_owner(since)
    assert [tx["hash"] for tx in mined] == [bound.attempts[0].transaction_hash for bound in nonces(house)]
    assert weth(house) > had + 995 * ETHER // 1000
    (refused,) = (r for r in house.reports() if r.intent == stranger.digest)
    assert (refused.reason, second.digest in refused.detail or first.digest in refused.detail) == (
        "already_open",
        True,
    )

    again = house.deposit(position=place)  # the ones before are mined, though not final
    house.put(again)
    assert "Sent" in house.until_said(again.digest, "Sent")
    house.stop(pid)


# ------------------------------------------------------------------ two processes
def test_of_two_processes_one_is_fenced(house):
    since = house.chain.header().number
    old = house.start()
    house.until(lambda: "serving" in house.log())
    new = house.start()
    house.until(lambda: house.log().count("serving") == 2)
    wanted = house.deposit()
    house.put(wanted)
    assert house.wait_end(old) == FAILED
    assert "FencedError" in house.log()
    house.until_said(wanted.digest, "Sent")
    house.chain.mine()
    assert len(house.transactions_of_owner(since)) == 1
    house.stop(new)


@pytest.mark.parametrize("point", ["nonce", "journal"])
def test_a_frozen_process_that_comes_back_doubles_nothing(house, point):
    since = house.chain.header().number
    frozen = house.start(stop_at=point)
    wanted = house.deposit()
    house.put(wanted)
    house.until(lambda: _is_stopped(frozen))
    new = house.start()
    house.until_said(wanted.digest, "Sent")
    os.kill(frozen, signal.SIGCONT)
    assert house.wait_end(frozen) == FAILED
    assert "FencedError" in house.log()
    house.chain.mine()
    house.chain.mine()
    assert len(house.transactions_of_owner(since)) == 1
    house.stop(new)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


# ------------------------------------------------------------------ the key, the mempool, the fees
def test_a_key_used_by_hand_halts_until_an_operator_accepts_it(house):
    wanted = house.deposit()
    pid = house.start()
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    (bound,) = nonces(house)
    house.chain.rpc("anvil_dropTransaction", bound.attempts[0].transaction_hash)
    by_hand = house.chain.send(wrap(house.world, house.owner, 1))
    house.chain.mine()
    assert house.chain.receipt(by_hand).succeeded
    assert house.wait_end(pid) == FAILED
    assert f"ForeignNonceError: {house.owner} has used nonce {bound.nonce}, but by none" in house.log()

    later = house.deposit()
    house.put(later)
    again = house.start()
    assert house.wait_end(again) == FAILED
    assert house.pending() == 0
    assert house.said(later.digest) == []

    accepting = house.start(adopt_nonce=True)
    house.until_said(later.digest, "Sent")
    assert house.said(wanted.digest)[-1] == "Dropped"
    house.stop(accepting)


def test_a_transaction_that_the_node_lost_is_sent_again(house):
    wanted = house.deposit()
    pid = house.start()
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    (bound,) = nonces(house)
    sent = bound.attempts[0].transaction_hash
    house.chain.rpc("anvil_dropTransaction", sent)
    assert house.pending() == 0
    house.chain.mine()
    house.until_pending(1)
    house.chain.mine()
    assert house.chain.receipt(sent).succeeded
    house.stop(pid)


def test_a_fee_storm_is_outbid_within_the_cap(house):
    house.chain.mine(base_fee_wei=4 * GWEI)
    since = house.chain.header().number
    wanted = house.deposit()
    pid = house.start()
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    for _ in range(3):
        house.chain.mine(base_fee_wei=80 * GWEI)
    house.until(lambda: len(nonces(house)[0].attempts) > 1)
    house.until_pending(1)
    house.chain.mine()
    house.until(lambda: status(nonces(house)[0]) == "mined")
    house.stop(pid)
    (bound,) = nonces(house)
    old, new = bound.attempts[0], bound.attempts[-1]
    assert new.max_fee_wei * 100 >= old.max_fee_wei * 112
    assert new.tip_wei * 100 >= old.tip_wei * 112
    assert all(attempt.max_fee_wei <= wanted.max_fee_per_gas_wei for attempt in bound.attempts)
    (mined,) = house.transactions_of_owner(since)
    hashes = [report.transaction_hash for report in house.reports() if type(report).__name__ == "Signed"]
    assert mined["hash"] in hashes


def test_out_of_caps_is_cancelled_and_dropped_once_that_is_final(house):
    had, first_nonce = weth(house), house.nonce()
    wanted = house.deposit(max_fee_gwei=3)
    pid = house.start()
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    for _ in range(3):
        house.chain.mine(base_fee_wei=10 * GWEI)
    house.until(lambda: nonces(house)[0].attempts[-1].cancels)
    house.until_pending(1)
    house.chain.mine()
    house.until(lambda: status(nonces(house)[0]) == "cancelled")
    assert "Dropped" not in house.said(wanted.digest)
    for _ in range(4):
        house.chain.mine()
    assert house.until_said(wanted.digest, "Dropped")[-1] == "Dropped"
    house.stop(pid)
    assert (house.nonce(), weth(house)) == (first_nonce + 1, had)
    assert nonces(house) == []


# ------------------------------------------------------------------ reorgs
def test_a_reorg_before_the_signature_orphans_an_intent(house):
    for _ in range(3):
        house.chain.mine()
    gone = house.head()
    house.chain.reorg(2)
    wanted = house.deposit(made_at=gone)
    pid = house.start()
    house.put(wanted)
    assert house.until_said(wanted.digest, "IntentRefused") == ["IntentRefused"]
    (refused,) = house.reports()
    assert refused.reason == "orphaned"
    house.stop(pid)
    assert house.pending() == 0


def test_a_reorg_between_send_and_receipt_lets_the_signed_bytes_run_on(house):
    for _ in range(3):
        house.chain.mine()
    had, first_nonce = weth(house), house.nonce()
    wanted = house.deposit()
    pid = house.start()
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    (sent,) = nonces(house)
    house.chain.reorg(2)  # the block that it was made at is no more; what waits may be in a new one
    house.chain.mine()
    house.until(lambda: status(nonces(house)[0]) == "mined")
    house.stop(pid)
    (after,) = nonces(house)
    assert [attempt.raw for attempt in after.attempts] == [sent.attempts[0].raw]
    assert [type(report).__name__ for report in house.reports()] == ["Simulated", "Signed", "Sent"]
    assert (house.nonce(), weth(house)) == (first_nonce + 1, had + ETHER)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_reorg_of_a_mined_transaction_sends_the_same_bytes_again(house, depth):
    had = weth(house)
    wanted = house.deposit()
    pid = house.start(limits=limits_of(house.world, bump_after_blocks=depth + 5))
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    (bound,) = nonces(house)
    for _ in range(depth):
        house.chain.mine()
    house.until(lambda: status(nonces(house)[0]) == "mined")
    freeze(pid)  # the new branch comes block by block: who looks in between sends again, and is mined in it
    house.chain.reorg(depth)
    assert weth(house) == had
    os.kill(pid, signal.SIGCONT)
    house.until_pending(1)
    house.chain.mine()
    house.until(lambda: status(nonces(house)[0]) == "mined")
    house.stop(pid)
    (after,) = nonces(house)
    assert [attempt.raw for attempt in after.attempts] == [bound.attempts[0].raw]
    assert house.chain.receipt(bound.attempts[0].transaction_hash).succeeded
    assert weth(house) == had + ETHER


def test_an_intent_waits_for_its_block_but_not_for_ever(house):
    head = house.head()
    ahead = {"number": head.number + 1, "timestamp_s": head.timestamp_s + 12}
    never = house.deposit(made_at=_block(head, hash="0x" + "ab" * 32, **ahead))
    pid = house.start()
    house.put(never)
    house.until_said(never.digest, "IntentRefused")
    (refused,) = house.reports()
    assert (refused.reason, "is not known yet" in refused.detail) == ("orphaned", True)
    house.stop(pid)


def _block(like, **changes):
    import msgspec

    return msgspec.structs.replace(like, **changes)


def test_catching_up_sends_nothing_for_old_blocks(house):
    old = [house.deposit() for _ in range(60)]
    for _ in range(8):
        house.chain.mine()
    fresh = house.deposit()
    house.put(*old, fresh)
    pid = house.start()
    house.until_said(fresh.digest, "Sent")
    house.until_pending(1)
    reasons = [report.reason for report in house.reports() if type(report).__name__ == "IntentRefused"]
    assert reasons == ["expired"] * len(old)
    assert [bound.intent.digest for bound in nonces(house)] == [fresh.digest]
    house.stop(pid)


# ------------------------------------------------------------------ operators, forgers
def test_a_pause_stops_new_intents_at_once_and_across_a_restart(house):
    def tell(event):
        topic = EVENTS.on(house.chain_id)
        asyncio.run(append(house.bootstrap, topic, 0, [encode(event)]))

    pid = house.start()
    house.until(lambda: "serving" in house.log())
    tell(Paused(scope="book/b1", reason="test", by="test"))
    house.until_refused_as_paused(house.deposit)
    assert house.answered(house.deposit())[1] == "paused"
    house.stop(pid)

    pid = house.start()
    second, other = house.deposit(), house.deposit(book="b2")
    house.put(second, other)
    house.until_last_said(second, "paused")
    house.until_last_said(other, "Sent")
    tell(Resumed(scope="book/b1", reason="test", by="test"))
    house.until(lambda: house.answered(house.deposit())[1] == "Sent")
    house.stop(pid)


def test_bytes_that_are_no_intent_become_dead_letters_and_stop_nothing(house):
    pid = house.start()
    wanted = house.deposit()
    house.put_bytes(
        0, b"{", b"", b'{"type":"SubmitTransaction"}', encode(wanted).replace(b'"60000"', b"60000")
    )
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    letters = asyncio.run(read_committed(house.bootstrap, DEAD_LETTERS.on(house.chain_id), 0))
    assert len(letters) == 4
    house.stop(pid)


def test_a_closed_intent_stays_closed_and_an_open_one_is_not_answered_twice(house):
    pid = house.start()
    wanted, bad = house.deposit(), house.deposit(owner="0x" + "ab" * 20)
    house.put(wanted, bad, wanted, bad)
    house.until(lambda: len([r for r in house.reports() if r.intent == bad.digest]) == 2)
    assert [r.reason for r in house.reports() if r.intent == bad.digest] == ["limits", "already_closed"]
    house.until_said(wanted.digest, "Sent")
    assert house.said(wanted.digest) == ["Simulated", "Signed", "Sent"]
    for _ in range(6):
        house.chain.mine()
    known = house.until(lambda: _final(house, wanted.digest))
    assert known.outcome == "final"
    house.stop(pid)


def _final(house, digest):
    entries = (e for e in house.journal().values() if isinstance(e, IntentKnown) and e.intent == digest)
    return next((e for e in entries if e.outcome != "open"), None)


def test_a_journal_that_cannot_be_written_stops_sending(
    built: tuple[World, Path, str], tmp_path: Path, cache: Path
):
    with (
        start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain,
        start_broker(tmp_path / "broker", cache=cache) as own,
    ):
        house = SenderHouse(own.bootstrap_servers, chain, built[0], tmp_path)
        try:
            frozen = house.start(stop_at="nonce")
            house.put(house.deposit())
            house.until(lambda: _is_stopped(frozen))
            own.kill()
            os.kill(frozen, signal.SIGCONT)
            assert house.wait_end(frozen, within_s=60) == FAILED
            assert house.pending() == 0
        finally:
            house.end()


def test_limits_of_gas_count_over_a_day(house):
    house.limits = limits_of(house.world, max_transactions_per_day=2)
    pid = house.start()
    wanted = [house.deposit() for _ in range(3)]
    house.put(*wanted)
    for each, word in zip(wanted, ["Sent", "Sent", "limits"], strict=True):
        house.until_last_said(each, word)
    house.stop(pid)


# ------------------------------------------------------------------ what a forger may cost
@pytest.mark.parametrize(("pushed_ether", "lands"), [(5, True), (4_000, False)])
def test_the_worst_swap_within_the_limits_costs_no_more_than_they_allow(house, pushed_ether, lands):
    """Anybody may forge the least that the signer accepts, and trade in the same block before it."""
    world, trader = house.world, house.world.accounts.traders[0]
    least = 2_994 * 10**6  # of 2,998.4 that it brings on the head; tolerance 15 bps
    since, had = house.chain.header().number, (weth(house), balance(house.chain, world.usdc_low, house.owner))
    forged = house.swap(world.weth, ETHER, least)
    pid = house.start(stop_at="journal")
    house.put(forged)
    house.until(lambda: _is_stopped(pid))
    house.chain.send(wrap(world, trader, pushed_ether * ETHER))
    pool = world.pool("weth_usdc_low_500")
    house.chain.send(swap_exact_in(world, trader, pool, world.weth, pushed_ether * ETHER))
    os.kill(pid, signal.SIGCONT)
    house.until_said(forged.digest, "Sent")
    house.chain.mine()
    (mined,) = house.transactions_of_owner(since)
    assert house.chain.receipt(mined["hash"]).succeeded == lands
    has = (weth(house), balance(house.chain, world.usdc_low, house.owner))
    lost_usdc = (had[0] - has[0]) * 3_000 * 10**6 // ETHER - (has[1] - had[1])
    assert 0 <= lost_usdc <= 6 * 10**6, "the fee, and what the tolerance leaves to whoever trades before"
    assert (lost_usdc > 0) == lands, "beyond it the swap reverts and only gas is paid"
    house.stop(pid)
