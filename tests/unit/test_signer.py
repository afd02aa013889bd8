"""The signer's key: deterministic signatures, from a file that nobody else can read, and never shown."""

import json
import pickle

import pytest
from eth_account import Account
from eth_keys import KeyAPI
from eth_keys.backends import CoinCurveECCBackend, NativeECCBackend

from pipeline.errors import SettingsError
from streams import redaction
from streams.redaction import redact
from streams.submit.signer import LocalSigner, Unsigned, devnet_signer, keystore_signer

KEY = bytes(range(1, 33))
FIRST_OF_ANVIL = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(redaction, "_digests", {})


@pytest.fixture
def files(tmp_path):
    keystore, password = tmp_path / "key.json", tmp_path / "password"
    keystore.write_text(json.dumps(Account.encrypt(KEY, "correct horse", kdf="pbkdf2", iterations=2)))
    password.write_text("correct horse\n")
    for file in (keystore, password):
        file.chmod(0o600)
    return keystore, password


def unsigned(**changes):
    usual = {
        "chain_id": 31_337,
        "nonce": 3,
        "to": "0x" + "aa" * 20,
        "data": "0xd0e30db0",
        "value_wei": 10**18,
        "gas_limit": 60_000,
        "max_fee_wei": 30 * 10**9,
        "tip_wei": 10**9,
    }
    return Unsigned(**(usual | changes))


def test_a_keystore_signs_for_its_address_and_the_bytes_are_the_same_each_time(files):
    signer = keystore_signer(*files)
    signed = signer.sign(unsigned())
    assert signed == signer.sign(unsigned())
    assert signed != signer.sign(unsigned(nonce=4))
    assert Account.recover_transaction(signed.raw).lower() == signer.address
    assert signed.raw.startswith("0x02")
    assert len(signed.transaction_hash) == 66


def test_libsecp256k1_signs_and_not_python_whose_time_depends_on_the_key():
    assert isinstance(KeyAPI().backend, CoinCurveECCBackend)


def test_both_ways_of_signing_give_the_same_bytes():
    digests = [bytes([each]) * 32 for each in range(1, 9)]
    ours, python = (
        [KeyAPI(backend).PrivateKey(KEY, backend).sign_msg_hash(digest).to_bytes() for digest in digests]
        for backend in (CoinCurveECCBackend(), NativeECCBackend())
    )
    assert ours == python


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(files, which, mode):
    files[which].chmod(mode)
    with pytest.raises(SettingsError, match=rf"{files[which]} may be read by others \(mode {mode:04o}\)"):
        keystore_signer(*files)


def test_a_wrong_password_and_a_file_that_is_no_keystore_are_told_apart(files):
    keystore, password = files
    password.write_text("wrong")
    with pytest.raises(SettingsError, match="the password is wrong"):
        keystore_signer(*files)
    keystore.write_text("{}")
    with pytest.raises(SettingsError, match="not a keystore of version 3"):
        keystore_signer(*files)
    keystore.write_text("not json")
    with pytest.raises(SettingsError, match="not a keystore of version 3"):
        keystore_signer(*files)
    with pytest.raises(SettingsError, match="cannot read"):
        keystore_signer(keystore.with_name("nothing"), password)


def test_the_key_is_shown_nowhere(files):
    signer = keystore_signer(*files)
    shown = f"{signer!r} {signer} {signer.sign(unsigned())!r}"
    assert KEY.hex() not in shown
    assert redact(f"key {KEY.hex()} and {'0x' + KEY.hex()}, the password correct horse") == (
        "key *** and 0x***, the password ***"
    )
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(signer)


def test_the_devnets_keys_sign_on_the_devnet_alone():
    signer = devnet_signer(FIRST_OF_ANVIL, 31_337)
    assert isinstance(signer, LocalSigner)
    assert signer.address == FIRST_OF_ANVIL
    with pytest.raises(SettingsError, match="known to everybody: not on chain 1,"):
        devnet_signer(FIRST_OF_ANVIL, 1)
    with pytest.raises(SettingsError, match="none of the devnet's"):
        devnet_signer("0x" + "aa" * 20, 31_337)
