"""Intents of unknown blocks, written before others: how long they delay a partition, on real parts."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sender_house import CHAIN_IDS, TIMING, SenderHouse

from pipeline.messages.transactions import SubmitTransaction
from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.world import World
from streams.submit.wait_budget import WaitBudget


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], tmp_path)
        yield house
        house.end()


def ahead(house: SenderHouse, blocks: int) -> SubmitTransaction:
    """Forge an intent of a block above the head."""
    head = house.head()
    return house.deposit(made_at=replace(head, number=head.number + blocks, hash="0x" + "ab" * 32))


def answered_after_s(house: SenderHouse, forged: list[SubmitTransaction]) -> float:
    """Put an honest intent behind forged ones, and return how long it waited."""
    honest = house.deposit()
    since_s = time.monotonic()
    house.put(*forged, honest)
    house.until_said(honest.digest, "Sent")
    waited_s = time.monotonic() - since_s
    assert all(house.said(each.digest) == ["IntentRefused"] for each in forged)
    return waited_s


@pytest.mark.kafka
@pytest.mark.anvil
def test_intents_of_far_blocks_hold_nobody_up(house):
    pid = house.start(timing=replace(TIMING, wait_s=300.0))
    assert answered_after_s(house, [ahead(house, blocks) for blocks in (4, 1_000, 2**40)]) < 100
    house.stop(pid)


@pytest.mark.kafka
@pytest.mark.anvil
def test_intents_of_the_next_blocks_hold_a_partition_up_once_and_not_one_after_the_other(house):
    pid = house.start(timing=replace(TIMING, wait_s=2.0))
    forged = [ahead(house, 1 + place % 3) for place in range(30)]
    assert answered_after_s(house, forged) < len(forged) * 2.0 * 3 / 4
    house.stop(pid)


def test_a_partition_is_held_up_for_a_tenth_of_the_time_at_most():
    now_s = [0.0]
    patience = WaitBudget(30.0, lambda: now_s[0])
    held_s = 0.0
    for _ in range(1_000):  # whoever is held up no longer asks at once to be held up again
        began_s = now_s[0]
        while not patience.is_spent(0):
            now_s[0] += 1.0
        held_s += now_s[0] - began_s
        patience.release(0)
        now_s[0] += 20.0
    assert held_s <= 30.0 + now_s[0] / 10
    assert not patience.is_spent(1), "another partition has its own"
