"""Record every answer that a node's client accepts, and the reason of each rejection."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from pipeline.errors import BrokenAnswerError, NodeError
from pipeline.units import BlockNumber, Hash
from streams.devnet.chain import Chain
from streams.node.answers import LogAnswer, quantity
from streams.node.http_node import HttpNode
from streams.node.port import Body, BodyScope, Header

T = TypeVar("T")


class Witness:
    """`port.Node` over a real node's client: passes everything on, and keeps what was taken and what was refused."""

    def __init__(self, node: HttpNode) -> None:
        self._node, self.budget = node, node.budget
        self.headers_taken: set[Header] = set()
        self.bodies_taken: dict[Hash, set[Body]] = {}
        self.refused: list[str] = []
        """What the client accused its node of: answers that contradict themselves or a hash."""
        self.failed: list[str] = []
        """Why questions had no answer, for whatever reason."""

    async def newest(self) -> Header:
        header = await self._noted(self._node.newest)
        self.headers_taken.add(header)
        return header

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        headers = await self._noted(lambda: self._node.headers(numbers))
        self.headers_taken |= {header for header in headers if header is not None}
        return headers

    async def header(self, block_hash: Hash) -> Header | None:
        header = await self._noted(lambda: self._node.header(block_hash))
        self.headers_taken |= {header} - {None}  # type: ignore[arg-type]
        return header

    async def bodies(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        bodies = await self._noted(lambda: self._node.bodies(headers, scope))
        for header, body in zip(headers, bodies, strict=True):
            if body is not None:
                self.bodies_taken.setdefault(header.block.hash, set()).add(body)
        return bodies

    def __getattr__(self, name: str) -> Any:
        """Pass any other question on."""
        asked = getattr(self._node, name)
        return lambda *arguments: self._noted(lambda: asked(*arguments))

    async def _noted(self, question: Callable[[], Awaitable[T]]) -> T:
        try:
            return await question()
        except NodeError as error:
            self.failed.append(str(error))
            if isinstance(error, BrokenAnswerError):
                self.refused.append(str(error))
            raise


class Truth:
    """What a chain itself says of its blocks, asked past every proxy and read by other code than the client's."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def contradicted(self, witness: Witness) -> list[str]:
        """List what was taken and is not the chain's. A block that the chain has not is not a contradiction of any block's hash."""
        wrong = [
            f"header {h.block.number} {h.block.hash}" for h in witness.headers_taken if self._is_false(h)
        ]
        for block_hash, bodies in witness.bodies_taken.items():
            receipts = self._chain.rpc("eth_getBlockReceipts", block_hash)
            if receipts is not None:
                wrong += [f"receipts of {block_hash}" for body in bodies if not _is_of(body, receipts)]
        return wrong

    def _is_false(self, header: Header) -> bool:
        told = self._chain.rpc("eth_getBlockByHash", header.block.hash, False)
        if told is None:
            return False
        block = header.block
        taken = (block.number, block.parent_hash, block.timestamp_s, header.base_fee_wei, header.logs_bloom)
        numbers = [quantity(told[name]) for name in ("number", "timestamp", "baseFeePerGas", "logsBloom")]
        true = (numbers[0], told["parentHash"], *numbers[1:])
        return (*taken, header.receipts_root, list(header.transactions)) != (
            *true,
            told["receiptsRoot"],
            told["transactions"],
        )


def _is_of(body: Body, receipts: list[dict[str, Any]]) -> bool:
    every = [log for receipt in receipts for log in msgspec.convert(receipt["logs"], list[LogAnswer])]
    logs = [log for log in every if body.scope is None or log.address in body.scope.emitters]
    told = [(log.address, log.topics, log.data, quantity(log.log_index)) for log in logs]
    taken = [(log.address, log.topics, log.data, log.log_index) for log in body.logs]
    ends = [
        (receipt["transactionHash"], receipt["status"] == "0x1")
        for receipt in receipts
        if body.scope is None or receipt["from"] in body.scope.senders
    ]
    return taken == told and [(each.transaction_hash, each.succeeded) for each in body.receipts] == ends
