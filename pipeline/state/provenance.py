"""Make the ids and causes of a shard's outputs from the offset of the record that led to them."""

from hashlib import sha256
from typing import TYPE_CHECKING, TypedDict

from pipeline import rules
from pipeline.messages.base import BlockRef, Cause
from pipeline.units import ChainId, Offset, ShardId

if TYPE_CHECKING:
    from hashlib import _Hash


_DIGITS = 16
"""The number of a digest's hex digits in an id."""


class ProvenanceFields(TypedDict):
    """The fields that every output has."""

    id: str
    because_of: Cause
    rules: int


class Provenance:
    """The cause of a record's outputs: the record's offset, and the head after it."""

    def __init__(self, *, shard: ShardId, offset: Offset, block: BlockRef | None, chain_id: ChainId) -> None:
        """Take the head after the record."""
        self._begins = f"{shard}.{offset}"
        self._place = block.hash if block else str(offset)
        self._block_hash = block.hash if block else ""
        self._chain_id = chain_id
        self.because_of = Cause(shard=shard, offset=offset, block=block)
        self.rules = rules.RULES
        self._begun: dict[str, _Hash] = {}
        """By subject of outputs about the chain, the state of the digest that their ids share."""

    def stamp(
        self, kind: str, subject: str, *, action: str = "", policy_version: str = ""
    ) -> ProvenanceFields:
        """Make an output's id, `kind.<shard>.<offset>.<digest>`.

        The digest is over chain, subject, block hash, action and policy version: on the same block the
        same conclusion has the same digest, wherever its cause stands in the log.
        """
        digest = _digest(f"{self._chain_id}\n{subject}\n{self._place}\n{action}\n{policy_version}")
        return self._fields(f"{kind}.{self._begins}.{digest}")

    def stamp_of_chain(self, kind: str, subject: str, place: int = 0) -> ProvenanceFields:
        """Make the id and the cause of an output that is the same on every shard that publishes it."""
        return self._fields(self.id_of_chain(kind, subject, place))

    def id_of_chain(self, kind: str, subject: str, place: int) -> str:
        """Make the id alone, `kind.<digest>`, of such an output: for those of which a block has many."""
        begun = self._begun.get(subject)
        if begun is None:
            begun = sha256(f"{self._chain_id}\n{subject}\n{self._block_hash}\n".encode())
            self._begun[subject] = begun
        digest = begun.copy()
        digest.update(b"%d" % place)
        return f"{kind}.{digest.hexdigest()[:_DIGITS]}"

    def _fields(self, output_id: str) -> ProvenanceFields:
        return {"id": output_id, "because_of": self.because_of, "rules": self.rules}


def _digest(text: str) -> str:
    """Shorten the parts that make an output unique to some hex digits of their sha256."""
    return sha256(text.encode()).hexdigest()[:_DIGITS]
