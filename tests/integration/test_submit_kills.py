"""Deaths of the signer's process at every point and at any time: nothing is lost or doubled.

`SENDER_KILLS=200 pytest tests/integration/test_submit_kills.py -s` shows the table.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sender_house import CHAIN_IDS, SenderHouse

from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.world import World
from streams.submit.sending import POINTS

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

KILLS = int(os.environ.get("SENDER_KILLS", "8"))
ANY_TIME = "any time"
REORG = "any time, then a reorg"


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], tmp_path)
        yield house
        house.end()


@pytest.mark.timeout(180 + 30 * KILLS)
def test_no_death_loses_or_doubles_an_intent(house):
    dice = random.Random(f"{KILLS}")
    runs, lost, doubled = Counter(), Counter(), Counter()
    for _ in range(4):
        house.chain.mine()  # a reorg must not reach what the chain began with
    for run in range(KILLS):
        fault = (*POINTS, ANY_TIME, REORG)[run % (len(POINTS) + 2)]
        effects = effects_after(house, fault, dice)
        runs[fault] += 1
        lost[fault] += effects == 0
        doubled[fault] += effects > 1
    for fault in runs:
        print(f"{fault:24} {runs[fault]:5} runs {lost[fault]:3} lost {doubled[fault]:3} doubled")
    assert lost.total() == doubled.total() == 0


def effects_after(house: SenderHouse, fault: str, dice: random.Random) -> int:
    """Let one process die of a fault and another finish its work; count what came of one intent."""
    since = house.chain.header().number
    wanted = house.deposit(dice.randrange(1, 10**18))
    if fault in POINTS:
        dying = house.start(kill_at=fault)
        house.put(wanted)
        house.wait_end(dying)
    else:
        dying = house.start()
        house.put(wanted)
        time.sleep(dice.random())
        if fault == REORG:
            house.chain.mine()
        os.kill(dying, signal.SIGKILL)
        house.wait_end(dying)
        if fault == REORG:
            house.chain.reorg(dice.randrange(1, 3))
    served = house.log().count("serving")
    pid = house.start()
    house.until(lambda: house.log().count("serving") > served)
    if house.until(lambda: {"Sent", "IntentRefused"} & set(house.said(wanted.digest))) == {"IntentRefused"}:
        house.stop(pid)  # its block went away before anything was signed: nothing may come of it
        return 1 if not _done(house, wanted, since) else 2
    for _ in range(100):
        house.chain.mine()
        if _done(house, wanted, since):
            break
        time.sleep(0.05)
    house.chain.mine()
    house.stop(pid)
    return _done(house, wanted, since)


def _done(house, wanted, since) -> int:
    value = hex(wanted.call.value_wei)
    return sum(
        tx["value"] == value for tx in house.transactions_of_owner(min(since, house.chain.header().number))
    )
