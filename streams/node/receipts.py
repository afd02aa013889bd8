"""Fetch a block's receipts in one answer, or one by one from a node that cannot do that."""

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog

from pipeline.errors import BlockUnknownError, NodeError, NodeRefusedError
from streams.node.answers import ReceiptAnswer, body_of
from streams.node.port import Body, BodyScope, Header
from streams.node.proof.proofs import Proofs
from streams.node.rpc import CallRefused, Outcome, Question, Rpc, granted, parsed

log = structlog.get_logger(__name__)

_WHOLE, _SINGLE = "eth_getBlockReceipts", "eth_getTransactionReceipt"
_BLOCKS_AT_ONCE = 10
"""Blocks whose receipts are asked for in one request: those of a full block weigh a megabyte."""
_FAILURES = 3
"""How often in a row whole blocks may fail for trouble that may pass, before receipts are asked for one by one."""
_TRIED_AGAIN_S = 300.0
"""After how long whole blocks are asked for again."""

_BLOCK = msgspec.json.Decoder(tuple[ReceiptAnswer, ...] | None)
_RECEIPT = msgspec.json.Decoder(ReceiptAnswer | None)


class Receipts:
    """Reads the receipts of blocks, and remembers which way a node supports."""

    def __init__(
        self, rpc: Rpc, proofs: Proofs | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start by asking for whole blocks."""
        self._rpc = rpc
        self._proofs = proofs or Proofs()
        self._clock = clock
        self._failures = 0
        self._one_by_one_until_s: float | None = None

    async def of(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        """Read the bodies of blocks by their hashes; None where the node does not know a block.

        All receipts of a block are checked; what is outside the scope is not kept.

        Raises: NodeError.
        """
        if self._one_by_one_until_s is not None and self._clock() < self._one_by_one_until_s:
            return await self._one_by_one(headers, scope)
        try:
            bodies = await self._whole_blocks(headers, scope)
        except NodeError as error:
            self._failures += 1
            if self._failures < _FAILURES and not isinstance(error, NodeRefusedError):
                raise
            return await self._instead(headers, scope, error)
        if self._one_by_one_until_s is not None:
            log.info("receipts of whole blocks again", method=_WHOLE)
        self._failures, self._one_by_one_until_s = 0, None
        return bodies

    async def _instead(
        self, headers: Sequence[Header], scope: BodyScope | None, error: NodeError
    ) -> list[Body | None]:
        """Ask for single receipts; if that works, go on so for a while. Raises: NodeError."""
        bodies = await self._one_by_one(headers, scope)
        if self._one_by_one_until_s is None:
            log.warning("receipts one by one", method=_SINGLE, instead_of=_WHOLE, error=str(error))
        self._one_by_one_until_s = self._clock() + _TRIED_AGAIN_S
        return bodies

    async def _whole_blocks(self, headers: Sequence[Header], scope: BodyScope | None) -> list[Body | None]:
        questions: list[Question] = [(_WHOLE, (header.block.hash,)) for header in headers]
        starts = range(0, len(questions), _BLOCKS_AT_ONCE)
        answered = await asyncio.gather(
            *(self._rpc.ask_all(questions[at : at + _BLOCKS_AT_ONCE]) for at in starts)
        )
        answers = [answer for part in answered for answer in part]
        return [self._body(header, answer, scope) for header, answer in zip(headers, answers, strict=True)]

    async def _one_by_one(self, headers: Sequence[Header], scope: BodyScope | None) -> list[Body | None]:
        """Read block after block: a full one takes several requests by itself."""
        bodies: list[Body | None] = []
        for header in headers:
            answers = await self._rpc.ask_all([(_SINGLE, (hash_,)) for hash_ in header.transactions])
            receipts = [parsed(_RECEIPT, granted(answer), _SINGLE) for answer in answers]
            bodies.append(self._joined(header, receipts, scope))
        return bodies

    def _body(self, header: Header, answer: Outcome, scope: BodyScope | None) -> Body | None:
        if isinstance(answer, CallRefused) and isinstance(answer.error, BlockUnknownError):
            return None
        receipts = parsed(_BLOCK, granted(answer), _WHOLE)
        return None if receipts is None else self._proven(header, receipts, scope)

    def _joined(
        self, header: Header, receipts: Sequence[ReceiptAnswer | None], scope: BodyScope | None
    ) -> Body | None:
        """Make a body of single receipts; one of another block, or of none, shows that this block is gone."""
        whole = [receipt for receipt in receipts if receipt is not None]
        here = [receipt for receipt in whole if receipt.block_hash.lower() == header.block.hash]
        return self._proven(header, here, scope) if len(here) == len(header.transactions) else None

    def _proven(self, header: Header, receipts: Sequence[ReceiptAnswer], scope: BodyScope | None) -> Body:
        body = body_of(header, receipts, scope)
        self._proofs.check_receipts(header, receipts)
        return body
