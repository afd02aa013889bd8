"""The values in a shard's state, each under a readable key (`head`, `path/main`).

Small, immutable and typed by the first part of their key: `ENTRY_TYPES`. A kind of venue brings entries of its own.
An entry does not record what caused it; the records of `messages.events` do.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pipeline import keys
from pipeline.messages.arrivals import Adopted, Departure, Gift
from pipeline.messages.base import BlockRef, Entry
from pipeline.messages.costs import PlanCost
from pipeline.messages.effects import BookEffects, DryRuns, Intent, Plan
from pipeline.messages.orders import SaidOutcome
from pipeline.messages.policy import Policy
from pipeline.messages.prices import FeedAnswer, PriceSlot
from pipeline.messages.sequencer import SequencerAnswer
from pipeline.units import (
    Address,
    BlockNumber,
    Offset,
    RawAmount,
    Seconds,
    Term,
    Wei,
)


# ------------------------------------------------------------------ chain part: rewinds with a reorg
class Head(Entry, frozen=True, kw_only=True):
    """`head`: the last block that attached to the shard. Chain part."""

    block: BlockRef


Why = Literal["bootstrap", "check", "repair"]


class Route(Entry, frozen=True, kw_only=True):
    """`route/item`: an item that the shard follows, and whether it has been read. Chain part.

    Items are `pool/P`, `owner/M/O`, `position/M/id` and `balance/account/token`.
    """

    observed_at_block: BlockNumber | None = None
    """None until it is read."""
    why: Why = "bootstrap"
    pool: Address | None = None
    """The pool of a position that was read; it may be one that no book uses."""
    owner: Address | None = None
    """The last known owner of a position."""
    repaired: int = 0
    """How many operators' commands to resume the item came before its last read."""


class BookPath(Entry, frozen=True, kw_only=True):
    """`path/book`: what the book's decisions depend on from past blocks. Chain part."""

    out_of_range_since_s: Seconds | None = None
    outside_band: bool = False
    """Set when the share leaves the band, cleared when it is inside the inner band (hysteresis)."""
    declined_gate: str | None = None
    """The gate of the last published `Declined`; None after a proposal."""
    declined_reason: str | None = None
    declined_at_block: BlockNumber | None = None
    finished_plan: str | None = None
    """The last plan whose end was published."""


class Quarantine(Entry, frozen=True, kw_only=True):
    """`quarantine/item` (raised by a step; chain part) or `checked/item` (found by a check; log part): an item that is not updated."""

    reason: str
    at_block: BlockNumber
    resumed: int = 0
    """How many operators' commands to resume the item came before the quarantine; a later one may end it."""


class Mined(Entry, frozen=True, kw_only=True):
    """`receipt/H`: the receipt of a transaction that a book's owner or signer sent. Chain part."""

    succeeded: bool
    gas_used: int
    effective_gas_price_wei: Wei
    at_block: BlockNumber


class Allowance(Entry, frozen=True, kw_only=True):
    """`allowance/owner/token/spender`: the allowance that a spender still has, as read at the head. Chain part."""

    amount: RawAmount


class Frame(Entry, frozen=True, kw_only=True):
    """`frame/n`: the values that block n overwrote in the chain part; None where there was no value."""

    block: BlockRef
    overwritten: dict[str, Any]


# ------------------------------------------------------------------ log part: follows the log
class Writer(Entry, frozen=True, kw_only=True):
    """`writer`: the watcher whose records are applied. Log part."""

    term: Term
    instance: str


class Cursor(Entry, frozen=True, kw_only=True):
    """`cursor`: the last record that was applied to these entries. Log part."""

    offset: Offset


class HighestHead(Entry, frozen=True, kw_only=True):
    """`highest-head`: the height of the highest block ever seen, from which finality counts. Log part."""

    number: BlockNumber


class HealthWarning(Entry, frozen=True, kw_only=True):
    """`warned/book`: the book's health factor has fallen below `hedge.warn` and has not recovered. Chain part."""

    at: BlockRef
    """The block at which it fell."""
    health_bps: int
    """The health factor at that block, in bps of 1."""
    warn_bps: int


