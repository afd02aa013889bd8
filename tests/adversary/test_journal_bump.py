"""A stranger who may write to a signer's journal gets nothing signed and cannot keep the signer from starting, on a real broker and a real chain."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka_logs import read_committed
from msgspec.structs import replace
from sender_house import PARTITIONS, SenderHouse
from signer_operator import operate, operated_house, write_signer_file

from pipeline.messages.journal import NO_CHARGE, Attempt, IntentKnown, NonceBound
from pipeline.messages.transactions import Call
from pipeline.venues.abi import function
from streams.devnet.broker import Broker
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_output, encode, encode_record
from streams.kafka.topics import DEAD_LETTERS, NONCES
from streams.process import HALTED
from streams.submit.journal import journal_shard
from streams.submit.journal_commands import faults_of, set_aside

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

GWEI = 10**9
THIEF = "0x" + "ee" * 20
FAILED = 1
ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with operated_house(broker, built, tmp_path, cache) as opened:
        yield opened


def robbery(house: SenderHouse, call: Call, nonce: int) -> tuple[NonceBound, IntentKnown]:
    """Bind a nonce to a call of a stranger's, with bytes that are not a transaction and count as stuck."""
    wanted = replace(house.deposit(), call=call)
    garbage = Attempt(
        transaction_hash="0x" + "ab" * 32,
        raw="0x02deadbeef",
        max_fee_wei=2 * GWEI,
        tip_wei=GWEI,
        gas_limit=call.gas_limit,
        sent_at_block=1,
    )
    bound = NonceBound(
        signer=house.owner,
        nonce=nonce,
        intent=wanted,
        signed_at_s=house.head().timestamp_s,
        charge=NO_CHARGE,
        attempts=(garbage,),
    )
    known = IntentKnown(
        signer=house.owner,
        intent=wanted.digest,
        shard=0,
        position=wanted.position,
        outcome="open",
        nonce=nonce,
        keep_until_block=2**50,
    )
    return bound, known


async def write_as_a_stranger(house: SenderHouse, records: list[tuple[str, bytes]]) -> None:
    """Write to the journal and take the signer's place with the broker: its process has to start again."""
    producer = AIOKafkaProducer(
        bootstrap_servers=house.bootstrap,
        transactional_id=f"evenkeel-{house.chain_id}.signer-{house.owner}",
        transaction_timeout_ms=10_000,
    )
    await producer.start()
    try:
        async with producer.transaction():
            for key, value in records:
                await producer.send_and_wait(
                    NONCES.on(house.chain_id),
                    value,
                    key.encode(),
                    partition=journal_shard(house.owner, PARTITIONS),
                )
    finally:
        await producer.stop()


