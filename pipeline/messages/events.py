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
    """Anything that may stand in a shard's log."""


class Watched(Event, frozen=True, kw_only=True):
    """A record that only the watcher of the highest term may write."""

    term: Term


# ------------------------------------------------------------------ the chain, as one shard sees it
class WriterStarted(Watched, frozen=True, kw_only=True, tag=True):
    """A watcher takes over; what lower terms write after this is ignored."""

    instance: str


class BlockSeen(Watched, frozen=True, kw_only=True, tag="BlockSeen.3"):
    """One block as one shard sees it, also when nothing in it concerns the shard."""

    block: BlockRef
    base_fee_wei: Wei
    logs: tuple[RawLog, ...]
    """Those the shard follows, in log-index order."""
    receipts: tuple[Receipt, ...] = ()
    reads: tuple[AnyRead, ...] = ()
    """Empty in a backfill from a node that no longer has the state."""
    native_checksum: str | UnsetType = UNSET
    """Of all coin balances after the block (`NativeSum`), where `reads` tells only those that differ from the block before; else
    it tells all that are known."""


@upgrades("BlockSeen", 1)
def _block_seen_2(fields: Fields) -> Fields:
    """Version 1 told every coin balance with every block, as version 2 does without a checksum."""
    return fields


@upgrades("BlockSeen", 2)
def _block_seen_3(fields: Fields) -> Fields:
    """Version 2 had no reads of uptime feeds."""
    return fields


class PassedBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One of several blocks in a row; its number and its parent follow from the one before."""

    hash: Hash
    timestamp_s: Seconds
    base_fee_wei: Wei


class BlocksPassed(Watched, frozen=True, kw_only=True, tag="BlocksPassed.2"):
    """Blocks in a row in which nothing concerned the shard, each with the same reads: as good as a BlockSeen of each."""

    first: BlockNumber
    parent_hash: Hash
    """Of the first block."""
    blocks: tuple[PassedBlock, ...]
    reads: tuple[AnyRead, ...] = ()
    """What each of them tells."""
    native_checksum: str
    """Of all coin balances: none of these blocks has changed one."""


@upgrades("BlocksPassed", 1)
def _blocks_passed_2(fields: Fields) -> Fields:
    """Version 1 had no reads of uptime feeds."""
    return fields


class BlocksReverted(Watched, frozen=True, kw_only=True, tag=True):
    """A branch went away. Comes before anything of the new one."""

    to: BlockRef
    """The last block that both branches have."""
    reverted: tuple[Hash, ...]


class HeadStalled(Watched, frozen=True, kw_only=True, tag=True):
    """A shard's head has stood still for too long, or the newest block that the nodes show is too old by the clock."""

    block: BlockRef | None
    age_s: Seconds
    cause: str
    """Which call failed with what, and for how long; or what the node shows."""


# ------------------------------------------------------------------ reads: the state after all logs of a block
class Observed(Watched, frozen=True, kw_only=True):
    """A read at a block's hash. Counts only if that block is the shard's head."""

    block: BlockRef
    why: Why

    @property
    def item(self) -> str:
        """The item that was read."""
        raise NotImplementedError

    @property
    def whole_pool(self) -> PoolId | None:
        """The pool of which this is the whole state; None of anything else."""
        return None

    def explain(self, differences: list[str]) -> str:
        """Describe what a check found that differs from what the shard holds."""
        return f"a check found {len(differences)} differences, the first: {differences[0]}"


class ObservationFailed(Watched, frozen=True, kw_only=True, tag=True):
    """A read that a book needs could not be had."""

    block: BlockRef
    item: str
    """Key of the route: `pool/P`, `owner/M/O`, `position/M/id`, `balance/account/token`."""
    reason: str


# ------------------------------------------------------------------ operators
class PolicySet(Event, frozen=True, kw_only=True, tag=True):
    """A book begins, or is kept differently from here on."""

    policy: Policy


class PolicyRemoved(Event, frozen=True, kw_only=True, tag=True):
    """A book ends. What it did stays counted."""

    book: BookId


class Paused(Event, frozen=True, kw_only=True, tag=True):
    """Decide nothing in this scope: `all` or `book/ID`."""

    scope: str
    reason: str
    by: str
    cancels: bool = False
    """The signer also cancels what it has signed and no block has. Nothing but a cancellation can come of that."""


class Resumed(Event, frozen=True, kw_only=True, tag=True):
    """End a pause (`all`, `book/ID`) or a quarantine (`pool/P`, `position/M/id`, `balance/account/token`, `book/ID`).

    The scope `shard` ends a halt: everything of the chain is forgotten and read again.
    """

    scope: str
    reason: str
    by: str


class PassedOver(Event, frozen=True, kw_only=True, tag=True):
    """Go on behind a record of this log that cannot be read, as if it were no message."""

    offset: Offset
    digest: str
    """Of its bytes, sha256 in hex."""
    reason: str
    by: str


class PositionAdopted(Event, frozen=True, kw_only=True, tag=True):
    """Count an item (`position/M/id`) among those of its owner's book, or leave it out, however it came."""

    item: str
    ours: bool
    reason: str
    by: str


class OrderEndSaid(Event, frozen=True, kw_only=True, tag=True):
    """An order of a book's hedge was executed or cancelled, of which the chain says nothing. Counts only while the chain does not say otherwise."""

    book: BookId
    order: str
    """The venue's own number of it."""
    outcome: SaidOutcome
    reason: str
    by: str


# ------------------------------------------------------------------ reports of the signer, on the book's shard
class IntentReport(Event, frozen=True, kw_only=True):
    """What the signer did with an intent."""

    intent: str
    """Digest."""


class Simulated(IntentReport, frozen=True, kw_only=True, tag=True):
    """It was run on the head right before signing and met its minimums."""

    at: BlockRef
    gas_used: int


class Signed(IntentReport, frozen=True, kw_only=True, tag=True):
    """It is bound to a nonce and journalled; from here on the same bytes are sent again."""

    nonce: int
    transaction_hash: Hash


class Sent(IntentReport, frozen=True, kw_only=True, tag=True):
    """A node took it. Bumps have hashes of their own under the same nonce."""

    transaction_hash: Hash


class CancellationSigned(IntentReport, frozen=True, kw_only=True, tag=True):
    """A transaction that moves nothing competes for its nonce. Once that one is mined, nothing comes of the intent."""

    nonce: int
    transaction_hash: Hash


class IntentRefused(IntentReport, frozen=True, kw_only=True, tag=True):
    """Nothing was or will be sent for it."""

    reason: RefusalReason
    detail: str


class Dropped(IntentReport, frozen=True, kw_only=True, tag="Dropped.2"):
    """Its nonce was used by something else (a cancellation), or an operator closed it: nothing came of it."""

    cause: DropCause
    detail: str


@upgrades("Dropped", 1)
def dropped_2(fields: Fields) -> Fields:
    """Return the cause of a dropped intent by a code."""
    rest = {name: value for name, value in fields.items() if name != "reason"}
    return {**rest, "cause": drop_cause(fields["reason"]), "detail": fields["reason"]}


# ------------------------------------------------------------------ what would have come of a proposal
class DryRunEnded(Event, frozen=True, kw_only=True, tag="DryRunEnded.4"):
    """A dry-run book's proposal was tried on a throw-away fork of its block. The chain knows nothing of it."""

    book: BookId
    proposal: str
    """Digest."""
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
"""Those of every deployment; a kind of venue brings reads of its own, each of them an `Observed`."""
