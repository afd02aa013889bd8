"""Report what became of intents, from a signer's journal; and end one that no signer answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from pipeline import keys
from pipeline.errors import UNREADABLE, MalformedRecordError, NewerRecordError, SettingsError
from pipeline.messages.journal import (
    AnyJournal,
    IntentKnown,
    IntentsRead,
    NonceBound,
    journal_key,
)
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.nonces import status
from pipeline.units import ChainId, Hash, ShardId
from streams.kafka.codec import decode_intent, decode_journal
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import INTENTS, NONCES
from streams.submit.journal import journal_shard
from streams.submit.node import SignerView
from streams.submit.reported import Reported, reports_of

log = structlog.get_logger(__name__)

_MARGIN_BLOCKS = 12
"""A reorg may bring back a head on which an intent has not expired."""


OPEN = frozenset({"waiting", "signed", "sent"})
"""How an intent stands of which something may still come that is not yet on the chain."""


class IntentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An intent on its topic, with what its signer's journal says of it."""

    intent: SubmitTransaction
    shard: ShardId
    offset: int
    entry: IntentKnown | None
    bound: NonceBound | None
    read: bool
    """The signer has passed it: it will not sign it any more, if it has not."""
    skipped: bool = False
    """It passed it without a look: its journal began later, and knows nothing of it."""
    told_at_ms: int = 0
    """When the broker took the intent."""
    reported: Reported | None = None
    """What the log keeps of it once the journal has let go of it; None: not asked."""

    @property
    def stands(self) -> str:
        """Return the intent's status as one word."""
        if self.bound is not None and self.entry is not None and self.entry.outcome == "open":
            return status(self.bound)
        if self.entry is not None:
            return self.entry.outcome
        if self.skipped:
            return "skipped"
        if not self.read:
            return "waiting"
        return self._settled()

    def _settled(self) -> str:
        """Return how the intent ended by the reports: a signed nonce that was not dropped is used and final."""
        if self.reported is None:
            return "settled"
        return self.reported.outcome or ("final" if self.reported.hashes else "settled")

    @property
    def nonce(self) -> int | None:
        """The nonce that the intent was signed with."""
        if self.entry is not None and self.entry.nonce is not None:
            return self.entry.nonce
        return self.reported.nonce if self.reported else None

    @property
    def hashes(self) -> tuple[Hash, ...]:
        """The transaction hashes of every signed version but cancellations, oldest first."""
        return self._attempts(cancels=False) or (self.reported.hashes if self.reported else ())

    @property
    def cancellations(self) -> tuple[Hash, ...]:
        """The transaction hashes of signed cancellations."""
        return self._attempts(cancels=True) or (self.reported.cancellations if self.reported else ())

    def _attempts(self, *, cancels: bool) -> tuple[Hash, ...]:
        attempts = self.bound.attempts if self.bound is not None else ()
        return tuple(attempt.transaction_hash for attempt in attempts if attempt.cancels == cancels)


class UnreadableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a journal that is not an entry."""

    key: str
    why: str
    """Its place first."""

    @property
    def signer(self) -> str:
        """The signer under whose key the record is stored."""
        return keys.signer_of(self.key)

    def __str__(self) -> str:
        return f"{self.why} (key {self.key})"


class Journals(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of every signer's journal, unchecked: only a signer can tell whether it wrote them."""

    entries: dict[str, AnyJournal]
    """By key."""
    unreadable: tuple[UnreadableEntry, ...] = ()


async def intent_statuses(
    reader: Reader, chain_id: ChainId, *, signer: str | None = None, journals: Journals | None = None
) -> list[IntentStatus]:
    """Read every intent, and what the journals say of it. Raises: InfrastructureError."""
    journal = (journals or await read_journals(reader, chain_id)).entries
    found = []
    async for record in reader.read(dict.fromkeys(await reader.shards(INTENTS.on(chain_id)), 0)):
        intent = _intent_in(record)
        if intent is not None and signer in {None, intent.signer}:
            found.append(_status_of(intent, record, journal))
    return found


