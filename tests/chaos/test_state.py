"""`state show`, `state verify` and `resume` on a running deployment: errors are found, and quarantined items come back."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import forked
import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from chaos.house import House, opened

from pipeline.messages.decisions import PoolDrifted, Quarantined, Released
from pipeline.state.policies import policies, profile
from pipeline.units import BookId, ShardId
from pipeline.venues.due_read import DueRead
from pipeline.venues.uniswap_v3.forms.reads import PoolObserved
from pipeline.venues.wallet.forms import Balance
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_event, decode_output, encode_entry
from streams.kafka.readers import reading
from streams.kafka.topics import DECISIONS, STATE, shard_of
from streams.node.chain_reads import observe
from streams.node.http_node import HttpNode
from streams.node.venues.port import ReadContext
from streams.verify import load_shard

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.anvil,
    pytest.mark.timeout(720),
    pytest.mark.asyncio(loop_scope="module"),
]

BOOK = BookId("beta")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(tmp_path_factory.mktemp("house"), 5, hurried=True) as house:
        yield house


async def command(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of ours as an operator does."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")},
        "EVENKEEL_BROKER": house.bootstrap,
        "EVENKEEL_CHAIN_ID": str(house.chain_id),
        "EVENKEEL_RPC_URL": house.devnet.rpc_url,
        "EVENKEEL_PARTITIONS": str(len(house.ledger.pages)),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    argv = [sys.executable, "-m", "streams.cli", *words]
    return await asyncio.to_thread(forked.run, argv, cwd=house.devnet.folder, env=env)


async def kept(house: House, shard: int):
    async with reading(KafkaAccess(house.bootstrap)) as reader:
        return await load_shard(reader, house.chain_id, ShardId(shard))


async def test_state_is_right_while_everything_moves(house):
    await house.recovered()
    verified = await command(house, "state", "verify", "--json")
    assert verified.returncode == 0, verified.stderr
    found = json.loads(verified.stdout)
    assert found["wrong"] == []
    assert all(
        found["compared"][what] for what in ("outputs", "state entries", "pools", "positions", "balances")
    )
    shown = await command(house, "state", "show", "head", "--json")
    heads = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {int(head["shard"]) for head in heads} == set(house.ledger.booked)


async def test_an_entry_that_is_not_that_of_the_log_is_found(house):
    """Somebody else has written to the state: the fold and the chain both say so."""
    async with house.standing_still():
        await house.settle()
        shard = shard_of(BOOK, len(house.ledger.pages))
        entries = (await kept(house, shard)).tables.entries()
        key, right = min((key, value) for key, value in entries.items() if isinstance(value, Balance))
        await write_entry(house, shard, key, msgspec.structs.replace(right, amount=right.amount + 1))
        try:
            verified = await command(house, "state", "verify", "--shard", str(shard))
        finally:
            await write_entry(house, shard, key, right)
            for worker in house.running(
                "work"
            ):  # one that opened the shard meanwhile would go on with the wrong entry
                worker.kill()
        healed = await command(house, "state", "verify", "--shard", str(shard))
    assert verified.returncode == 1
    assert verified.stderr.splitlines() == [
        f"WRONG: shard {shard}: entry {key} is not that of the fold",
        f"WRONG: shard {shard}: {key}: amount: {right.amount + 1}, {right.amount}, the chain's",
    ]
    assert healed.returncode == 0, healed.stderr


async def write_entry(house: House, shard: int, key: str, value: Balance) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=house.bootstrap, compression_type="zstd")
    await producer.start()
    try:
        state = STATE.on(house.chain_id)
        await producer.send_and_wait(state, key=key.encode(), value=encode_entry(value), partition=shard)
    finally:
        await producer.stop()


async def test_a_check_that_differs_quarantines_until_an_operator_has_the_pool_read_again(house):
    shard = shard_of(BOOK, len(house.ledger.pages))
    async with house.standing_still():
        await house.settle()
        drifted = await a_check_that_differs(house, shard)
        await house.tell(shard, drifted)
        said = await until_said(house, shard, Quarantined)
    assert [type(each) for each in said if isinstance(each, PoolDrifted)] == [PoolDrifted]
    resumed = await command(house, "resume", f"pool/{drifted.pool}")
    assert resumed.returncode == 0, resumed.stderr
    await until_said(house, shard, Released)
    await house.recovered()
    page = house.ledger.pages[shard]
    events = [decode_event(payload, where="here") for payload in page.payloads]
    repairs = [event for event in events if isinstance(event, PoolObserved) and event.why == "repair"]
    assert [event.pool for event in repairs] == [drifted.pool]
    verified = await command(house, "state", "verify", "--shard", str(shard))
    assert verified.returncode == 0, verified.stderr


async def a_check_that_differs(house: House, shard: int) -> PoolObserved:
    """Read a pool as the watcher does, at the head, and say that it has more liquidity."""
    tables = house.ledger.pages[shard].tables
    chain, head = profile(tables), tables.head
    assert chain is not None
    assert head is not None
    pool = min(pool for policy in policies(tables) for pool in policy.all_pools())
    node = HttpNode(house.devnet.rpc_url)
    try:
        place = ReadContext(chain=chain, block=head, term=house.ledger.pages[shard].writer.term)
        (read,) = [read async for read in observe(node, place, [DueRead(item=f"pool/{pool}", why="check")])]
    finally:
        await node.close()
    assert isinstance(read, PoolObserved)
    wrong = msgspec.structs.replace(read.state, liquidity=read.state.liquidity + 1)
    return msgspec.structs.replace(read, state=wrong)


async def until_said(house: House, shard: int, kind: type) -> list:
    """Wait until a decision of a kind can be read, and return all that were said."""
    async with asyncio.timeout(60), reading(KafkaAccess(house.bootstrap)) as reader:
        (at,) = await reader.shards(DECISIONS.on(house.chain_id), [shard])
        while True:
            said = [decode_output(record.value) async for record in reader.read({at: 0}) if record.value]
            if any(isinstance(each, kind) for each in said):
                return said
            await asyncio.sleep(0.2)
