"""Parse a node's answers: only the fields that are used, checked against each other.

A node that contradicts itself is not believed: what fails here is asked again, never taken.
"""

import functools
from collections.abc import Callable, Container, Sequence
from typing import Any, Final, cast

import msgspec
from eth_utils.crypto import keccak

from pipeline.errors import BrokenAnswerError
from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.units import Address, BlockNumber, Hash, LogIndex, Seconds, Wei
from streams.node.port import Body, BodyScope, Header
from streams.node.proof.header_hash import HeaderFields

_HASH_LENGTH = 66
"""In characters, `0x` among them."""
_lower: Final[Callable[[str], Any]] = str.lower
"""Writes digits as ours are written, whatever they stand for."""


# ------------------------------------------------------------------ as they come over the wire
class _Wire(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    pass


class BlockAnswer(HeaderFields, frozen=True, kw_only=True):
    number: str
    hash: str
    parent_hash: str
    timestamp: str
    logs_bloom: str
    transactions: tuple[str, ...]


class LogAnswer(_Wire, frozen=True):
    address: str
    topics: tuple[str, ...]
    data: str
    log_index: str
    transaction_hash: str
    transaction_index: str
    block_hash: str
    block_number: str


class ReceiptAnswer(_Wire, frozen=True):
    transaction_hash: str
    transaction_index: str
    block_hash: str
    block_number: str
    sender: str = msgspec.field(name="from")
    gas_used: str
    logs: tuple[LogAnswer, ...]
    to: str | None = None
    status: str | None = None
    """None before Byzantium, where a receipt did not tell."""
    effective_gas_price: str | None = None
    l1_fee: str | None = None
    """On OP-stack chains: for posting its data, beside the gas."""
    logs_bloom: str | None = None
    type: str | None = None
    root: str | None = None
    """Before Byzantium: of the state."""
    cumulative_gas_used: str | None = None
    deposit_nonce: str | None = None
    """On OP-stack chains, of deposits."""
    deposit_receipt_version: str | None = None


# ------------------------------------------------------------------ as we use them
def quantity(text: str) -> int:
    """Read a hexadecimal number. Raises: NodeError."""
    if not text.startswith("0x"):
        raise BrokenAnswerError(f"{text[:80]!r} is not a hexadecimal number")
    try:
        return int(text, 16)
    except ValueError:
        raise BrokenAnswerError(f"{text[:80]!r} is not a hexadecimal number") from None


def raw_bytes(text: str, method: str) -> bytes:
    """Read the hexadecimal bytes that a node answers to a method. Raises: NodeError naming the method."""
    broken = BrokenAnswerError(f"{method}: the node answers {text[:80]!r}, which are not hexadecimal bytes")
    if not text.startswith("0x"):
        raise broken
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        raise broken from None


def header_of(answer: BlockAnswer, *, is_bloom_proven: bool = False) -> Header:
    """Read a block. Raises: NodeError."""
    return Header(
        block=BlockRef(
            number=BlockNumber(quantity(answer.number)),
            hash=_hash(answer.hash),
            parent_hash=_hash(answer.parent_hash),
            timestamp_s=Seconds(quantity(answer.timestamp)),
        ),
        base_fee_wei=Wei(quantity(answer.base_fee_per_gas or "0x0")),
        transactions=_hashes(answer.transactions),
        logs_bloom=quantity(answer.logs_bloom),
        receipts_root=None if answer.receipts_root is None else _hash(answer.receipts_root),
        is_bloom_proven=is_bloom_proven,
    )


def body_of(header: Header, answers: Sequence[ReceiptAnswer], scope: BodyScope | None = None) -> Body:
    """Read a block's receipts and logs, and check their places against its header. Raises: NodeError naming block and field.

    All are checked; only those within the scope are kept. Whether they are all of the block is for `Proofs.check_receipts` to tell.
    """
    block = header.block
    if len(answers) != len(header.transactions):
        raise _contradiction(block, f"{len(answers)} receipts of {len(header.transactions)} transactions")
    emitters, senders = (None, None) if scope is None else (scope.emitters, scope.senders)
    receipts: list[Receipt] = []
    logs: list[RawLog] = []
    logs_before = 0
    for index, answer in enumerate(answers):
        _check_receipt(header, index, answer)
        receipt = _receipt_of(header, index, answer)
        if senders is None or receipt.sender in senders:
            receipts.append(receipt)
        if answer.logs:
            logs += _logs_of(header, index, answer, emitters, first=logs_before)
            logs_before += len(answer.logs)
    return Body(logs=tuple(logs), receipts=tuple(receipts), scope=scope)


def check_blooms(header: Header, answers: Sequence[ReceiptAnswer]) -> None:
    """Check the logs of unproven receipts against their blooms and their header's bloom. Raises: NodeError."""
    bloom = 0
    for answer in answers:
        bloom |= checked_bloom(header, answer)
    if header.logs_bloom & ~bloom:
        raise _contradiction(header.block, "its bloom tells of logs that its receipts do not have")


def checked_bloom(header: Header, answer: ReceiptAnswer) -> int:
    """Compute the bloom of a receipt's logs, and compare it with the receipt's own. Raises: NodeError."""
    bloom = bloom_of(answer.logs)
    if answer.logs_bloom is not None and quantity(answer.logs_bloom) & ~bloom:
        place = quantity(answer.transaction_index)
        raise _contradiction(header.block, f"the bloom of receipt {place} tells of logs that it has not")
    return bloom


def bloom_of(logs: Sequence[RawLog | LogAnswer]) -> int:
    """Compute the 2048-bit bloom of the addresses and topics of logs."""
    bloom = 0
    for log in logs:
        bloom |= bloom_bits(log.address)
        for topic in log.topics:
            bloom |= bloom_bits(topic)
    return bloom


@functools.lru_cache(maxsize=1 << 16)
def bloom_bits(word: str) -> int:
    """Compute the at most three bits of a 2048-bit bloom that an address or a topic sets."""
    digest = keccak(hexstr=word)
    low_bits = (int.from_bytes(digest[at : at + 2], "big") & 2047 for at in (0, 2, 4))
    return functools.reduce(lambda bits, bit: bits | 1 << bit, low_bits, 0)


def _check_receipt(header: Header, index: int, answer: ReceiptAnswer) -> None:
    _check_block(header.block, answer)
    if answer.transaction_index != hex(index) and quantity(answer.transaction_index) != index:
        raise _contradiction(header.block, f"receipt {index} is of transaction {answer.transaction_index}")
    expected = header.transactions[index]
    if answer.transaction_hash != expected and _hash(answer.transaction_hash) != expected:
        raise _contradiction(header.block, f"receipt {index} is of another transaction")


def _receipt_of(header: Header, index: int, answer: ReceiptAnswer) -> Receipt:
    return Receipt(
        transaction_hash=header.transactions[index],
        transaction_index=index,
        sender=_lower(answer.sender),
        to=None if answer.to is None else _lower(answer.to),
        succeeded=answer.status is None or quantity(answer.status) == 1,
        gas_used=quantity(answer.gas_used),
        effective_gas_price_wei=Wei(quantity(answer.effective_gas_price or "0x0")),
    )


def _logs_of(
    header: Header, index: int, answer: ReceiptAnswer, emitters: Container[Address] | None, *, first: int
) -> list[RawLog]:
    """Check a receipt's logs, whose indices count through the block, so that a missing one leaves a gap; read those of the emitters."""
    transaction_hash, logs = header.transactions[index], []
    for place, log in enumerate(answer.logs, first):
        if not _is_of(answer, log):  # letter for letter; else by what it means
            _check_log(header, index, log)
        if log.log_index != hex(place) and quantity(log.log_index) != place:
            raise _contradiction(header.block, f"log {quantity(log.log_index)} stands where log {place} must")
        address = _lower(log.address)
        if emitters is not None and address not in emitters:
            continue
        logs.append(
            RawLog(
                address=address,
                topics=tuple([_lower(topic) for topic in log.topics]),
                data=_lower(log.data),
                log_index=LogIndex(place),
                transaction_hash=transaction_hash,
                transaction_index=index,
            )
        )
    return logs


def _is_of(receipt: ReceiptAnswer, log: LogAnswer) -> bool:
    """Return whether a log names the same block and transaction as its receipt, which were checked."""
    return (
        log.block_hash == receipt.block_hash
        and log.block_number == receipt.block_number
        and log.transaction_hash == receipt.transaction_hash
        and log.transaction_index == receipt.transaction_index
    )


def _check_log(header: Header, index: int, log: LogAnswer) -> None:
    _check_block(header.block, log)
    named = _hash(log.transaction_hash), quantity(log.transaction_index)
    if named != (header.transactions[index], index):
        raise _contradiction(
            header.block, f"log {quantity(log.log_index)} is of another transaction than its receipt"
        )


def _check_block(block: BlockRef, answer: ReceiptAnswer | LogAnswer) -> None:
    if answer.block_hash == block.hash and answer.block_number == hex(block.number):
        return  # letter for letter; else by what it means
    if _hash(answer.block_hash) != block.hash or quantity(answer.block_number) != block.number:
        kind = "receipt" if isinstance(answer, ReceiptAnswer) else "log"
        raise _contradiction(block, f"a {kind} is of block {answer.block_number} {answer.block_hash}")


def _hash(text: str) -> Hash:
    if len(text) != _HASH_LENGTH or not text.startswith("0x"):
        raise BrokenAnswerError(f"{text[:80]!r} is not a hash")
    return Hash(text.lower())


def _hashes(texts: tuple[str, ...]) -> tuple[Hash, ...]:
    """Read hashes, of a block's transactions hundreds: all are checked in one text, and each by itself only where that fails."""
    joined, count = "".join(texts), len(texts)
    prefixes = joined[::_HASH_LENGTH], joined[1::_HASH_LENGTH]
    are_long_enough = set(map(len, texts)) <= {_HASH_LENGTH}
    if are_long_enough and prefixes == ("0" * count, "x" * count) and joined == joined.lower():
        return cast("tuple[Hash, ...]", texts)
    return tuple(_hash(text) for text in texts)


def _contradiction(block: BlockRef, what: str) -> BrokenAnswerError:
    return BrokenAnswerError(f"the node contradicts itself about block {block.number} {block.hash}: {what}")
