"""Find the transaction that used a nonce: on the branch by the account's transaction count, proven by its signature."""

from typing import Any

import msgspec
import rlp
from eth_account import Account
from eth_utils.crypto import keccak

from pipeline.errors import NodeError
from pipeline.messages.journal import Attempt
from pipeline.units import Address, BlockNumber, ChainId, Hash, Wei
from streams.node.answers import quantity
from streams.node.rpc import Rpc, parsed
from streams.submit.unsigned import SignedBytes, Unsigned

_DYNAMIC_FEE = 2


class UsedNonce(msgspec.Struct, frozen=True, kw_only=True):
    """A mined transaction, with the bytes that the account's key has signed."""

    transaction: Unsigned
    signed: SignedBytes

    def cancels(self, signer: Address) -> bool:
        """Return whether the transaction only used its nonce: a transfer of nothing to the signer itself, without data."""
        told = self.transaction
        return told.to == signer and told.data == "0x" and not told.value_wei

    def attempt(self, at_block: BlockNumber) -> Attempt:
        """Convert it into an attempt at its nonce which is no call of an intent."""
        return Attempt(
            transaction_hash=self.signed.transaction_hash,
            raw=self.signed.raw,
            max_fee_wei=self.transaction.max_fee_wei,
            tip_wei=self.transaction.tip_wei,
            gas_limit=self.transaction.gas_limit,
            cancels=True,
            sent_at_block=at_block,
        )


class _Transaction(msgspec.Struct, frozen=True, rename="camel"):
    hash: str
    from_: str = msgspec.field(name="from")
    nonce: str
    gas: str
    value: str
    input: str
    r: str
    s: str
    to: str | None = None
    type: str = "0x0"
    chain_id: str = "0x0"
    max_fee_per_gas: str = "0x0"
    max_priority_fee_per_gas: str = "0x0"
    y_parity: str | None = None
    v: str = "0x0"
    access_list: tuple[Any, ...] = ()


class _Block(msgspec.Struct, frozen=True):
    transactions: tuple[_Transaction, ...]


_COUNT = msgspec.json.Decoder(str)
_BLOCK = msgspec.json.Decoder(_Block | None)


async def find_used_nonce(
    rpc: Rpc, signer: Address, nonce: int, *, after: BlockNumber, upto: BlockNumber
) -> UsedNonce | None:
    """Find the EIP-1559 transaction of a nonce in the blocks above `after`; None where there is none.

    Raises: NodeError, StateGoneError where the node no longer has the state of a block.
    """
    low, high = int(after), int(upto)
    if high <= low or await _count(rpc, signer, low) > nonce or await _count(rpc, signer, high) <= nonce:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if await _count(rpc, signer, middle) > nonce:
            high = middle
        else:
            low = middle
    answer = await rpc.ask("eth_getBlockByNumber", hex(high), True)  # noqa: FBT003 - its second parameter
    block: _Block | None = parsed(_BLOCK, answer, "eth_getBlockByNumber")
    for each in block.transactions if block else ():
        if each.from_.lower() == signer and quantity(each.nonce) == nonce:
            return _proven(each, signer)
    return None


async def _count(rpc: Rpc, signer: Address, number: int) -> int:
    answer = await rpc.ask("eth_getTransactionCount", signer, hex(number))
    return quantity(parsed(_COUNT, answer, "eth_getTransactionCount"))


def _proven(found: _Transaction, signer: Address) -> UsedNonce | None:
    """Build the signed bytes from a node's answer, and prove them by hash and signature. Raises: NodeError."""
    if quantity(found.type) != _DYNAMIC_FEE or found.to is None or found.access_list:
        return None
    numbers = (
        found.chain_id,
        found.nonce,
        found.max_priority_fee_per_gas,
        found.max_fee_per_gas,
        found.gas,
    )
    signature = (found.y_parity or found.v, found.r, found.s)
    fields = [
        *map(quantity, numbers),
        _bytes(found.to),
        quantity(found.value),
        _bytes(found.input),
        [],
        *map(quantity, signature),
    ]
    raw = bytes((_DYNAMIC_FEE,)) + rlp.encode(fields)
    found_hash = Hash("0x" + keccak(raw).hex())
    if found_hash != found.hash.lower() or Account.recover_transaction(raw).lower() != signer:
        raise NodeError(f"nonce {quantity(found.nonce)}: the node's transaction is not one of {signer}")
    transaction = Unsigned(
        chain_id=ChainId(quantity(found.chain_id)),
        nonce=quantity(found.nonce),
        to=Address(found.to.lower()),
        data=found.input.lower(),
        value_wei=Wei(quantity(found.value)),
        gas_limit=quantity(found.gas),
        max_fee_wei=Wei(quantity(found.max_fee_per_gas)),
        tip_wei=Wei(quantity(found.max_priority_fee_per_gas)),
    )
    signed = SignedBytes(transaction_hash=found_hash, raw="0x" + raw.hex())
    return UsedNonce(transaction=transaction, signed=signed)


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise NodeError(f"{text[:80]!r} is not hex") from None
