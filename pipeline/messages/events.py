"""The records of `events.v1`: everything that may change a decision, in one total order per shard."""

from typing import get_args

import msgspec
from msgspec import UNSET, UnsetType

from pipeline.messages.base import BlockRef, Message, RawLog, Receipt
from pipeline.messages.dry_run import DryRun, upgrade_runs
from pipeline.messages.entries import Why
from pipeline.messages.former_outcomes import drop_cause
from pipeline.messages.orders import SaidOutcome
from pipeline.messages.outcomes import DropCause, RefusalReason
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import AnyRead
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import BlockNumber, BookId, Hash, Offset, PoolId, Seconds, Term, Wei


class Event(Message, frozen=True, kw_only=True):
    """The base of all records in a shard's log."""


class Watched(Event, frozen=True, kw_only=True):
    """A record that only the watcher of the highest term may write."""

    term: Term


# ------------------------------------------------------------------ the chain, as one shard sees it
class WriterStarted(Watched, frozen=True, kw_only=True, tag=True):
    """A watcher has started to write to the shard's log; later records of lower terms are ignored."""

    instance: str


class BlockSeen(Watched, frozen=True, kw_only=True, tag="BlockSeen.3"):
    """A block with the logs, receipts and reads that concern one shard; written also for a block without any."""

    block: BlockRef
    base_fee_wei: Wei
    logs: tuple[RawLog, ...]
    """The logs that the shard follows, in log-index order."""
    receipts: tuple[Receipt, ...] = ()
    reads: tuple[AnyRead, ...] = ()
    """Empty in a backfill from a node that no longer has the state."""
    native_checksum: str | UnsetType = UNSET
    """The checksum of all native balances after the block (`NativeSum`), where `reads` has only those that differ from the block
    before; without it `reads` has all that are known."""


@upgrades("BlockSeen", 1)
@upgrades("BlockSeen", 2)
def _block_seen(fields: Fields) -> Fields:
    """Keep all fields: version 1 has every native balance in every block, like version 2 without a checksum; version 2 has no reads of uptime feeds."""
    return fields


class PassedBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One of several consecutive blocks; its number and its parent follow from the block before it."""

    hash: Hash
    timestamp_s: Seconds
    base_fee_wei: Wei


class BlocksPassed(Watched, frozen=True, kw_only=True, tag="BlocksPassed.2"):
    """Consecutive blocks in which nothing concerned the shard, with the same reads. Equivalent to one `BlockSeen` per block."""

    first: BlockNumber
    parent_hash: Hash
    """The parent's hash of the first block."""
    blocks: tuple[PassedBlock, ...]
    reads: tuple[AnyRead, ...] = ()
    """The reads of each of these blocks."""
    native_checksum: str
    """The checksum of all native balances, which none of these blocks has changed."""


@upgrades("BlocksPassed", 1)
def _blocks_passed_2(fields: Fields) -> Fields:
    """Keep all fields: version 1 has no reads of uptime feeds."""
    return fields


class BlocksReverted(Watched, frozen=True, kw_only=True, tag=True):
    """A reorg removed blocks. Written before any record of the new branch."""

    to: BlockRef
    """The last common block of both branches."""
    reverted: tuple[Hash, ...]


class HeadStalled(Watched, frozen=True, kw_only=True, tag=True):
    """A shard's head has not moved for too long, or the nodes' newest block is too old by the watcher's clock."""

    block: BlockRef | None
    age_s: Seconds
    cause: str
    """The call that fails, with its error and for how long; or what the node shows."""


# ------------------------------------------------------------------ reads: the state after all logs of a block
class Observed(Watched, frozen=True, kw_only=True):
    """The base of all reads: the state of an item at a block's hash. Applied only if that block is the shard's head."""

    block: BlockRef
    why: Why

    @property
    def item(self) -> str:
        """The key of the item that was read."""
        raise NotImplementedError

    @property
    def whole_pool(self) -> PoolId | None:
        """The pool whose whole state this read has; None for any other read."""
        return None

    def explain(self, differences: list[str]) -> str:
        """Describe the differences that a check found between the chain and the shard's state."""
        return f"a check found {len(differences)} differences, the first: {differences[0]}"


class ObservationFailed(Watched, frozen=True, kw_only=True, tag=True):
    """A read that a book needs failed: the contract gave no usable answer."""

    block: BlockRef
    item: str
    """The item's key: `pool/P`, `owner/M/O`, `position/M/id` or `balance/account/token`."""
    reason: str


# ------------------------------------------------------------------ operators
class PolicySet(Event, frozen=True, kw_only=True, tag=True):
    """A book is added, or has a new policy from here on."""

    policy: Policy


