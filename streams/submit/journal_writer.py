"""Write the journal: noted in memory, committed at once, and only then reported to the shards."""

from collections.abc import Iterable

import msgspec

from pipeline import keys
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.journal import AnyJournal, AnyReport, IntentKnown, IntentsRead, journal_key
from pipeline.sign.nonces import Account
from pipeline.units import Address, Offset, ShardId
from streams.kafka.codec import encode
from streams.kafka.topics import DEAD_LETTERS, INTENTS, TopicRecord
from streams.submit.port import Delivered, Journal, Reports
from streams.submit.signer_state import SignerState, account_changes, load_signer_state

_LONGEST_LETTER = 8 * 1024 * 1024


class JournalWriter:
    """Keeps one signer's state in memory and in its journal. After an error the process must end: only the journal counts."""

    def __init__(self, signer: Address, journal: Journal, reports: Reports) -> None:
        """Prepare; nothing is read yet."""
        self._signer = signer
        self._journal = journal
        self._reports = reports
        self._dirty: dict[str, AnyJournal | None] = {}
        self._letters: list[TopicRecord] = []
        self._to_report: dict[str, IntentKnown] = {}
        """By digest, the intents with reports to send, as the journal has them."""
        self.state = SignerState()

    async def open(self) -> None:
        """Take the signer over from any former process. Raises: FencedError, CommitError, JournalError."""
        self.state = load_signer_state(await self._journal.open())
        self._note_journalled(self.state.intents.values())

    async def close(self) -> None:
        """Close both connections. Never raises."""
        await self._journal.close()
        await self._reports.close()

    @property
    def account(self) -> Account:
        """The signer's nonces."""
        assert self.state.account is not None
        return self.state.account

    # -------------------------------------------------------------- noting
    def note_account(self, account: Account) -> None:
        """Queue an account's new state for the next commit."""
        self._dirty |= account_changes(self.state.account, account)
        self.state.account = account

    def note_intent(self, known: IntentKnown) -> None:
        """Queue an intent's new state for the next commit."""
        self._dirty[journal_key(known)] = known
        self.state.intents[known.intent] = known

    def note_report(self, digest: str, *reports: AnyReport) -> None:
        """Queue a further report on a known intent."""
        known = self.state.intents[digest]
        self.note_intent(msgspec.structs.replace(known, unsaid=(*known.unsaid, *reports)))

    def note_read(self, record: Delivered) -> None:
        """Queue that a record of intents, and every record before it in its partition, has been dealt with."""
        before = self.state.cursors[record.shard]
        self.note_cursor(
            msgspec.structs.replace(before, next_offset=Offset(record.offset + 1), last=record.digest)
        )

    def note_cursor(self, cursor: IntentsRead) -> None:
        """Queue the offset at which reading a partition of intents continues."""
        self._dirty[journal_key(cursor)] = cursor
        self.state.cursors[cursor.shard] = cursor

    def drop_cursors(self, gone: Iterable[ShardId]) -> None:
        """Drop the cursors of partitions of intents that no longer exist."""
        for shard in gone:
            self._dirty[journal_key(self.state.cursors.pop(shard))] = None

    def note_letter(self, record: Delivered, error: str) -> None:
        """Queue a record that is no intent as a dead letter."""
        letter = DeadLetter(
            topic=INTENTS.name,
            partition=record.shard,
            offset=record.offset,
            error=error,
            size_bytes=len(record.payload),
            payload=record.payload[:_LONGEST_LETTER],
        )
        key = keys.dead_letter_of(INTENTS.name, record.shard, record.offset).encode()
        self._letters.append(TopicRecord(DEAD_LETTERS.name, key, encode(letter), record.shard))

    def forget(self, known: Iterable[IntentKnown]) -> None:
        """Drop intents that nobody can send again."""
        for each in known:
            self._dirty[keys.journal_intent(self._signer, each.intent)] = None
            del self.state.intents[each.intent]

    # -------------------------------------------------------------- keeping
    async def commit(self) -> None:
        """Write what was queued since the last commit, all or nothing. Raises: FencedError, CommitError."""
        if self._dirty or self._letters:
            dirty, letters = self._dirty, self._letters
            self._dirty, self._letters = {}, []
            await self._journal.commit(dirty, letters)
            self._note_journalled(each for each in dirty.values() if isinstance(each, IntentKnown))

    async def touch(self) -> None:
        """Write something, to find out whether the journal is still ours. Raises: FencedError, CommitError."""
        standing = self.account.standing
        self._dirty[journal_key(standing)] = standing
        await self.commit()

    async def publish(self) -> None:
        """Commit, and send the reports that were not sent. Raises: FencedError, CommitError, InfrastructureError."""
        await self.commit()
        await self.report()

    async def report(self) -> None:
        """Send the reports that the journal has and that were not sent; the next commit records that they were.

        Raises: InfrastructureError.
        """
        reported, self._to_report = self._to_report, {}
        by_shard: dict[ShardId, list[IntentKnown]] = {}
        for known in reported.values():
            by_shard.setdefault(known.shard, []).append(known)
        for shard, those in by_shard.items():
            await self._reports.append(shard, [report for known in those for report in known.unsaid])
            for known in those:
                self._note_said(known)

    def _note_journalled(self, intents: Iterable[IntentKnown]) -> None:
        self._to_report |= {known.intent: known for known in intents if known.unsaid}

    def _note_said(self, known: IntentKnown) -> None:
        """Queue that an intent's reports were sent; those that came to it since are still to be sent."""
        now = self.state.intents[known.intent]
        self.note_intent(msgspec.structs.replace(now, unsaid=now.unsaid[len(known.unsaid) :]))
