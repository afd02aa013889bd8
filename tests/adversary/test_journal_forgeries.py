"""Every forgery in a signer's journal is detected at the next start, named, and can be set aside."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from signer_stage import ROUTER, SIGNER, STRANGER, WETH, Stage

from pipeline.errors import JournalError, MemoryLostError
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.journal import Attempt, IntentKnown, NonceBound, SignerStanding
from pipeline.messages.transactions import Call
from pipeline.venues.abi import function
from streams.kafka.codec import decode_output, encode, encode_record
from streams.submit.fake import FakeJournal, FakeSignerBroker
from streams.submit.fake_node import FAKE_CHAIN, FakeSigner
from streams.submit.port import Stored
from streams.submit.seal import Stamp
from streams.submit.sealed import SealedJournal

Forgery = Callable[[FakeSignerBroker], None]


async def living() -> Stage:
    """A signer with a nonce that waits, one that is mined, one that ended, and an intent that was refused."""
    stage = Stage()
    process = await stage.start()
    stage.ask()
    await process.step()
    for _ in range(8):
        stage.node.mine()
        await process.step()
    stage.ask()
    await process.step()
    stage.node.mine()
    await process.step()
    stage.ask()
    stage.ask(owner=STRANGER)
    await process.step()
    assert len(stage.bound()) == 2
    return stage


def sealed(stage: Stage, signer: str = SIGNER, chain_id: int = FAKE_CHAIN) -> SealedJournal:
    return SealedJournal(FakeJournal(stage.broker), FakeSigner(signer), chain_id)


def drained(bound: NonceBound) -> NonceBound:
    """Bind all that the signer has to a stranger, with bytes that are not a transaction."""
    data = function("tokens/ERC20", "transfer").calldata(STRANGER, 10**24)
    call = Call(to=WETH, data=data, value_wei=0, gas_limit=100_000)
    garbage = Attempt(
        transaction_hash="0x" + "ab" * 32,
        raw="0x02",
        max_fee_wei=1,
        tip_wei=1,
        gas_limit=100_000,
        sent_at_block=1,
    )
    return replace(bound, intent=replace(bound.intent, call=call), attempts=(garbage,))


# ------------------------------------------------------------------ single records
def _key(broker: FakeSignerBroker, kind: str) -> bytes:
    return [key for key in broker.journal() if key.startswith(f"{kind}/".encode())][-1]


def bound_of(broker: FakeSignerBroker) -> tuple[bytes, NonceBound]:
    key = _key(broker, "nonce")
    return key, broker.entries()[key.decode()]


def a_foreign_call_in_plain(broker: FakeSignerBroker) -> None:
    key, bound = bound_of(broker)
    broker.write(key, encode(drained(bound)))


def a_foreign_call_with_a_made_up_mac(broker: FakeSignerBroker) -> None:
    key, bound = bound_of(broker)
    broker.write(key, encode_record(9_999, "ab" * 32, encode(drained(bound))))


def a_foreign_call_with_anothers_mac(broker: FakeSignerBroker) -> None:
    key, bound = bound_of(broker)
    mac = broker.journal()[key].split(b'"mac":"')[1][:64].decode()
    broker.write(key, encode_record(1, mac, encode(drained(bound))))


def a_foreign_call_by_another_signer(broker: FakeSignerBroker) -> None:
    key, bound = bound_of(broker)
    record, _ = Stamp(FakeSigner(STRANGER), FAKE_CHAIN).write(replace(drained(bound), signer=STRANGER), 9_999)
    broker.write(key, record)


def a_record_of_another_chain(broker: FakeSignerBroker) -> None:
    key, bound = bound_of(broker)
    broker.write(key, Stamp(FakeSigner(SIGNER), FAKE_CHAIN + 1).write(bound, 9_999)[0])


def a_next_nonce(broker: FakeSignerBroker) -> None:
    _, bound = bound_of(broker)
    forged = replace(drained(bound), nonce=bound.nonce + 1)
    broker.write(f"nonce/{SIGNER}/{forged.nonce}".encode(), encode_record(9_999, "", encode(forged)))


def a_true_record_under_another_key(broker: FakeSignerBroker) -> None:
    key, bound = bound_of(broker)
    broker.write(f"nonce/{SIGNER}/{bound.nonce + 1}".encode(), broker.journal()[key])


def a_lower_floor(broker: FakeSignerBroker) -> None:
    standing = SignerStanding(signer=SIGNER, floor_nonce=0)
    broker.write(f"signer/{SIGNER}".encode(), encode_record(9_999, "00" * 32, encode(standing)))


def an_intent_that_never_ended(broker: FakeSignerBroker) -> None:
    key = _key(broker, "intent")
    known: IntentKnown = broker.entries()[key.decode()]
    broker.write(key, encode_record(9_999, "00" * 32, encode(replace(known, outcome="final"))))


def garbage_under_an_intents_key(broker: FakeSignerBroker) -> None:
    broker.write(f"intent/{SIGNER}/x".encode(), b"{")


def nothing_under_a_nonces_key(broker: FakeSignerBroker) -> None:
    broker.write(_key(broker, "nonce"), b"")


def a_key_that_is_not_text(broker: FakeSignerBroker) -> None:
    broker.write(f"nonce/{SIGNER}/".encode() + b"\xff\xfe", b"\xff")


def a_kind_that_does_not_exist(broker: FakeSignerBroker) -> None:
    broker.write(f"budget/{SIGNER}".encode(), b'{"type":"Budget"}')


def an_older_value_put_back(broker: FakeSignerBroker) -> None:
    key = f"signer/{SIGNER}".encode()
    values = [each.value for each in broker.stored if each.key == key]
    assert values[0] != values[-1]
    broker.write(key, values[0])


def a_forgotten_nonce_put_back(broker: FakeSignerBroker) -> None:
    gone = next(each for each in broker.stored if each.key == f"nonce/{SIGNER}/5".encode())
    assert gone.key not in broker.journal()
    broker.write(gone.key, gone.value)


def a_whole_older_state_with_its_seal(broker: FakeSignerBroker) -> None:
    seals = [each.offset for each in broker.stored if each.key.startswith(b"seal/")]
    old: dict[bytes, bytes | None] = dict.fromkeys(broker.journal())
    for each in broker.stored[: seals[len(seals) // 2] + 1]:
        old[each.key] = each.value
    for key, value in old.items():
        broker.write(key, value)


def an_older_seal(broker: FakeSignerBroker) -> None:
    seals = [each for each in broker.stored if each.key.startswith(b"seal/")]
    broker.write(seals[-2].key, seals[-2].value)


def everything_removed(broker: FakeSignerBroker) -> None:
    for key in broker.journal():
        broker.write(key, None)


def _removing(kind: str) -> Forgery:
    def forge(broker: FakeSignerBroker) -> None:
        broker.write(_key(broker, kind), None)

    forge.__name__ = f"the_{kind}_removed"
    return forge


FORGERIES: tuple[Forgery, ...] = (
    a_foreign_call_in_plain,
    a_foreign_call_with_a_made_up_mac,
    a_foreign_call_with_anothers_mac,
    a_foreign_call_by_another_signer,
    a_record_of_another_chain,
    a_next_nonce,
    a_true_record_under_another_key,
    a_lower_floor,
    an_intent_that_never_ended,
    garbage_under_an_intents_key,
    nothing_under_a_nonces_key,
    a_key_that_is_not_text,
    a_kind_that_does_not_exist,
    an_older_value_put_back,
    a_forgotten_nonce_put_back,
    a_whole_older_state_with_its_seal,
    an_older_seal,
    everything_removed,
    *map(_removing, ("nonce", "intent", "cursor", "signer", "seal")),
)


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
async def test_a_forged_journal_halts_the_signer_by_name_until_it_is_set_aside(forge):
    stage = await living()
    truth, sent = stage.broker.journal(), dict(stage.node.pool)
    first = len(stage.broker.stored)
    forge(stage.broker)
    written = [each for each in stage.broker.stored[first:] if each.value is not None]
    for _ in range(2):  # again and again, but never a loop that anybody else must end
        with pytest.raises(JournalError, match=r"nonces\.v1\[0\]@\d+, key .*evenkeel intents journal FILE"):
            await stage.process().open()
    assert stage.node.pool == sent

    faults = await sealed(stage).set_aside()
    assert faults
    assert {fault.stored.offset for fault in faults if fault.stored} <= {each.offset for each in written}
    letters = [decode_output(letter.value) for letter in stage.broker.letters]
    assert all(isinstance(each, DeadLetter) and each.topic == "nonces.v1" for each in letters)
    markers = {f"opened/{SIGNER}".encode(), f"seal/{SIGNER}".encode()}
    left = stage.broker.journal()
    assert {k: v for k, v in left.items() if k not in markers} == {
        k: v for k, v in truth.items() if k not in markers
    }

    process = stage.process()
    await process.open()
    wanted = stage.ask()
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]
    assert all(tx.to == WETH and ROUTER[2:] in tx.data for _, tx in stage.node.pool.values())


async def test_what_compaction_has_taken_can_only_be_forgotten_and_then_needs_a_word():
    stage = await living()
    a_lower_floor(stage.broker)
    compact(stage.broker)
    with pytest.raises(JournalError, match="its MAC is not this signer's"):
        await stage.process().open()
    with pytest.raises(JournalError, match=r"no longer all on the topic .*--forget"):
        await sealed(stage).set_aside()
    await sealed(stage).forget()
    with pytest.raises(
        MemoryLostError, match=r"is empty, but its account has sent 7 transactions.*--new-signer"
    ):
        await stage.process().open()
    process = stage.process(new_signer=True)
    await process.open()
    await process.step()
    assert stage.bound() == []
    wanted = stage.ask()
    await process.step()
    assert stage.said(wanted)[0] == "Simulated"


def compact(broker: FakeSignerBroker) -> None:
    """Do what a broker may do at any time: keep the last record of each key, at its offset."""
    newest = {each.key: each for each in broker.stored}
    broker.stored = [each for each in broker.stored if newest[each.key] is each and each.value is not None]


async def test_a_compacted_journal_is_believed():
    stage = await living()
    compact(stage.broker)
    process = stage.process()
    await process.open()
    assert len(stage.bound()) == 2


async def test_records_that_are_not_the_signers_concern_stay():
    stage = await living()
    others = {f"nonce/{STRANGER}/1".encode(): b"{", b"nonce": b"{", b"": b"", b"x/y/z": b"{"}
    for key, value in others.items():
        stage.broker.write(key, value)
    await stage.process().open()
    assert others.items() <= stage.broker.journal().items()


def written_by(forge: Forgery, stored: list[Stored]) -> list[Stored]:
    """Take what a forgery adds to a journal as it was."""
    broker = FakeSignerBroker(stored=list(stored))
    forge(broker)
    return broker.stored[len(stored) :]


def entries_of(broker: FakeSignerBroker) -> dict[bytes, bytes]:
    return {k: v for k, v in broker.journal().items() if not k.startswith((b"opened/", b"seal/"))}


def test_of_any_forgeries_in_any_order_nothing_is_left():
    stored = asyncio.run(living()).broker.stored
    truth = entries_of(FakeSignerBroker(stored=stored))
    halted = 0

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from(FORGERIES), min_size=1, max_size=4), st.randoms(use_true_random=False))
    def hold(forgeries, dice):
        nonlocal halted
        records = [record for forge in forgeries for record in written_by(forge, stored)]
        dice.shuffle(records)
        stage = Stage()
        stage.broker.stored = list(stored)
        for record in records:
            stage.broker.write(record.key, record.value)
        try:
            asyncio.run(sealed(stage).open())
        except JournalError:
            halted += 1
            asyncio.run(sealed(stage).set_aside())
            asyncio.run(sealed(stage).open())
        assert entries_of(stage.broker) == truth

    hold()
    assert halted > 50, "most examples must reach what is set aside"