class PolicyRemoved(Event, frozen=True, kw_only=True, tag=True):
    """A book is removed. Its cooldown and its counters remain."""

    book: BookId


class Paused(Event, frozen=True, kw_only=True, tag=True):
    """An operator's command to decide nothing in a scope: `all` or `book/ID`."""

    scope: str
    reason: str
    by: str
    cancels: bool = False
    """The signer also cancels its transactions that are not mined yet; this can cause nothing but cancellations."""


class Resumed(Event, frozen=True, kw_only=True, tag=True):
    """An operator's command to end a pause (`all`, `book/ID`) or a quarantine (`pool/P`, `position/M/id`, `balance/account/token`, `book/ID`).

    The scope `shard` ends a halt: the shard drops its state of the chain and reads it again.
    """

    scope: str
    reason: str
    by: str


class PassedOver(Event, frozen=True, kw_only=True, tag=True):
    """An operator's command to pass over an unreadable record of this log, as if it were not a message."""

    offset: Offset
    digest: str
    """The SHA-256 of the record's bytes, in hex."""
    reason: str
    by: str


class PositionAdopted(Event, frozen=True, kw_only=True, tag=True):
    """An operator's command to count an item (`position/M/id`) in its owner's book, or to leave it out."""

    item: str
    ours: bool
    reason: str
    by: str


class OrderEndSaid(Event, frozen=True, kw_only=True, tag=True):
    """An operator's statement that a hedge order was executed or cancelled. Applies only while the chain shows no end of the order."""

    book: BookId
    order: str
    """The venue's number of the order."""
    outcome: SaidOutcome
    reason: str
    by: str


# ------------------------------------------------------------------ reports of the signer, on the book's shard
class IntentReport(Event, frozen=True, kw_only=True):
    """The base of all reports of a signer on an intent."""

    intent: str
    """The intent's digest."""


class Simulated(IntentReport, frozen=True, kw_only=True, tag=True):
    """The signer simulated an intent on the head right before signing it, and its minimums were met."""

    at: BlockRef
    gas_used: int


class Signed(IntentReport, frozen=True, kw_only=True, tag=True):
    """The signer bound an intent to a nonce, signed it and journalled it. The same bytes are sent again from then on."""

    nonce: int
    transaction_hash: Hash


class Sent(IntentReport, frozen=True, kw_only=True, tag=True):
    """A node accepted an intent's transaction. Each bump has a hash of its own under the same nonce."""

    transaction_hash: Hash


class CancellationSigned(IntentReport, frozen=True, kw_only=True, tag=True):
    """The signer signed a cancellation under an intent's nonce. Once it is mined, the intent has failed."""

    nonce: int
    transaction_hash: Hash


class IntentRefused(IntentReport, frozen=True, kw_only=True, tag=True):
    """The signer refused an intent: nothing was or will be sent for it."""

    reason: RefusalReason
    detail: str


class Dropped(IntentReport, frozen=True, kw_only=True, tag="Dropped.2"):
    """An intent ended without effect: another transaction used its nonce, such as a cancellation, or an operator closed it."""

    cause: DropCause
    detail: str


@upgrades("Dropped", 1)
def dropped_2(fields: Fields) -> Fields:
    """Replace the sentence on why an intent was dropped by a code and a detail."""
    rest = {name: value for name, value in fields.items() if name != "reason"}
    return {**rest, "cause": drop_cause(fields["reason"]), "detail": fields["reason"]}


# ------------------------------------------------------------------ what would have come of a proposal
class DryRunEnded(Event, frozen=True, kw_only=True, tag="DryRunEnded.4"):
    """A dry-run book's proposal was tried on a temporary fork of its block. Nothing was sent to the chain."""

    book: BookId
    proposal: str
    """The proposal's digest."""
    run: DryRun
    simulated: bool = True


upgrade_runs("DryRunEnded")


AnyEvent = (
    WriterStarted
    | BlockSeen
    | BlocksPassed
    | BlocksReverted
    | HeadStalled
    | Observed
    | ObservationFailed
    | PolicySet
    | PolicyRemoved
    | Paused
    | Resumed
    | PositionAdopted
    | PassedOver
    | OrderEndSaid
    | Simulated
    | Signed
    | Sent
    | CancellationSigned
    | IntentRefused
    | Dropped
    | DryRunEnded
)
EVENT_TYPES: tuple[type[Event], ...] = tuple(kind for kind in get_args(AnyEvent) if kind is not Observed)
"""The event types of every deployment; each kind of venue adds its own reads, which are subclasses of `Observed`."""
