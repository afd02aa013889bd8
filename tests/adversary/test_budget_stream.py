"""A stream of forged intents, each within the limits of one: together they cost no more than the day's budget."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from intents import wide_budget
from sender_house import CHAIN_IDS, SenderHouse, limits_of

from pipeline.messages.events import IntentRefused
from pipeline.messages.journal import NonceBound, SignerStanding
from pipeline.messages.transactions import SubmitTransaction
from streams.devnet.actions import swap_exact_in, wrap
from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.reads import balance
from streams.devnet.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

ETHER, DOLLAR = 10**18, 10**6
LEAST_USDC = 2_971 * DOLLAR
"""Of 3,000 at the pool's own past price: a little less than the 1 % that one transaction may lose."""
LOSS_A_DAY = 100 * DOLLAR
DAY_S = 86_400


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], tmp_path)
        house.limits = budgeted(house.world)
        yield house
        house.end()


def budgeted(world: World, **changes):
    usual = {"max_loss_per_day": LOSS_A_DAY}
    budget = wide_budget(world.usdc_low, **(usual | changes))
    return limits_of(
        world,
        budget=budget,
        swap_tolerance_bps=200,
        max_spot_from_twap_log_bps=2_000,
        max_observation_age_s=10 * DAY_S,
    )


def forged(house: SenderHouse, count: int) -> list[SubmitTransaction]:
    """Sell an ether each for the least that the signer accepts, each under names of its own."""
    numbers = itertools.count(1)
    return [
        house.swap(house.world.weth, ETHER, LEAST_USDC, book=f"b{next(numbers)}", max_age_blocks=50)
        for _ in range(count)
    ]


def answers(house: SenderHouse, wanted: list[SubmitTransaction]) -> list[str]:
    """Tell of each what the signer said last, once it has said something of all."""
    house.until(lambda: all({"Sent", "IntentRefused"} & set(house.said(each.digest)) for each in wanted), 60)
    return [house.said(each.digest)[-1] for each in wanted]


def refusals(house: SenderHouse) -> list[str]:
    return [report.detail for report in house.reports() if isinstance(report, IntentRefused)]


def push(house: SenderHouse, ether: int) -> None:
    """Stand before all that waits, and sell."""
    world, trader = house.world, house.world.accounts.traders[0]
    house.chain.send(wrap(world, trader, ether * ETHER))
    pool = world.pool("weth_usdc_low_500")
    house.chain.send(swap_exact_in(world, trader, pool, world.weth, ether * ETHER))


def worth_usdc(house: SenderHouse) -> int:
    """Value the owner's two tokens at the price before anybody pushed it."""
    had = balance(house.chain, house.world.weth, house.owner)
    return had * 3_000 * DOLLAR // ETHER + balance(house.chain, house.world.usdc_low, house.owner)


def test_sixteen_sandwiched_intents_of_99_bps_lose_no_more_than_a_day_may(house):
    since, had = house.chain.header().number, worth_usdc(house)
    pid = house.start(stop_at="journal")  # so that the other trader's offers come first
    wanted = forged(house, 16)
    house.put(*wanted)
    house.until(lambda: "T" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
    push(house, 5)
    os.kill(pid, signal.SIGKILL)
    house.wait_end(pid)
    pid = house.start()
    said = answers(house, wanted)
    house.chain.mine()
    house.chain.mine()
    mined = house.transactions_of_owner(since)
    assert said.count("Sent") == len(mined) >= 3, "the budget is there to be used"
    assert any(house.chain.receipt(each["hash"]).succeeded for each in mined)
    assert 0 < had - worth_usdc(house) <= LOSS_A_DAY
    assert any("raw loss within 24 h at worst, at most 100000000" in each for each in refusals(house))
    house.stop(pid)


def test_the_budget_is_remembered_by_the_next_process_and_does_not_end_at_midnight(house):
    """Signed up to the limit a minute before midnight; a new process a minute after it signs nothing more."""
    now_s = house.chain.header().timestamp_s
    midnight_s = (now_s // DAY_S + 1) * DAY_S
    at(house, midnight_s - 60)
    pid = house.start()
    assert answers(house, put(house, 4)).count("Sent") == 3
    house.chain.mine()
    house.stop(pid)
    at(house, midnight_s + 60)
    pid = house.start()
    assert answers(house, put(house, 2)) == ["IntentRefused"] * 2
    for _ in range(6):
        house.chain.mine()
    house.until(lambda: spent(house) > 2 * 28 * DOLLAR, 30)  # final by now: the standing remembers it
    assert answers(house, put(house, 1)) == ["IntentRefused"]
    at(house, midnight_s + DAY_S + 60)
    assert answers(house, put(house, 1)) == ["Sent"]
    house.stop(pid)


def at(house: SenderHouse, time_s: int) -> None:
    house.chain.rpc("evm_setNextBlockTimestamp", time_s)
    house.chain.mine()


def put(house: SenderHouse, count: int) -> list[SubmitTransaction]:
    wanted = forged(house, count)
    house.put(*wanted)
    return wanted


def spent(house: SenderHouse) -> int:
    standings = [each for each in house.journal().values() if isinstance(each, SignerStanding)]
    return sum(part.loss for standing in standings for part in standing.spent)


def test_no_stream_moves_more_than_the_notional_of_a_day_or_of_one_transaction(house):
    house.limits = budgeted(
        house.world,
        max_loss_per_day=10**12,
        max_notional=4_000 * DOLLAR,
        max_notional_per_day=10_000 * DOLLAR,
    )
    pid = house.start()
    big = house.swap(house.world.weth, 2 * ETHER, 2 * LEAST_USDC)
    house.put(big)
    assert answers(house, [big]) == ["IntentRefused"]
    assert "raw notional, at most 4000000000" in refusals(house)[-1]
    assert answers(house, put(house, 6)).count("Sent") == 3
    assert "raw notional within 24 h, at most 10000000000" in refusals(house)[-1]
    house.stop(pid)


def test_actions_of_an_hour_are_counted_by_what_moves_and_not_by_names(house):
    """An allowance is none; swaps under many plans and books are one each."""
    house.limits = budgeted(house.world, max_loss_per_day=10**12, max_actions_per_hour=2)
    pid = house.start()
    world = house.world
    allowances = [house.approve(world.weth, number, world.position_manager) for number in (1, 2, 3)]
    house.put(*allowances)
    assert answers(house, allowances) == ["Sent"] * 3
    assert answers(house, put(house, 4)).count("Sent") == 2
    assert "actions within an hour, at most 2" in refusals(house)[-1]
    charges = [each.charge.actions for each in house.journal().values() if isinstance(each, NonceBound)]
    assert sorted(charges) == [0, 0, 0, 1, 1]
    house.stop(pid)
