"""The context of one book at the end of one block: what everything done for the book needs."""

from collections.abc import Generator

import msgspec

from pipeline.act.lifecycle import Move
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.goals import GoalKind
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import BlockNumber, Wei
from pipeline.venues.acting import VenueActions
from pipeline.venues.registry import need_actions

Moving = Generator[Output, None, Move]
"""What a plan says at a block, and what it does."""


class BookContext(msgspec.Struct, frozen=True, kw_only=True):
    """What everything that a book does at one block has in common."""

    shard: Shard
    policy: Policy
    block: BlockRef
    base_fee_wei: Wei
    now: Provenance
    former: BlockRef | None = None
    """The block before; None for the shard's first, and where nothing is carried on."""
    kind: GoalKind = "rerange"
    """What the plan at hand is for: it says how the book acts."""

    @property
    def final_block(self) -> BlockNumber:
        """The highest block that no reorg can undo."""
        return BlockNumber(self.block.number - self.policy.chain.final_depth_blocks)

    @property
    def actions(self) -> VenueActions:
        """The venue's actions for the book. Raises: ImpossibleFactError before its reference pool was read."""
        return need_actions(self.shard, self.policy, self.kind)

    def acting_for(self, kind: GoalKind) -> "BookContext":
        """Say what the present plan is for."""
        return self if kind == self.kind else msgspec.structs.replace(self, kind=kind)
