"""Encode a receipt as the chain's consensus does; a header's `receiptsRoot` commits to it."""

from collections.abc import Sequence
from typing import Any, Protocol

import rlp

from streams.node.proof.header_hash import number_bytes

_LEGACY = 0
_OP_STACK_DEPOSIT = 0x7E


class LogFields(Protocol):
    """What of a log is committed to, in hexadecimal."""

    @property
    def address(self) -> str: ...
    @property
    def topics(self) -> Sequence[str]: ...
    @property
    def data(self) -> str: ...


class ReceiptFields(Protocol):
    """What of a receipt is committed to, in hexadecimal."""

    @property
    def type(self) -> str | None: ...
    @property
    def status(self) -> str | None: ...
    @property
    def root(self) -> str | None: ...
    @property
    def cumulative_gas_used(self) -> str | None: ...
    @property
    def logs_bloom(self) -> str | None: ...
    @property
    def logs(self) -> Sequence[LogFields]: ...
    @property
    def deposit_nonce(self) -> str | None: ...
    @property
    def deposit_receipt_version(self) -> str | None: ...


def consensus_bytes(receipt: ReceiptFields) -> bytes:
    """Encode a receipt as consensus does: a legacy one as it is, another behind the byte of its type.

    Raises: ValueError where a field is missing or cannot be read.
    """
    if receipt.cumulative_gas_used is None or receipt.logs_bloom is None:
        raise ValueError("a receipt without cumulativeGasUsed or logsBloom")
    kind = int(receipt.type or "0x0", 16)
    fields: list[Any] = [
        _outcome(receipt),
        number_bytes(receipt.cumulative_gas_used),
        _bytes(receipt.logs_bloom),
        [
            [_bytes(log.address), [_bytes(topic) for topic in log.topics], _bytes(log.data)]
            for log in receipt.logs
        ],
    ]
    if kind == _OP_STACK_DEPOSIT and receipt.deposit_nonce is not None:
        more = (receipt.deposit_nonce, receipt.deposit_receipt_version)
        fields += [number_bytes(each) for each in more if each is not None]
    encoded: bytes = rlp.encode(fields, infer_serializer=False)
    return encoded if kind == _LEGACY else bytes((kind,)) + encoded


def _outcome(receipt: ReceiptFields) -> bytes:
    """Tell whether it succeeded, or before Byzantium the state's root."""
    if receipt.status is not None:
        return number_bytes(receipt.status)
    if receipt.root is None:
        raise ValueError("a receipt without status")
    return _bytes(receipt.root)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
