"""A journal record with a valid MAC is used only as far as its signed bytes confirm it."""

import asyncio

import pytest
from eth_account import Account
from intents import block, intent
from msgspec.structs import replace

from pipeline.errors import CalldataError, JournalError
from pipeline.messages.journal import NO_CHARGE, Attempt, NonceBound
from pipeline.sign.gas_fees import Fees, Replace
from streams.submit.bound_attempts import read_bound
from streams.submit.cancellation import attempt_of, sign_cancellation
from streams.submit.fake import FakeJournal, FakeSignerBroker
from streams.submit.fake_node import FakeSigner
from streams.submit.sealed import SealedJournal
from streams.submit.signer import LocalSigner, Unsigned
from streams.submit.signing import Signing

CHAIN, NONCE = 31_337, 7
TOKEN, THIEF = "0x" + "a1" * 20, "0x" + "ee" * 20
FEES = Fees(max_fee_wei=30 * 10**9, tip_wei=10**9)
MORE = Fees(max_fee_wei=60 * 10**9, tip_wei=2 * 10**9)


def local(number: int) -> LocalSigner:
    return LocalSigner(Account.from_key(number.to_bytes(32)))


SIGNERS = {
    "a key": (local(11), local(12)),
    "the fake": (FakeSigner("0x" + "51" * 20), FakeSigner("0x" + "52" * 20)),
}


@pytest.fixture(params=SIGNERS)
def signers(request):
    return SIGNERS[request.param]


def unsigned(**changes) -> Unsigned:
    usual = {
        "chain_id": CHAIN,
        "nonce": NONCE,
        "to": TOKEN,
        "data": "0xd0e30db0",
        "value_wei": 3,
        "gas_limit": 60_000,
        "max_fee_wei": FEES.max_fee_wei,
        "tip_wei": FEES.tip_wei,
    }
    return Unsigned(**(usual | changes))


def bound_by(signer, *attempts: Attempt) -> NonceBound:
    wanted = intent(signer=signer.address, to=TOKEN, data="0xd0e30db0", value_wei=3, gas_limit=60_000)
    return NonceBound(
        signer=signer.address,
        nonce=NONCE,
        intent=wanted,
        signed_at_s=block(100).timestamp_s,
        charge=NO_CHARGE,
        attempts=attempts,
    )


def good(signer) -> Attempt:
    return attempt_of(signer, unsigned())


def test_what_was_signed_is_read_back_and_bumped_as_it_was(signers):
    signer, _ = signers
    bound = bound_by(signer, good(signer), sign_cancellation(signer, CHAIN, NONCE, MORE))
    assert read_bound(bound, signer, CHAIN) == unsigned()
    bumped = Signing(signer, CHAIN).again(bound, Replace(nonce=NONCE, fees=MORE, cancels=False))
    found, _ = signer.read_back(bumped.raw)
    assert found == unsigned(max_fee_wei=MORE.max_fee_wei, tip_wei=MORE.tip_wei)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"to": THIEF}, "to"),
        ({"data": "0xa9059cbb"}, "data"),
        ({"value_wei": 4}, "value_wei"),
        ({"gas_limit": 61_000}, "gas_limit"),
        ({"nonce": NONCE + 1}, "nonce"),
        ({"chain_id": 1}, "chain_id"),
    ],
    ids=str,
)
def test_bytes_that_do_another_thing_than_the_call_are_never_used(signers, changes, says):
    signer, _ = signers
    other = attempt_of(signer, unsigned(**changes))
    for attempts in ((other,), (good(signer), other)):
        bound = bound_by(signer, *attempts)
        with pytest.raises(JournalError, match=rf"nonce 7, attempt {len(attempts)}: its bytes have {says} "):
            read_bound(bound, signer, CHAIN)
        for cancels in (False, True):
            with pytest.raises(JournalError, match=f"its bytes have {says} "):
                Signing(signer, CHAIN).again(bound, Replace(nonce=NONCE, fees=MORE, cancels=cancels))
        with pytest.raises(JournalError, match=f"its bytes have {says} "):
            Signing(signer, CHAIN).checked(bound, attempts[0].transaction_hash)