def riches(house: SenderHouse) -> tuple[int, int]:
    native = int(house.chain.rpc("eth_getBalance", house.owner, "latest"), 16)
    return native, balance(house.chain, house.world.weth, house.owner)


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in an envelope"])
def test_a_foreign_call_in_the_journal_is_never_bumped(house, wrapped):
    pid = house.start()
    honest = house.deposit()
    house.put(honest)
    house.until_said(honest.digest, "Sent")
    house.chain.mine()
    house.until(lambda: any(isinstance(e, NonceBound) and e.inclusion for e in house.journal().values()))
    had, nonce = riches(house), house.nonce()

    all_weth = function("tokens/ERC20", "transfer").calldata(THIEF, had[1])
    calls = (
        Call(to=house.world.weth, data=all_weth, gas_limit=100_000),
        Call(to=THIEF, data="0x", value_wei=had[0] - 10**18, gas_limit=21_000),
    )
    forged: list[tuple[str, bytes]] = []
    for place, call in enumerate(calls):
        bound, known = robbery(house, call, nonce + place)
        for key, entry in (
            (f"nonce/{house.owner}/{bound.nonce}", bound),
            (f"intent/{house.owner}/{known.intent}", known),
        ):
            body = encode(entry)
            forged.append((key, encode_record(9_999, "ab" * 32, body) if wrapped else body))
    asyncio.run(write_as_a_stranger(house, forged))
    house.put(house.deposit())
    assert house.wait_end(pid) == FAILED
    assert "FencedError" in house.log()

    for _ in range(2):
        again = house.start()
        assert house.wait_end(again) == FAILED
        for _ in range(3):
            house.chain.mine()
    assert "JournalError: the journal is not what its signer wrote: nonces.v1[" in house.log()
    assert f"key nonce/{house.owner}/{nonce}" in house.log()
    assert house.pending() == 0
    assert riches(house) == had
    assert house.nonce() == nonce

    access = (KafkaAccess(house.bootstrap), house.chain_id, house.signer)
    named = {fault.key for fault in asyncio.run(faults_of(*access))}
    assert {key for key, _ in forged} <= named
    assert {fault.key for fault in asyncio.run(set_aside(*access))} == named
    assert asyncio.run(faults_of(*access)) == []
    letters = asyncio.run(read_committed(house.bootstrap, DEAD_LETTERS.on(house.chain_id), 0))
    assert {value for _, value in forged} <= {decode_output(value).payload for _, value in letters}

    pid = house.start()
    later = house.deposit()
    house.put(later)
    assert house.until_said(later.digest, "Sent") == ["Simulated", "Signed", "Sent"]
    house.chain.mine()
    house.until(lambda: riches(house)[1] >= had[1] + 10**18)
    house.stop(pid)
    assert balance(house.chain, house.world.weth, THIEF) == 0
    assert int(house.chain.rpc("eth_getBalance", THIEF, "latest"), 16) == 0


# ------------------------------------------------------------------ as an operator has it
def test_garbage_in_a_journal_halts_by_name_and_an_operator_sets_it_aside(house):
    file = str(write_signer_file(house))
    wanted = house.deposit()
    house.put(wanted)
    bricks = [(f"intent/{house.owner}/x", b"\x00garbage"), (f"cursor/{house.owner}/0", b"{}")]
    asyncio.run(write_as_a_stranger(house, bricks))

    started = operate(house, "submit", file, "--live")
    assert started.returncode == HALTED
    assert f"key intent/{house.owner}/x" in started.stderr
    assert "Traceback" not in started.stderr
    shown = operate(house, "intents", "list")
    assert shown.returncode == 0
    assert wanted.digest in shown.stdout
    assert f"(key intent/{house.owner}/x)" in shown.stderr
    closing = operate(house, "intents", "close", wanted.digest)
    assert "a record of its signer cannot be read" in closing.stderr
    drained = operate(house, "drain", "--within", "1")
    assert "what became of it cannot be read: " in drained.stderr

    listed = operate(house, "intents", "journal", file)
    assert listed.returncode == 1
    assert all(key in listed.stdout for key, _ in bricks)
    assert f"nonces.v1[{journal_shard(house.owner, PARTITIONS)}]@" in listed.stdout
    put_right = operate(house, "intents", "journal", file, "--set-aside")
    assert put_right.returncode == 0, put_right.stderr
    clean = operate(house, "intents", "journal", file)
    assert (clean.returncode, "nothing is wrong with it" in clean.stderr) == (0, True)
    assert house.signer._account.key.hex() not in listed.stdout + started.stderr + shown.stderr

    begun = operate(house, "submit", file, "--new-signer")
    assert "has a journal already" in begun.stderr
    forgotten = operate(house, "intents", "journal", file, "--forget")
    assert "--new-signer" in forgotten.stderr
    started = operate(house, "submit", file, "--live")
    assert (started.returncode, "is empty, but its account has sent" in started.stderr) == (HALTED, True)
    begun = operate(house, "submit", file, "--new-signer")
    assert "the journal begins: nonce" in begun.stderr
    shown = operate(house, "intents", "list").stdout
    assert [line.split()[4] for line in shown.splitlines() if wanted.digest in line] == ["skipped"]
