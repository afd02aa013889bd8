"""Check a node's headers and receipts against their hashes, wherever the chain's encodings are known."""

from collections.abc import Sequence
from typing import Final, NoReturn

import structlog
from eth_utils.crypto import keccak

from pipeline.errors import BrokenAnswerError
from pipeline.messages.base import BlockRef
from pipeline.units import ChainId
from streams.node.answers import BlockAnswer, ReceiptAnswer, check_blooms, checked_bloom, quantity
from streams.node.port import Header
from streams.node.proof.header_hash import header_hash
from streams.node.proof.provable import Provable
from streams.node.proof.receipts_root import receipts_root

log = structlog.get_logger(__name__)

_ALWAYS: Final = frozenset({ChainId(1), ChainId(31337)})
"""Chains whose headers and receipts have been computed by these rules: nothing else is believed there, from the first answer on."""
_KNOWN_TYPES: Final = frozenset({*range(5), *range(0x64, 0x6B), 0x78, 0x7E})
"""Of receipts: Ethereum's, Arbitrum's, OP-stack deposits."""
_ADDING_RECEIPTS: Final = frozenset({ChainId(137), ChainId(80002)})
"""Chains, Polygon's, that add receipts to a block which neither root nor bloom of its header holds."""
_BOR_RECEIPT: Final = b"matic-bor-receipt-"
"""Polygon adds to a block a receipt that its header does not commit to; its transaction's hash is of this, height and block hash."""


class Proofs:
    """Checks one node's headers and receipts against their hashes.

    On other chains than the ones above, an answer whose hash can be computed shows that its kind can be: from then on each must be.
    Until then answers are taken as they are, with a warning.
    """

    def __init__(self) -> None:
        """Start without knowing the chain."""
        self.headers: Provable = "unknown"
        self.receipts: Provable = "unknown"
        self._is_certain = False
        self._adds_receipts = True

    def are_of(self, chain_id: ChainId) -> None:
        """Set the chain that the node says it follows."""
        self._adds_receipts = chain_id in _ADDING_RECEIPTS
        if chain_id in _ALWAYS:
            self.headers = self.receipts = "yes"
            self._is_certain = True

    def check_header(self, answer: BlockAnswer) -> None:
        """Check a header's fields against its hash. Raises: BrokenAnswerError."""
        try:
            found = header_hash(answer)
        except ValueError as error:
            raise BrokenAnswerError(f"block {answer.number} {answer.hash[:80]!r}: {error}") from None
        if found == answer.hash.lower():
            self.headers = "yes"
        elif self.headers == "yes":
            what = "fields are missing" if found is None else f"its fields are those of {found}"
            raise BrokenAnswerError(
                f"block {quantity(answer.number)} is not the header of its hash {answer.hash[:80]}: {what}"
            )
        elif self.headers == "unknown":
            self.headers = "no"
            log.warning(
                "headers cannot be checked against their hashes", block=answer.number, hash=answer.hash[:80]
            )

    @property
    def blooms_hold_all(self) -> bool:
        """Return whether headers are proven by their hashes, and their blooms cover every log of their blocks."""
        return self.headers == "yes" and not self._adds_receipts

    def check_receipts(self, header: Header, answers: Sequence[ReceiptAnswer]) -> None:
        """Check a block's receipts, in order, against its header: by the root, and by blooms where the root proves nothing.

        Raises: BrokenAnswerError.
        """
        if header.receipts_root is None or not self._are_proven(header, answers):
            check_blooms(header, answers)

    def _are_proven(self, header: Header, answers: Sequence[ReceiptAnswer]) -> bool:
        """Return whether the header's root proves that these are all of its receipts. Raises: BrokenAnswerError."""
        try:
            added = _added(header, answers)
        except ValueError as error:
            raise BrokenAnswerError(f"receipts of block {header.block.number}: {error}") from None
        if added is not None:
            self.receipts = "yes" if answers else self.receipts
            _check_gas(header.block, answers)
            for each in added:
                checked_bloom(header, each)
            return bool(answers)
        if self._is_certain or (self.headers == self.receipts == "yes" and _known_types(answers)):
            _not_those_of(header.block)
        if self.receipts == "unknown":
            self.receipts = "no"
            log.warning("receipts are checked against blooms only", block=header.block.number)
        return False


def _added(header: Header, answers: Sequence[ReceiptAnswer]) -> Sequence[ReceiptAnswer] | None:
    """List the receipts that no header commits to, on Polygon the last; None where the others do not have the header's root."""
    if receipts_root(answers) == header.receipts_root:
        return ()
    is_added = bool(answers) and answers[-1].transaction_hash.lower() == _bor_hash(header.block)
    return answers[-1:] if is_added and receipts_root(answers[:-1]) == header.receipts_root else None


def _known_types(answers: Sequence[ReceiptAnswer]) -> bool:
    return all(quantity(answer.type or "0x0") in _KNOWN_TYPES for answer in answers)


def _bor_hash(block: BlockRef) -> str:
    return "0x" + keccak(_BOR_RECEIPT + block.number.to_bytes(8, "big") + bytes.fromhex(block.hash[2:])).hex()


def _check_gas(block: BlockRef, answers: Sequence[ReceiptAnswer]) -> None:
    """Check the gas of each receipt against the sums that the root commits to. Raises: BrokenAnswerError."""
    before = 0
    for place, answer in enumerate(answers):
        total = quantity(answer.cumulative_gas_used or "0x0")
        if total and total - before != quantity(answer.gas_used):
            raise BrokenAnswerError(
                f"receipt {place} of block {block.number}: its gas is not that of the sums"
            )
        before = total


def _not_those_of(block: BlockRef) -> NoReturn:
    raise BrokenAnswerError(
        f"the receipts of block {block.number} {block.hash} are not those that its header commits to"
    )