def test_a_cancellation_moves_nothing(signers):
    signer, _ = signers
    for changes in ({}, {"to": signer.address, "data": "0x"}, {"to": signer.address, "value_wei": 0}):
        robbing = attempt_of(signer, unsigned(**changes), cancels=True)
        with pytest.raises(JournalError, match="attempt 2: its bytes have"):
            read_bound(bound_by(signer, good(signer), robbing), signer, CHAIN)


def test_bytes_of_another_key_garbage_and_none_at_all_are_refused(signers):
    signer, stranger = signers
    first = good(signer)
    for attempts, says in (
        ((), "nothing was signed for its call"),
        ((sign_cancellation(signer, CHAIN, NONCE, FEES),), "nothing was signed for its call"),
        ((attempt_of(stranger, unsigned()),), f"signed by {stranger.address}, not by {signer.address}"),
        ((replace(first, raw="0x02"),), "not what was signed for it"),
        ((replace(first, raw=""),), "not what was signed for it"),
        ((replace(first, raw=first.raw[:-2]),), "not what was signed for it"),
        ((replace(first, transaction_hash="0x" + "ab" * 32),), "its bytes hash to"),
        ((replace(first, max_fee_wei=1),), "max_fee_wei"),
        ((replace(first, tip_wei=1),), "tip_wei"),
    ):
        with pytest.raises(JournalError, match=says):
            read_bound(bound_by(signer, *attempts), signer, CHAIN)
    with pytest.raises(JournalError, match="commanded to"):
        read_bound(replace(bound_by(signer, first), signer=stranger.address), signer, CHAIN)


@pytest.mark.parametrize(
    "bend",
    [
        lambda raw: "0x01" + raw[4:],
        lambda raw: raw.upper().replace("0X", "0x"),
        lambda raw: raw + "00",
        lambda raw: raw.removeprefix("0x"),
        lambda raw: "0x" + "00" + raw[2:],
        lambda _: "0x02c0",
        lambda _: "0x02" + "f8" * 40,
        lambda _: "nonsense",
    ],
)
def test_only_bytes_as_a_node_takes_them_are_read(bend):
    signer = local(11)
    with pytest.raises(CalldataError):
        signer.read_back(bend(good(signer).raw))


def test_a_signatures_twin_is_refused():
    """Of one signature anybody can make a second that recovers to the same key; no node takes it."""
    import rlp

    signer = local(11)
    raw = bytes.fromhex(good(signer).raw[2:])
    fields = rlp.decode(raw[1:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    parity, s = int.from_bytes(fields[9]), order - int.from_bytes(fields[11])
    twin = b"\x02" + rlp.encode([*fields[:9], 1 - parity, fields[10], s])
    assert Account.recover_transaction(twin).lower() == signer.address
    with pytest.raises(CalldataError, match="twin"):
        signer.read_back("0x" + twin.hex())


def test_a_record_with_a_true_mac_and_other_bytes_halts_all_the_same(signers):
    """What a defect of ours, or a signer that others share, would journal."""
    signer, stranger = signers
    broker = FakeSignerBroker()

    async def write_and_open() -> None:
        journal = SealedJournal(FakeJournal(broker), signer, CHAIN)
        await journal.open()
        bound = bound_by(signer, attempt_of(stranger, unsigned()))
        await journal.commit({f"nonce/{signer.address}/{NONCE}": bound})
        await SealedJournal(FakeJournal(broker), signer, CHAIN).open()

    with pytest.raises(
        JournalError, match=r"nonces\.v1\[0\]@\d+, key nonce/.*: nonce 7, attempt 1: .*signed by"
    ):
        asyncio.run(write_and_open())


def test_a_secret_is_of_one_key_and_one_chain_and_is_not_the_key():
    signer, other = local(11), local(12)
    secrets = {signer.journal_secret(1), signer.journal_secret(2), other.journal_secret(1)}
    assert len(secrets) == 3
    assert all(len(secret) == 32 for secret in secrets)
    assert (11).to_bytes(32) not in secrets
    assert signer.journal_secret(1) == local(11).journal_secret(1)
