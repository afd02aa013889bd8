"""A signer's process on a real broker and a real chain: one effect an intent, whatever happens to the process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sender_house import CHAIN_IDS, SenderHouse

from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.reads import balance
from streams.devnet.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], tmp_path)
        yield house
        house.end()


def test_an_intent_becomes_one_transaction_and_is_told(house):
    since = house.chain.header().number
    had = balance(house.chain, house.world.weth, house.owner)
    pid = house.start()
    wanted = house.deposit()
    house.put(wanted)
    assert house.until_said(wanted.digest, "Sent") == ["Simulated", "Signed", "Sent"]
    house.chain.mine()
    assert balance(house.chain, house.world.weth, house.owner) == had + 10**18
    assert len(house.transactions_of_owner(since)) == 1
    house.stop(pid)
