"""Encode a receipt as the chain's consensus does; a header's `receiptsRoot` commits to it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn, Protocol

from streams.node.proof.hex_rlp import encoded, list_head, listed, number, string, string_head

_LEGACY = 0
_OP_STACK_DEPOSIT = 0x7E
_PREFIX = "0x"
_BYTE_DIGITS, _ADDRESS_DIGITS, _TOPIC_DIGITS, _BLOOM_DIGITS = 2, 40, 64, 512
_ADDRESS_HEAD, _TOPIC_HEAD, _BLOOM_HEAD = "94", "a0", "b90100"
"""What RLP has before 20, 32 and 256 bytes."""
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
    gas, bloom, logs = number(receipt.cumulative_gas_used), _bloom(receipt.logs_bloom), _logs(receipt.logs)
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


def _bloom(text: str) -> str:
    digits = text.removeprefix(_PREFIX)
    if len(digits) == _BLOOM_DIGITS != len(text):
        return _BLOOM_HEAD + digits
    return string(text)


def _logs(logs: Sequence[LogFields]) -> str:
    """Encode logs one behind the other. A text that loses no prefix, or is too long or too short without it, is refused."""
    encodings: list[str] = []
    for log in logs:
        address, data = log.address.removeprefix(_PREFIX), log.data.removeprefix(_PREFIX)
        if len(address) != _ADDRESS_DIGITS or len(log.address) == _ADDRESS_DIGITS:
            _refuse(log.address)
        words = ""
        for topic in log.topics:
            digits = topic.removeprefix(_PREFIX)
            if len(digits) != _TOPIC_DIGITS or len(topic) == _TOPIC_DIGITS:
                _refuse(topic)
            words += _TOPIC_HEAD + digits
        size = len(data)
        if size > _BYTE_DIGITS and not size % 2 and size != len(log.data):
            before_address, before_topics, before_data = _heads(len(log.topics), size // 2)
            encodings.append(f"{before_address}{address}{before_topics}{words}{before_data}{data}")
        else:
            topics = f"{list_head(len(words) // 2)}{words}"
            encodings.append(listed(f"{_ADDRESS_HEAD}{address}{topics}{string(log.data)}"))
    return "".join(encodings)  # not piece by piece: a receipt may have thousands of logs


@lru_cache(maxsize=1 << 12)
def _heads(topics: int, size: int) -> tuple[str, str, str]:
    """Write what stands in a log before its address, before its topics and before its data of more bytes than one."""
    before_topics, before_data = list_head(_TOPIC_SIZE * topics), string_head(size)
    others = (len(_ADDRESS_HEAD) + len(before_topics) + len(before_data)) // 2
    whole = others + _ADDRESS_SIZE + _TOPIC_SIZE * topics + size
    return list_head(whole) + _ADDRESS_HEAD, before_topics, before_data


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text[:80]!r} is not an address or a topic")
