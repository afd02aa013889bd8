"""Decode signed bytes: what a transaction does, and who signed it."""

from collections.abc import Sequence
from typing import Any

import rlp
from eth_account import Account
from eth_utils.crypto import keccak

from pipeline.errors import CalldataError
from pipeline.units import Address, ChainId, Hash, Wei
from streams.submit.unsigned import SignedBytes, Unsigned

_TYPE = b"\x02"
_FIELDS = 12
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2
_ADDRESS_BYTES = 20
_INTEGER_BYTES = 32


def read_signed(raw: str, signer: Address) -> tuple[Unsigned, SignedBytes]:
    """Decode an EIP-1559 transaction from its signed bytes, which must carry one signer's signature.

    Raises: CalldataError saying what they are instead.
    """
    payload = _payload(raw)
    fields = _fields(payload)
    transaction = _transaction(fields)
    try:
        sender = Address(Account.recover_transaction(payload).lower())
    except Exception as error:
        raise CalldataError(f"they carry no signature that can be read: {error}") from error
    if sender != signer:
        raise CalldataError(f"they are signed by {sender}, not by {signer}")
    return transaction, SignedBytes(transaction_hash=Hash("0x" + keccak(payload).hex()), raw=raw)


def _payload(raw: str) -> bytes:
    try:
        payload = bytes.fromhex(raw.removeprefix("0x"))
    except ValueError:
        raise CalldataError("they are not hex") from None
    if raw != "0x" + payload.hex():
        raise CalldataError("they are not lower-case hex with 0x before it")
    if payload[:1] != _TYPE:
        raise CalldataError("they are not an EIP-1559 transaction")
    return payload


def _fields(payload: bytes) -> Sequence[Any]:
    try:
        fields = rlp.decode(payload[1:])
        canonical = rlp.encode(fields)
    except Exception as error:
        raise CalldataError(f"they are not an EIP-1559 transaction: {type(error).__name__}") from error
    if canonical != payload[1:] or not isinstance(fields, list) or len(fields) != _FIELDS:
        raise CalldataError("they are not an EIP-1559 transaction as anybody encodes it")
    return fields


def _transaction(fields: Sequence[Any]) -> Unsigned:
    chain_id, nonce, tip, max_fee, gas, to, value, data, access, _, _, s = fields
    if access != []:
        raise CalldataError("they have an access list, which nothing signed here has")
    if not isinstance(to, bytes) or len(to) != _ADDRESS_BYTES or not isinstance(data, bytes):
        raise CalldataError("they call no contract")
    if _integer(s) > _HALF_ORDER:
        raise CalldataError("their signature is another one's twin: no node takes it")
    return Unsigned(
        chain_id=ChainId(_integer(chain_id)),
        nonce=_integer(nonce),
        to=Address("0x" + to.hex()),
        data="0x" + data.hex(),
        value_wei=Wei(_integer(value)),
        gas_limit=_integer(gas),
        max_fee_wei=Wei(_integer(max_fee)),
        tip_wei=Wei(_integer(tip)),
    )


def _integer(field: Any) -> int:
    if not isinstance(field, bytes) or len(field) > _INTEGER_BYTES or field[:1] == b"\0":
        raise CalldataError("a number in them is not a number")
    return int.from_bytes(field)