class SetAside(Entry, frozen=True, kw_only=True):
    """`set-aside`: how many blocks in a row did not attach to the head. Log part."""

    count: int


class SkippedChecks(Entry, frozen=True, kw_only=True):
    """`skipped-checks/P`: how many checks of a pool in a row were made at another block than the head. Log part."""

    count: int


class Halted(Entry, frozen=True, kw_only=True):
    """`halted`: the shard is halted, and decides nothing until an operator resumes it. Log part."""

    reason: str


class Pause(Entry, frozen=True, kw_only=True):
    """`pause/scope`: a pause by an operator's command or by a liquidation. The scope is `all` or `book/ID`. Log part."""

    reason: str
    by: str
    cancels: bool = False
    """The signer also cancels its transactions that are not mined yet."""
    is_for_liquidation: bool = False
    """A liquidation of the book's debt caused the pause, not an operator."""


class Resume(Entry, frozen=True, kw_only=True):
    """`resumed/item`: how many commands have resumed the item, with the reason of the last. Log part."""

    count: int
    reason: str
    by: str


class OrderWord(Entry, frozen=True, kw_only=True):
    """`order-word/book`: an operator's statement on the end of a hedge order whose end the chain does not show. Log part."""

    venue: str
    number: str
    """The venue's number of the order."""
    change: int
    """By how much the order was to change the position's size; with the number it identifies the order."""
    outcome: SaidOutcome
    reason: str
    by: str


class CalibratedVolatility(Entry, frozen=True, kw_only=True):
    """`volatility/book`: the volatility of a book's base, estimated once per hour from its past prices. Chain part: it rewinds with a reorg."""

    hour: int
    """The hour of the last estimate, counted from 1970."""
    policy_version: str
    """The policy that chose the past prices."""
    sigma_ppm: int | None = None
    """In millionths per square root of a year; None: there were too few prices."""


class PassedRecord(Entry, frozen=True, kw_only=True):
    """`passed/N`: an operator's command to pass over the unreadable record at offset N. Log part."""

    digest: str
    reason: str
    by: str


class DecidedUnder(Entry, frozen=True, kw_only=True):
    """`rules/N`: the offset from which on decisions follow rules N, and the state of all decisions made before it. Log part.

    A fold under these rules can begin there: see `pipeline/state/rule_changes.py`.
    """

    first_offset: Offset
    decided: dict[str, Any]
    """The effects part, and the other entries that follow from decisions: by key."""
    overwritten: dict[str, dict[str, Any]]
    """The values of these entries that sealed blocks had overwritten: by block number and key; None where there was no value."""


ENTRY_TYPES: Mapping[str, type[Entry] | type[Policy]] = {
    keys.HEAD: Head,
    keys.route.family: Route,
    keys.path.family: BookPath,
    keys.quarantine.family: Quarantine,
    keys.frame.family: Frame,
    keys.receipt.family: Mined,
    keys.allowance.family: Allowance,
    keys.cost.family: PlanCost,
    keys.volatility.family: CalibratedVolatility,
    keys.price.family: PriceSlot,
    keys.feed.family: FeedAnswer,
    keys.sequencer.family: SequencerAnswer,
    keys.effects.family: BookEffects,
    keys.plan.family: Plan,
    keys.intent.family: Intent,
    keys.dry_run.family: DryRuns,
    keys.policy.family: Policy,
    keys.rules.family: DecidedUnder,
    keys.passed.family: PassedRecord,
    keys.WRITER: Writer,
    keys.checked.family: Quarantine,
    keys.CURSOR: Cursor,
    keys.HIGHEST: HighestHead,
    keys.SET_ASIDE: SetAside,
    keys.skipped_checks.family: SkippedChecks,
    keys.HALTED: Halted,
    keys.pause.family: Pause,
    keys.resumed.family: Resume,
    keys.gift.family: Gift,
    keys.adopted.family: Adopted,
    keys.order_word.family: OrderWord,
    keys.departure.family: Departure,
    keys.warned.family: HealthWarning,
}
