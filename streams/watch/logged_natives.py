"""The native balances that a shard's log already contains, so that the next block's record has only those that changed."""

from collections.abc import Collection, Sequence

from msgspec import UNSET, UnsetType

from pipeline.messages.base import BlockRef
from pipeline.messages.events import BlockSeen, BlocksPassed
from pipeline.messages.read_values import NativeBalance
from pipeline.state.native_sum import NativeSum
from pipeline.units import Address, Hash


class LoggedNatives:
    """The native balances that the records up to a block add up to."""

    def __init__(self, at: Hash | None = None, known: NativeSum | None = None) -> None:
        """Start without balances, or with those up to a block."""
        self._at = at
        self._known = known or NativeSum()

    def after(self, event: BlockSeen) -> "LoggedNatives":
        """Apply a further block's record."""
        told = [(each.account, each.amount_wei) for each in event.reads if isinstance(each, NativeBalance)]
        if event.native_checksum is UNSET:
            return LoggedNatives(event.block.hash, NativeSum(dict(told)))
        if event.block.parent_hash != self._at:
            return LoggedNatives()
        return LoggedNatives(event.block.hash, self._known.with_changes(told))

    def after_run(self, event: BlocksPassed) -> "LoggedNatives":
        """Apply a run of blocks that changed no balance; balances that it repeats change nothing."""
        hashes = [event.parent_hash, *(block.hash for block in event.blocks)]
        return LoggedNatives(hashes[-1], self._known) if self._at in hashes else LoggedNatives()

    def changes(
        self, block: BlockRef, balances: Sequence[NativeBalance], accounts: Collection[Address]
    ) -> tuple[Sequence[NativeBalance], str | UnsetType]:
        """List the balances that a block has changed, with the checksum of all balances after it.

        All of them, without a checksum, where those before are not known, or not all accounts are known at both blocks.
        """
        before = self._known.balances
        if block.parent_hash != self._at or len(balances) != len(accounts) or before.keys() != set(accounts):
            return balances, UNSET
        changed = [each for each in balances if before[each.account] != each.amount_wei]
        after = self._known.with_changes((each.account, each.amount_wei) for each in changed)
        return changed, after.checksum