async def with_reports(
    reader: Reader, chain_id: ChainId, known: Sequence[IntentStatus]
) -> list[IntentStatus]:
    """Add from the shards' logs what the journals no longer hold. Raises: InfrastructureError."""
    gone = [each for each in known if each.bound is None and (each.read or each.entry is not None)]
    if not gone:
        return list(known)
    since_ms = min(each.told_at_ms for each in gone)
    told = await reports_of(reader, chain_id, [each.intent.digest for each in gone], since_ms)
    return [
        msgspec.structs.replace(each, reported=told.get(each.intent.digest)) if each.bound is None else each
        for each in known
    ]


async def read_journals(reader: Reader, chain_id: ChainId) -> Journals:
    """Read the present entries of every signer from its partition, and name records that are no entries."""
    places = await reader.shards(NONCES.on(chain_id))
    newest: dict[tuple[int, bytes], Record] = {}
    async for record in reader.read(dict.fromkeys(places, 0)):
        newest[record.shard, record.key or b""] = record
    entries: dict[str, AnyJournal] = {}
    unreadable = []
    for record in newest.values():
        try:
            if record.value is not None:
                entries |= _entry_in(record, len(places))
        except UNREADABLE as error:
            key = (record.key or b"").decode(errors="replace")
            unreadable.append(UnreadableEntry(key=key, why=str(error)))
    return Journals(entries=entries, unreadable=tuple(unreadable))


def _entry_in(record: Record, partitions: int) -> dict[str, AnyJournal]:
    """Read a record of a journal. Raises: MalformedRecordError, NewerRecordError, naming its place."""
    entry = decode_journal(record.value or b"", where=record.where)
    key = journal_key(entry)
    if key.encode() != record.key:
        raise MalformedRecordError(f"{record.where}: an entry of the key {key}")
    if journal_shard(entry.signer, partitions) != record.shard:
        raise MalformedRecordError(f"{record.where}: its signer writes to another partition")
    return {key: entry}


def _intent_in(record: Record) -> SubmitTransaction | None:
    try:
        found = decode_intent(record.value or b"", where=record.where)
    except MalformedRecordError:  # a dead letter by now
        return None
    except NewerRecordError as error:
        log.warning("an intent cannot be read", error=str(error))
        return None
    return found if isinstance(found, SubmitTransaction) else None


def _status_of(intent: SubmitTransaction, record: Record, journal: Mapping[str, AnyJournal]) -> IntentStatus:
    entry: Any = journal.get(keys.journal_intent(intent.signer, intent.digest))
    bound = next(
        (
            each
            for each in journal.values()
            if isinstance(each, NonceBound)
            and (each.signer, each.intent.digest) == (intent.signer, intent.digest)
        ),
        None,
    )
    cursor = journal.get(keys.journal_cursor(intent.signer, ShardId(record.shard)))
    return IntentStatus(
        intent=intent,
        shard=ShardId(record.shard),
        offset=record.offset,
        told_at_ms=record.timestamp_ms,
        entry=entry,
        bound=bound,
        read=isinstance(cursor, IntentsRead) and record.offset < cursor.next_offset,
        skipped=isinstance(cursor, IntentsRead) and entry is None and record.offset < cursor.skipped_before,
    )


def find(known: Sequence[IntentStatus], name: str) -> IntentStatus:
    """Find an intent by id or digest. Raises: SettingsError."""
    found = [each for each in known if name in {each.intent.id, each.intent.digest}]
    if not found:
        raise SettingsError(f"there is no intent {name}")
    return found[-1]


def why_not_closable(known: IntentStatus, look: SignerView) -> str | None:
    """Explain why an intent may still be carried out; None: it cannot be any more, and may be closed."""
    intent, entry, bound = known.intent, known.entry, known.bound
    if entry is not None and entry.outcome in {"refused", "dropped"}:
        return None
    if bound is not None and look.inclusions:
        return "a transaction of its nonce is in a block: its signer ends it"
    if bound is not None and look.nonce <= bound.nonce:
        return f"it is signed for nonce {bound.nonce}, which nothing has used: it may still be mined"
    if known.skipped and look.head.timestamp_s <= intent.deadline_s:
        return "its signer has passed over it and does not know whether it was signed: it may be mined until its deadline"
    if bound is None and not known.skipped and (known.read or entry is not None):
        return "its signer has ended it"
    last = intent.made_at.number + intent.max_age_blocks
    if bound is None and look.head.number <= last + _MARGIN_BLOCKS:
        return f"its signer has not seen it yet and may sign it up to block {last}, after a reorg too"
    return None
