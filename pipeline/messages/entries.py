"""The values in a shard's state, each under a readable key (`head`, `path/main`).

Small, immutable and typed by the first part of their key: `ENTRY_TYPES`. A kind of venue brings entries of its own.
An entry says nothing of how it came about; `messages.events` does.
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
    """`head`: the last block that attached."""

    block: BlockRef


Why = Literal["bootstrap", "check", "repair"]


class Route(Entry, frozen=True, kw_only=True):
    """`route/item`: an item that the shard follows, and whether a read of it has come.

    Items are `pool/P`, `owner/M/O`, `position/M/id` and `balance/account/token`.
    """

    observed_at_block: BlockNumber | None = None
    """None while it is wanted."""
    why: Why = "bootstrap"
    pool: Address | None = None
    """Of a position that was read: its pool, which may be one that no book uses."""
    owner: Address | None = None
    """Of a position: who had it last."""
    repaired: int = 0
    """How many of the operators' words on it had been given when it was last read."""


class BookPath(Entry, frozen=True, kw_only=True):
    """`path/book`: what a decision needs of the past blocks."""

    out_of_range_since_s: Seconds | None = None
    outside_band: bool = False
    """Hysteresis: set beyond the band, cleared well inside it."""
    declined_gate: str | None = None
    """Of the last `Declined` that was emitted; None after a proposal."""
    declined_reason: str | None = None
    declined_at_block: BlockNumber | None = None
    finished_plan: str | None = None
    """The last plan whose end was published."""


class Quarantine(Entry, frozen=True, kw_only=True):
    """`quarantine/item` (raised by a step) or `checked/item` (found by a check)."""

    reason: str
    at_block: BlockNumber
    resumed: int = 0
    """How many words of operators on the item came before: a later one may end it."""


class Mined(Entry, frozen=True, kw_only=True):
    """`receipt/H`: what became of a transaction that a book's owner or signer sent."""

    succeeded: bool
    gas_used: int
    effective_gas_price_wei: Wei
    at_block: BlockNumber


class Allowance(Entry, frozen=True, kw_only=True):
    """`allowance/owner/token/spender`: what a spender may still take, as read at the head."""

    amount: RawAmount


class Frame(Entry, frozen=True, kw_only=True):
    """`frame/n`: what block n overwrote in the chain part. None: there was nothing."""

    block: BlockRef
    overwritten: dict[str, Any]


# ------------------------------------------------------------------ log part: follows the log
class Writer(Entry, frozen=True, kw_only=True):
    """`writer`: the watcher whose records count."""

    term: Term
    instance: str


class Cursor(Entry, frozen=True, kw_only=True):
    """`cursor`: the last record whose effects are in these entries."""

    offset: Offset


class HighestHead(Entry, frozen=True, kw_only=True):
    """`highest-head`: finality counts from the highest block ever seen."""

    number: BlockNumber


class HealthWarning(Entry, frozen=True, kw_only=True):
    """`warned/book`: its health factor has fallen below the level at which it warns, and is not back yet."""

    at: BlockRef
    """When it fell there."""
    health_bps: int
    """Then. In bps of 1."""
    warn_bps: int


class SetAside(Entry, frozen=True, kw_only=True):
    """`set-aside`: how many blocks did not attach since one last did."""

    count: int


class SkippedChecks(Entry, frozen=True, kw_only=True):
    """`skipped-checks/P`: how many checks in a row stood at another block than the head."""

    count: int


class Halted(Entry, frozen=True, kw_only=True):
    """`halted`: nothing is decided until an operator resumes the shard."""

    reason: str


class Pause(Entry, frozen=True, kw_only=True):
    """`pause/scope`: an operator's word, or a liquidation's. The scope is `all` or `book/ID`."""

    reason: str
    by: str
    cancels: bool = False
    """The signer also cancels what it has signed and no block has."""
    is_for_liquidation: bool = False
    """No operator said it: what the book owed was liquidated."""


class Resume(Entry, frozen=True, kw_only=True):
    """`resumed/item`: how often an operator has wanted the item back, and the last word."""

    count: int
    reason: str
    by: str


class OrderWord(Entry, frozen=True, kw_only=True):
    """`order-word/book`: what an operator has said became of an order of a book's hedge, of which the chain says nothing."""

    venue: str
    number: str
    """The venue's own."""
    change: int
    """By which it was to change the position's size: with the number it is the order."""
    outcome: SaidOutcome
    reason: str
    by: str


class CalibratedVolatility(Entry, frozen=True, kw_only=True):
    """`volatility/book`: how fast the price of a book's base moves, as its past prices told it at an hour. Of the chain part: it rewinds with a reorg."""

    hour: int
    """Since 1970, in which it was estimated last."""
    policy_version: str
    """By which past prices."""
    sigma_ppm: int | None = None
    """Millionths per square root of a year; None: the prices were too few."""


class PassedRecord(Entry, frozen=True, kw_only=True):
    """`passed/N`: the record at offset N could not be read, and an operator wanted it passed over."""

    digest: str
    reason: str
    by: str


class DecidedUnder(Entry, frozen=True, kw_only=True):
    """`rules/N`: from where on the shard's log was decided under rules N, and what had been decided until then.

    A fold under these rules can begin there: see `pipeline/state/rule_changes.py`.
    """

    first_offset: Offset
    decided: dict[str, Any]
    """The effects part, and what else follows from decisions: by key."""
    overwritten: dict[str, dict[str, Any]]
    """Of that, what the sealed blocks had overwritten: by a block's number and a key. None: there was nothing."""


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
