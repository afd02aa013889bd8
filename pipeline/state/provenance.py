"""Where in its log a shard stands, and the ids of what it says there."""

from hashlib import sha256
from typing import TypedDict

import msgspec

from pipeline import rules
from pipeline.messages.base import BlockRef, Cause
from pipeline.units import ChainId, Offset, ShardId


class ProvenanceFields(TypedDict):
    """The fields that every output has."""

    id: str
    because_of: Cause
    rules: int


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the log, being taken in."""

    shard: ShardId
    offset: Offset
    block: BlockRef | None
    """The head after the record."""
    chain_id: ChainId

    def stamp(
        self, kind: str, subject: str, *, action: str = "", policy_version: str = ""
    ) -> ProvenanceFields:
        """Name an output `kind.<shard>.<offset>.<digest>`.

        The digest is over chain, subject, block hash, action and policy version: on the same block the
        same conclusion has the same digest, wherever its cause stands in the log.
        """
        place = self.block.hash if self.block else str(self.offset)
        digest = digest_of(self.chain_id, subject, place, action, policy_version)
        return self._fields(f"{kind}.{self.shard}.{self.offset}.{digest}")

    def stamp_of_chain(self, kind: str, subject: str, place: int = 0) -> ProvenanceFields:
        """Name what is the same on every shard that tells of it: `kind.<digest>`."""
        block_hash = self.block.hash if self.block else ""
        digest = digest_of(self.chain_id, subject, block_hash, place)
        return self._fields(f"{kind}.{digest}")

    def _fields(self, output_id: str) -> ProvenanceFields:
        cause = Cause(shard=self.shard, offset=self.offset, block=self.block)
        return ProvenanceFields(id=output_id, because_of=cause, rules=rules.RULES)


def digest_of(*parts: object) -> str:
    """Shorten what makes an output unique to 16 hex digits of its sha256."""
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
