"""Encode a receipt as the chain's consensus does; a header's `receiptsRoot` commits to it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn, Protocol

from streams.node.proof.hex_rlp import encoded, list_head, listed, number, string, string_head

_LEGACY = 0
_OP_STACK_DEPOSIT = 0x7E
_BYTE_LENGTH, _ADDRESS_LENGTH, _TOPIC_LENGTH = 4, 42, 66
"""In characters, `0x` among them."""
_ADDRESS_HEAD, _TOPIC_HEAD = "94", "a0"
"""What RLP has before 20 and before 32 bytes."""
_ADDRESS_SIZE, _TOPIC_SIZE = 20, 33
"""Of an address, and of a topic with what stands before it, in bytes."""


class LogFields(Protocol):
    """The fields of a log that the receipts root commits to, in hexadecimal."""

    @property
    def address(self) -> str: ...
    @property
    def topics(self) -> Sequence[str]: ...
    @property
    def data(self) -> str: ...


class ReceiptFields(Protocol):
    """The fields of a receipt that the receipts root commits to, in hexadecimal."""

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
    """Encode a receipt by the consensus rules: a legacy one as it is, others behind their type's byte.

    Raises: ValueError where a field is missing or cannot be read.
    """
    if receipt.cumulative_gas_used is None or receipt.logs_bloom is None:
        raise ValueError("a receipt without cumulativeGasUsed or logsBloom")
    gas, bloom = number(receipt.cumulative_gas_used), string(receipt.logs_bloom)
    logs = "".join([_log(log) for log in receipt.logs])
    items = f"{_outcome(receipt)}{gas}{bloom}{list_head(len(logs) // 2)}{logs}"
    kind = int(receipt.type or "0x0", 16)
    if kind == _OP_STACK_DEPOSIT and receipt.deposit_nonce is not None:
        more = (receipt.deposit_nonce, receipt.deposit_receipt_version)
        items += "".join([number(each) for each in more if each is not None])
    whole = encoded(listed(items))
    return whole if kind == _LEGACY else bytes((kind,)) + whole


def _outcome(receipt: ReceiptFields) -> str:
    """Return the status, or before Byzantium the state root."""
    if receipt.status is not None:
        return number(receipt.status)
    if receipt.root is None:
        raise ValueError("a receipt without status")
    return string(receipt.root)


def _log(log: LogFields) -> str:
    address, topics, data = log.address, log.topics, log.data
    if len(address) != _ADDRESS_LENGTH or address[:2] != "0x":
        _refuse(address)
    words = ""
    for topic in topics:
        if len(topic) != _TOPIC_LENGTH or topic[:2] != "0x":
            _refuse(topic)
        words += _TOPIC_HEAD + topic[2:]
    if len(data) <= _BYTE_LENGTH or len(data) % 2 or data[:2] != "0x":
        return listed(f"{_ADDRESS_HEAD}{address[2:]}{list_head(len(words) // 2)}{words}{string(data)}")
    before_address, before_topics, before_data = _heads(len(topics), len(data))
    return f"{before_address}{address[2:]}{before_topics}{words}{before_data}{data[2:]}"


@lru_cache(maxsize=1 << 12)
def _heads(topics: int, data_length: int) -> tuple[str, str, str]:
    """Write what stands in a log before its address, before its topics and before its data of more than a byte."""
    size = data_length // 2 - 1
    before_topics, before_data = list_head(_TOPIC_SIZE * topics), string_head(size)
    others = (len(_ADDRESS_HEAD) + len(before_topics) + len(before_data)) // 2
    whole = others + _ADDRESS_SIZE + _TOPIC_SIZE * topics + size
    return list_head(whole) + _ADDRESS_HEAD, before_topics, before_data


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text[:80]!r} is not an address or a topic")
