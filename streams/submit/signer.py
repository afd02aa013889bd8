"""The signer: an address and its key, which this object alone holds."""

import hmac
from pathlib import Path
from typing import Any, Protocol, cast, final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from pipeline.errors import SettingsError
from pipeline.units import Address, ChainId, Hash
from streams.core_dumps import forbid_core_dumps
from streams.private_file import guard_place, private_bytes, private_text, wipe
from streams.redaction import remember_digest
from streams.submit.signed import read_signed
from streams.submit.unsigned import SignedBytes, Unsigned

__all__ = ["LocalSigner", "SignedBytes", "Signer", "Unsigned", "devnet_signer", "keystore_signer"]

_DEVNET_CHAIN = ChainId(31_337)
_DEVNET_PHRASE = "test test test test test test test test test test test junk"
"""anvil's own, known to everybody: of no worth anywhere else."""
_DEVNET_ACCOUNTS = 20
_JOURNAL_PURPOSE = "evenkeel/journal/1"
"""Nothing else is ever derived or signed under this name."""


class Signer(Protocol):
    """A key that signs and is never shown."""

    @property
    def address(self) -> Address:
        """The account of the key."""
        ...

    def sign(self, transaction: Unsigned) -> SignedBytes:
        """Sign a transaction: the same one always gives the same bytes."""
        ...

    def read_back(self, raw: str) -> tuple[Unsigned, SignedBytes]:
        """Decode bytes that this signer has signed. Raises: CalldataError where it has not."""
        ...

    def journal_secret(self, chain_id: ChainId) -> bytes:
        """Derive the secret that proves who wrote the journal: 32 bytes, always the same, never the key itself.

        A signer whose key cannot be read brings a secret of its own.
        """
        ...


@final
class LocalSigner:
    """A key in this process's memory."""

    __slots__ = ("_account", "address")

    def __init__(self, account: LocalAccount) -> None:
        remember_digest(account.key.hex().removeprefix("0x"))
        self._account = account
        self.address = Address(account.address.lower())

    def sign(self, transaction: Unsigned) -> SignedBytes:
        """Sign a transaction: the same one always gives the same bytes."""
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": transaction.chain_id,
                "nonce": transaction.nonce,
                "to": bytes.fromhex(transaction.to.removeprefix("0x")),
                "data": bytes.fromhex(transaction.data.removeprefix("0x")),
                "value": transaction.value_wei,
                "gas": transaction.gas_limit,
                "maxFeePerGas": transaction.max_fee_wei,
                "maxPriorityFeePerGas": transaction.tip_wei,
            }
        )
        return SignedBytes(
            transaction_hash=Hash("0x" + signed.hash.hex().removeprefix("0x")),
            raw="0x" + signed.raw_transaction.hex().removeprefix("0x"),
        )

    def read_back(self, raw: str) -> tuple[Unsigned, SignedBytes]:
        """Decode bytes that this signer has signed. Raises: CalldataError where it has not."""
        return read_signed(raw, self.address)

    def journal_secret(self, chain_id: ChainId) -> bytes:
        """Derive the secret that proves who wrote the journal, one for each chain and address."""
        purpose = f"{_JOURNAL_PURPOSE}/{chain_id}/{self.address}"
        return hmac.digest(self._account.key, purpose.encode(), "sha256")

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    def __reduce__(self) -> Any:
        raise TypeError("a signer does not leave its process")


def keystore_signer(keystore: Path, password_file: Path) -> LocalSigner:
    """Open a keystore v3 with the password in a file; no other user may be able to read either.

    Raises: SettingsError naming the file.
    """
    forbid_core_dumps()
    for file in (keystore, password_file):
        guard_place(file)
    content = private_text(keystore)
    password = _password(password_file)
    try:
        key = Account.decrypt(content, cast("str", password))  # it takes bytes as well
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        why = "the password is wrong" if "MAC" in str(error) else "it is not a keystore of version 3"
        raise SettingsError(f"cannot open {keystore}: {why}") from None
    finally:
        del password
    return LocalSigner(Account.from_key(key))


def _password(file: Path) -> bytes:
    """Read a password without its line end. Raises: SettingsError."""
    content = private_bytes(file)
    try:
        password = bytes(content.rstrip(b"\r\n"))
        remember_digest(password.decode())
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {file}: it is not UTF-8 text") from None
    finally:
        wipe(content)
    return password


def devnet_signer(address: Address, chain_id: ChainId) -> LocalSigner:
    """Return the signer of one of anvil's well-known accounts, on a devnet only. Raises: SettingsError."""
    if chain_id != _DEVNET_CHAIN:
        raise SettingsError(
            f"the devnet's keys are known to everybody: not on chain {chain_id}, only on {_DEVNET_CHAIN}"
        )
    forbid_core_dumps()
    Account.enable_unaudited_hdwallet_features()
    for index in range(_DEVNET_ACCOUNTS):
        account = Account.from_mnemonic(_DEVNET_PHRASE, account_path=f"m/44'/60'/0'/0/{index}")
        if account.address.lower() == address:
            return LocalSigner(account)
    raise SettingsError(f"{address} is none of the devnet's {_DEVNET_ACCOUNTS} accounts")
