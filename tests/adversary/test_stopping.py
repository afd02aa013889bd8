"""A stop holds whoever writes to the topics: pauses, cancellations, the stop file, and the command without a broker."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chain_desk import book_on
from kafka_logs import append
from sender_house import CHAIN_IDS, PARTITIONS, SenderHouse, limits_of

from pipeline.errors import InfrastructureError, SettingsError
from pipeline.messages.events import AnyEvent, Paused, PolicySet, Resumed
from pipeline.messages.journal import NonceBound
from pipeline.sign.nonces import is_cancelling
from pipeline.units import ChainId
from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.kafka.codec import encode
from streams.kafka.topics import EVENTS
from streams.node.blocking_rpc import BlockingRpc
from streams.submit.cancel_all import CancelAll
from streams.submit.node import HttpSenderNode
from streams.submit.signer import Unsigned
from streams.submit.stop_file import put_stop_file, remove_stop_file

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

GWEI = 10**9


class Stopped(SenderHouse):
    """A deployment whose signer has a stop file."""

    @property
    def stop_file(self) -> Path:
        return self.folder / "signer.yaml.stop"

    def serve(self, **changes: Any) -> int:
        served = self.log().count("serving")
        pid = self.start(stop_file=self.stop_file, **changes)
        self.until(lambda: self.log().count("serving") > served)
        return pid

    def tell(self, *events: AnyEvent, shards: range | tuple[int, ...] = range(PARTITIONS)) -> None:
        for shard in shards:
            topic = EVENTS.on(self.chain_id)
            asyncio.run(append(self.bootstrap, topic, shard, [encode(event) for event in events]))

    def weth(self) -> int:
        return balance(self.chain, self.world.weth, self.owner)

    def waiting_data(self) -> list[str]:
        """List what the transactions carry that wait with the node."""
        pools = self.chain.rpc("txpool_content")["pending"].values()
        return [waiting["input"] for pool in pools for waiting in pool.values()]

    def bound(self) -> list[NonceBound]:
        return [entry for entry in self.journal().values() if isinstance(entry, NonceBound)]

    @contextmanager
    def mining(self, *, once_cancelled: int = 0) -> Iterator[None]:
        """Let blocks come by themselves, once so many cancellations are with the node."""
        ended = threading.Event()

        def mine() -> None:
            rpc = BlockingRpc("127.0.0.1", urlsplit(self.chain.url).port)  # a connection is one thread's
            while not ended.wait(0.3):
                if sum("cancels it" in line for line in self.lines) >= once_cancelled:
                    rpc("evm_mine")
            rpc.close()

        thread = threading.Thread(target=mine)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    async def cancel_all(self, *, up_to_nonce: int | None = None, within_s: float = 30, **rules: int) -> int:
        limits = limits_of(self.world, **{"bump_after_blocks": 2, **rules})
        node = HttpSenderNode(self.chain.url, timeout_s=10)
        work = CancelAll(
            [node],
            self.signer,
            chain_id=ChainId(self.chain_id),
            rules=limits.fees,
            min_tip_wei=limits.min_tip_wei,
            say=self.lines.append,
            look_again_s=0.1,
        )
        try:
            return await work.run(up_to_nonce=up_to_nonce, within_s=within_s)
        finally:
            await node.close()

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.lines: list[str] = []


@pytest.fixture
def house(broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Stopped]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = Stopped(broker.bootstrap_servers, chain, built[0], tmp_path)
        yield house
        house.end()


# ------------------------------------------------------------------ a pause by another name
def test_a_forged_intent_under_another_books_name_on_another_shard_does_not_pass_a_pause(house) -> None:
    book = book_on(house.world, house.world.pool("weth_usdc_low_500"), house.owner)
    house.tell(PolicySet(policy=book), shards=(0,))
    pid = house.serve()
    house.tell(Paused(scope="book/alpha", reason="stop", by="me"), shards=(0,))
    house.until_refused_as_paused(lambda: house.deposit(book="alpha"))
    nonce = house.nonce()
    forged = house.deposit(book="nobody", shard=1)
    house.put(forged)
    house.until_last_said(forged, "paused")
    house.stop(pid)
    pid = house.serve()  # what the state and the log tell holds for the next process too
    again = house.deposit(book="nobody", shard=1)
    house.put(again)
    house.until_last_said(again, "paused")
    house.tell(Resumed(scope="book/alpha", reason="go", by="me"), shards=(0,))
    asked = house.deposit(book="nobody", shard=1)
    house.until(lambda: _is_sent(house, asked))
    house.stop(pid)
    assert house.nonce() == nonce


def _is_sent(house: Stopped, wanted: Any) -> bool:
    other = house.deposit(book=wanted.book, shard=wanted.because_of.shard)
    return house.answered(other)[1] != "paused"


# ------------------------------------------------------------------ the word to cancel
def test_the_word_to_cancel_takes_back_what_is_signed(house) -> None:
    had, nonce = house.weth(), house.nonce()
    pid = house.serve()
    first, second = house.deposit(), house.deposit()
    house.put(first, second)
    house.until_pending(2)
    house.tell(Paused(scope="all", reason="stop", by="me", cancels=True))
    house.until(lambda: [is_cancelling(bound) for bound in house.bound()] == [True, True])
    house.until(lambda: "cancelling" in house.log())
    with house.mining():
        house.until_last_said(first, f"nonce {nonce} was cancelled")
        house.until_last_said(second, f"nonce {nonce + 1} was cancelled")
    assert (house.weth(), house.nonce()) == (had, nonce + 2)
    house.stop(pid)


def test_a_pause_that_says_nothing_of_cancelling_lets_what_is_signed_be_mined(house) -> None:
    had = house.weth()
    pid = house.serve()
    wanted = house.deposit()
    house.put(wanted)
    house.until_pending(1)
    house.tell(Paused(scope="all", reason="stop", by="me"))
    house.until_refused_as_paused(house.deposit)
    house.chain.mine()
    assert house.weth() == had + 10**18
    house.stop(pid)


# ------------------------------------------------------------------ the stop file
def test_a_resume_by_anybody_does_not_end_a_local_stop(house) -> None:
    nonce = house.nonce()
    put_stop_file(house.stop_file, cancels=False, reason="a test")
    pid = house.serve()
    house.tell(Resumed(scope="all", reason="go", by="eve"), Resumed(scope="book/b1", reason="go", by="eve"))
    wanted = house.deposit()
    house.put(wanted)
    house.until_last_said(wanted, "paused")
    assert str(house.stop_file) in house.reports()[-1].detail
    assert (house.nonce(), house.pending()) == (nonce, 0)
    assert remove_stop_file(house.stop_file)
    fresh = house.deposit()
    house.put(fresh)
    house.until_last_said(fresh, "Sent")
    house.stop(pid)


def test_a_stop_file_that_says_cancel_takes_back_what_waits(house) -> None:
    had, nonce = house.weth(), house.nonce()
    pid = house.serve()
    wanted = house.deposit()
    house.put(wanted)
    house.until_pending(1)
    put_stop_file(house.stop_file, cancels=True, reason="a test")
    house.tell(Resumed(scope="all", reason="go", by="eve"))
    house.until(lambda: is_cancelling(house.bound()[0]))
    house.until(lambda: house.waiting_data() == ["0x"])  # it is in the journal before the node has it
    with house.mining():
        house.until_last_said(wanted, f"nonce {nonce} was cancelled")
    assert (house.weth(), house.nonce()) == (had, nonce + 1)
    house.stop(pid)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"resume\n", b"x" * 100_000])
def test_whatever_a_stop_file_says_it_stops(house, content) -> None:
    house.stop_file.write_bytes(content)
    pid = house.serve()
    wanted = house.deposit()
    house.put(wanted)
    house.until_last_said(wanted, "paused")
    house.stop(pid)


# ------------------------------------------------------------------ without a broker
def test_all_is_cancelled_without_a_broker_and_the_next_signer_goes_on(house) -> None:
    had, nonce = house.weth(), house.nonce()
    pid = house.serve()
    wanted = [house.deposit() for _ in range(3)]
    house.put(*wanted)
    house.until_pending(3)
    house.stop(pid)
    with house.mining(once_cancelled=3):
        assert asyncio.run(house.cancel_all()) == 3
        assert (house.weth(), house.nonce()) == (had, nonce + 3)
        pid = house.serve()
        for place, each in enumerate(wanted):
            house.until_last_said(each, f"nonce {nonce + place} was cancelled")
        fresh = house.deposit()
        house.put(fresh)
        house.until_last_said(fresh, "Sent")
        house.until(lambda: house.weth() == had + 10**18)
    assert "cancelled without the journal" in house.log()
    house.stop(pid)


def test_what_runs_on_is_not_halted_by_cancellations_that_it_did_not_sign(house) -> None:
    had, nonce = house.weth(), house.nonce()
    pid = house.serve()
    wanted = house.deposit()
    house.put(wanted)
    house.until_pending(1)
    with house.mining(once_cancelled=1):
        asyncio.run(house.cancel_all())
        house.until_last_said(wanted, f"nonce {nonce} was cancelled")
    assert house.weth() == had
    house.stop(pid)


def test_a_cancellation_outbids_what_is_in_the_mempool_or_says_that_it_may_not(house) -> None:
    nonce, had = house.nonce(), house.weth()
    dear = Unsigned(
        chain_id=ChainId(house.chain_id),
        nonce=nonce,
        to=house.world.weth,
        data="0xd0e30db0",
        value_wei=5,
        gas_limit=60_000,
        max_fee_wei=90 * GWEI,
        tip_wei=3 * GWEI,
    )
    house.chain.rpc("eth_sendRawTransaction", house.signer.sign(dear).raw)
    poor = {"max_fee_per_gas_wei": 50 * GWEI, "cancel_max_fee_per_gas_wei": 60 * GWEI}
    with pytest.raises(InfrastructureError, match=f"nonce {nonce}: it takes more than cancel_max_fee_gwei"):
        asyncio.run(house.cancel_all(within_s=1, **poor))
    with house.mining(once_cancelled=1):
        assert asyncio.run(house.cancel_all()) == 1
    assert (house.nonce(), house.weth()) == (nonce + 1, had)


def test_nonces_that_no_node_tells_of_can_be_named(house) -> None:
    nonce = house.nonce()
    with house.mining():
        assert asyncio.run(house.cancel_all()) == 0
        assert asyncio.run(house.cancel_all(up_to_nonce=nonce + 2)) == 2
    assert house.nonce() == nonce + 2


def test_nothing_is_cancelled_on_another_chain(house) -> None:
    house.chain_id += 1
    with pytest.raises(SettingsError, match="follows chain"):
        asyncio.run(house.cancel_all())


@pytest.mark.parametrize(
    "spoilt", [{"value_wei": 1}, {"data": "0x01", "gas_limit": 60_000}, {"to": "0x" + "52" * 20}]
)
def test_a_transaction_of_ours_that_moves_something_is_not_taken_for_a_cancellation(house, spoilt) -> None:
    nonce = house.nonce()
    pid = house.serve()
    wanted = house.deposit()
    house.put(wanted)
    house.until_pending(1)
    foreign = {
        "chain_id": ChainId(house.chain_id),
        "nonce": nonce,
        "to": house.owner,
        "data": "0x",
        "value_wei": 0,
        "gas_limit": 21_000,
        "max_fee_wei": 90 * GWEI,
        "tip_wei": 40 * GWEI,
    }
    raw = house.signer.sign(Unsigned(**(foreign | spoilt))).raw
    house.chain.rpc("eth_sendRawTransaction", raw)
    house.chain.mine()
    assert house.wait_end(pid) == 1
    assert "ForeignNonceError" in house.log()
