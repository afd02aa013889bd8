"""`evenkeel backfill` on a real broker and a real chain, from a past block to the head, also with kills."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cli_run import Run
from forked import Forked
from msgspec.structs import replace
from watching import Log, assert_equals_chain, deployment, own_chain_id, policy_of, watching

from pipeline.follow.routes import Arrival
from pipeline.messages.events import AnyEvent, BlocksPassed, PolicySet
from pipeline.messages.policy import version_of
from pipeline.units import ChainId
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

QUIET, BUSY = 700, 15
SLOW = 200
"""Questions per second: so few that a process is killed before its end on a machine of any speed."""
POOL = "weth_usdc_low_500"


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain of its own id, whose past can be read."""
    with start_chain(
        tmp_path / "chain", cache=cache, state=built[1], chain_id=own_chain_id(), kept_states=4 * QUIET
    ) as running:
        yield running


@pytest.fixture
async def log(broker: Broker, chain: Chain) -> AsyncIterator[Log]:
    async with deployment(broker.bootstrap_servers, ChainId(chain.chain_id)) as made:
        yield made


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, broker: Broker, chain: Chain, tmp_path: Path) -> Path:
    """The folder of a deployment, whose settings stand in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_BROKER", broker.bootstrap_servers)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(chain.chain_id))
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    monkeypatch.setenv("EVENKEEL_FOLDER", str(tmp_path / "files"))
    return tmp_path


def live_through(chain: Chain, world: World) -> None:
    """Mine quiet blocks, busy ones, quiet ones."""
    chain.rpc("anvil_mine", hex(QUIET), hex(12))
    flow = OrderFlow(chain, world, seed=7)
    for _ in range(BUSY):
        flow.block()
    chain.rpc("anvil_mine", hex(QUIET), hex(12))


async def keep(log: Log, chain: Chain, world: World, **changes: object) -> int:
    """Apply a book whose pools are checked once in the run."""
    policy = policy_of(
        world, chain.chain_id, "one", world.accounts.owners[0], [POOL], check_every_blocks=1_000
    )
    changed = replace(policy, **changes)
    policy = replace(changed, policy_version=version_of(changed))
    return await log.set_policy(PolicySet(policy=policy), "one")


def start(first: int, folder: Path, **settings: str) -> Forked:
    with (folder / "backfill.log").open("ab") as output:
        return Forked(
            [sys.executable, "-m", "streams.cli", "backfill", "--from", str(first)],
            env={**os.environ, **settings},
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=output,
        )


async def test_killed_in_between_it_comes_to_equal_the_chain_and_a_watcher_goes_on(
    log: Log, chain: Chain, world: World, broker: Broker, folder: Path
) -> None:
    first = chain.header().number
    await asyncio.to_thread(live_through, chain, world)
    shard = await keep(log, chain, world)
    killed = start(first, folder, EVENKEEL_RPC_PER_SECOND=str(SLOW))
    try:
        cut = await log.until(shard, lambda fold: len(fold.branch) > 0)
    finally:
        killed.kill()
        killed.wait()
    assert cut.tables.head.number < chain.header().number
    again = start(first, folder)
    try:
        assert await asyncio.to_thread(again.wait, 120) == 0, (folder / "backfill.log").read_text()
    finally:
        again.kill()
        again.wait()
    fold = await log.fold(shard)
    assert assert_equals_chain(fold, chain) == 2 * QUIET + BUSY
    assert fold.branch[0].block.number == first + 1
    assert fold.count(Arrival.SET_ASIDE) == 0
    records = await log.events(shard)
    assert passed(records) > QUIET
    assert "up with the chain" in (folder / "backfill.log").read_text()
    async with watching(broker.bootstrap_servers, ChainId(chain.chain_id), chain.url):
        chain.mine()
        fold = await log.until_head(shard, chain.header().hash)
    assert assert_equals_chain(fold, chain) == 2 * QUIET + BUSY + 1


def passed(records: list[AnyEvent]) -> int:
    return sum(len(event.blocks) for event in records if isinstance(event, BlocksPassed))


async def run(evenkeel: Run, *words: str):
    return await asyncio.to_thread(evenkeel, *words)


async def test_it_says_why_it_cannot_begin(
    log: Log, chain: Chain, world: World, folder: Path, evenkeel: Run
) -> None:
    del folder  # the settings
    done = await run(evenkeel, "backfill", "--from", "1")
    assert (done.code, "no book is kept" in done.err) == (1, True)
    await keep(log, chain, world)
    done = await run(evenkeel, "backfill", "--from", "999999")
    assert (done.code, "--from: the node has no block 999999" in done.err) == (1, True)
    await keep(log, chain, world, mode="live")
    done = await run(evenkeel, "backfill", "--from", "1")
    assert (done.code, "one: a live book would act on its past" in done.err) == (1, True)
