"""The port of a signer's node: look at its account, simulate on the head, send bytes."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pipeline.errors import NodeError, NodeRefusedError, StateGoneError
from pipeline.messages.base import BlockRef
from pipeline.messages.journal import Inclusion
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei
from streams.node.answers import ReceiptAnswer, quantity
from streams.node.http_node import HttpNode
from streams.node.node_errors import broken
from streams.node.port import CallToSimulate, Header, SimulatedCall, SimulatedLog
from streams.node.rpc import Question, granted, parsed
from streams.submit.send_errors import SendOutcome, outcome_of
from streams.submit.used_nonce import UsedNonce, find_used_nonce

__all__ = [
    "CallToSimulate",
    "HttpSenderNode",
    "SendOutcome",
    "SenderNode",
    "SignerView",
    "SimulatedCall",
    "SimulatedLog",
]

_FEE_BLOCKS = 5
_FEE_PERCENTILE = 50


class SignerView(msgspec.Struct, frozen=True, kw_only=True):
    """One head, and what it says of a signer."""

    head: BlockRef
    next_base_fee_wei: Wei
    tip_wei: Wei
    """The median that the last blocks' transactions paid; 0 where they were empty."""
    nonce: int
    balance_wei: Wei
    inclusions: dict[Hash, Inclusion]


class SenderNode(Protocol):
    """A chain, as a signer needs it. Raises: NodeError, NodeRefusedError."""

    async def chain_id(self) -> ChainId:
        """Ask which chain the node follows."""
        ...

    async def newest(self) -> Header:
        """Ask for the newest block."""
        ...

    async def block_hash(self, number: BlockNumber) -> Hash | None:
        """Return the hash of the present branch's block at a number; None: not there yet."""
        ...

    async def look(self, head: Header, signer: Address, hashes: Sequence[Hash]) -> SignerView:
        """Read what a head says of a signer, and which of its transactions are mined."""
        ...

    async def pending_nonce(self, signer: Address) -> int:
        """Return how many of a signer's transactions are mined or pending in the node's mempool."""
        ...

    async def used_nonce(
        self, signer: Address, nonce: int, *, after: BlockNumber, upto: BlockNumber
    ) -> UsedNonce | None:
        """Find the transaction that used a nonce in the blocks above `after`; None where it cannot be found."""
        ...

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        ...

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, given by hash; the node's state does not change."""
        ...

    async def send(self, raw: str) -> SendOutcome:
        """Send signed bytes to the node. Never raises: the node's answer is classified."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


# ------------------------------------------------------------------ as it comes over the wire
class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _FeeHistory(_Wire, frozen=True):
    base_fee_per_gas: tuple[str, ...]
    reward: tuple[tuple[str, ...], ...] | None = None


_TEXT = msgspec.json.Decoder(str)
_FEES = msgspec.json.Decoder(_FeeHistory)
_RECEIPT = msgspec.json.Decoder(ReceiptAnswer | None)


class HttpSenderNode(HttpNode):
    """`SenderNode` over HTTP. It retries nothing except what the signer repeats on purpose."""

    async def block_hash(self, number: BlockNumber) -> Hash | None:
        """Return the hash of the present branch's block at a number; None: not there yet."""
        (header,) = await self.headers([number])
        return None if header is None else header.block.hash

    async def look(self, head: Header, signer: Address, hashes: Sequence[Hash]) -> SignerView:
        """Read what a head says of a signer, and which of its transactions are mined."""
        at = {"blockHash": head.block.hash}
        questions: list[Question] = [
            ("eth_getTransactionCount", (signer, at)),
            ("eth_getBalance", (signer, at)),
            ("eth_feeHistory", (hex(_FEE_BLOCKS), hex(head.block.number), (_FEE_PERCENTILE,))),
            *(("eth_getTransactionReceipt", (hash_,)) for hash_ in hashes),
        ]
        nonce, balance, fees, *receipts = map(granted, await self._rpc.ask_all(questions))
        history: _FeeHistory = parsed(_FEES, fees, "eth_feeHistory")
        if not history.base_fee_per_gas:
            raise broken("eth_feeHistory", "it names no base fee")
        included = (_inclusion(answer, head.block) for answer in receipts)
        return SignerView(
            head=head.block,
            next_base_fee_wei=Wei(quantity(history.base_fee_per_gas[-1])),
            tip_wei=_median_tip(history),
            nonce=quantity(parsed(_TEXT, nonce, "eth_getTransactionCount")),
            balance_wei=Wei(quantity(parsed(_TEXT, balance, "eth_getBalance"))),
            inclusions={each.transaction_hash: each for each in included if each is not None},
        )

    async def pending_nonce(self, signer: Address) -> int:
        """Return how many of a signer's transactions are mined or pending in the node's mempool."""
        answer = await self._rpc.ask("eth_getTransactionCount", signer, "pending")
        return quantity(parsed(_TEXT, answer, "eth_getTransactionCount"))

    async def used_nonce(
        self, signer: Address, nonce: int, *, after: BlockNumber, upto: BlockNumber
    ) -> UsedNonce | None:
        """Find the transaction that used a nonce in the blocks above `after`; None where it cannot be found."""
        try:
            return await find_used_nonce(self._rpc, signer, nonce, after=after, upto=upto)
        except (StateGoneError, NodeRefusedError):  # it has forgotten the state of these blocks
            return None

    async def send(self, raw: str) -> SendOutcome:
        """Send signed bytes to the node. Never raises: the node's answer is classified."""
        try:
            await self._rpc.ask("eth_sendRawTransaction", raw)
        except NodeRefusedError as error:
            return outcome_of(str(error))
        except NodeError as error:
            return outcome_of(str(error), otherwise="busy")
        return SendOutcome("taken")


def _inclusion(answer: msgspec.Raw, head: BlockRef) -> Inclusion | None:
    receipt: ReceiptAnswer | None = parsed(_RECEIPT, answer, "eth_getTransactionReceipt")
    if (
        receipt is None or quantity(receipt.block_number) > head.number
    ):  # of a newer head than the one looked at
        return None
    gas_price_wei = quantity(receipt.effective_gas_price or "0x0")
    return Inclusion(
        transaction_hash=Hash(receipt.transaction_hash.lower()),
        block_number=BlockNumber(quantity(receipt.block_number)),
        block_hash=Hash(receipt.block_hash.lower()),
        succeeded=receipt.status is None or quantity(receipt.status) == 1,
        paid_wei=Wei(quantity(receipt.gas_used) * gas_price_wei + quantity(receipt.l1_fee or "0x0")),
    )


def _median_tip(history: _FeeHistory) -> Wei:
    tips = sorted(quantity(each[0]) for each in history.reward or () if each)
    return Wei(tips[len(tips) // 2] if tips else 0)
