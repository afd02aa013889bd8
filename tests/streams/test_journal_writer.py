"""What a journal's writer reports to the shards: only what the journal has, each report once, in its order."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.messages.events import Sent, Signed
from pipeline.messages.journal import AnyJournal, AnyReport, IntentKnown
from pipeline.units import Address, BlockNumber, Hash, ShardId
from streams.kafka.topics import TopicRecord
from streams.submit.journal_writer import JournalWriter

SIGNER = Address("0x" + "11" * 20)
HASH = Hash("0x" + "22" * 32)


class Journal:
    """Keeps entries by key."""

    def __init__(self) -> None:
        self.entries: dict[str, AnyJournal] = {}
        self.commits = 0

    async def open(self) -> list[AnyJournal]:
        return list(self.entries.values())

    async def commit(
        self, entries: Mapping[str, AnyJournal | None], others: Sequence[TopicRecord] = ()
    ) -> None:
        del others
        self.commits += 1
        self.entries |= {key: entry for key, entry in entries.items() if entry is not None}

    async def close(self) -> None: ...


class Log:
    """Notes each report, and calls something while one is on its way."""

    def __init__(self) -> None:
        self.said: list[AnyReport] = []
        self.meanwhile: Any = lambda: None

    async def append(self, shard: ShardId, reports: Sequence[AnyReport]) -> None:
        del shard
        self.meanwhile()
        self.said += reports

    async def close(self) -> None: ...


def signed(digest: str) -> Signed:
    return Signed(intent=digest, nonce=7, transaction_hash=HASH)


def sent(digest: str) -> Sent:
    return Sent(intent=digest, transaction_hash=HASH)


def known(digest: str) -> IntentKnown:
    return IntentKnown(
        signer=SIGNER,
        intent=digest,
        shard=ShardId(0),
        position="p",
        outcome="open",
        nonce=7,
        keep_until_block=BlockNumber(100),
        unsaid=(signed(digest),),
    )


async def opened(journal: Journal, log: Log) -> JournalWriter:
    writer = JournalWriter(SIGNER, journal, log)
    await writer.open()
    return writer


async def test_what_is_not_journalled_yet_is_not_reported_and_costs_no_commit() -> None:
    journal, log = Journal(), Log()
    writer = await opened(journal, log)
    writer.note_intent(known("aa"))
    await writer.commit()
    writer.note_intent(known("bb"))
    await writer.report()
    assert (log.said, journal.commits) == ([signed("aa")], 1)
    await writer.commit()
    await writer.report()
    assert (log.said, journal.commits) == ([signed("aa"), signed("bb")], 2)


async def test_a_report_that_comes_while_others_are_sent_is_sent_after_them() -> None:
    journal, log = Journal(), Log()
    writer = await opened(journal, log)
    writer.note_intent(known("aa"))
    await writer.commit()
    log.meanwhile = lambda: writer.note_report("aa", sent("aa"))
    await writer.report()
    log.meanwhile = lambda: None
    assert log.said == [signed("aa")]
    await writer.publish()
    assert log.said == [signed("aa"), sent("aa")]
    await writer.publish()
    await writer.publish()
    assert len(log.said) == 2, "each once"


async def test_the_next_process_reports_what_the_journal_has_unsaid() -> None:
    journal, log = Journal(), Log()
    first = await opened(journal, log)
    first.note_intent(known("aa"))
    await first.commit()
    second = await opened(journal, log)
    await second.publish()
    await second.publish()  # only now does the journal know that it was said
    await (await opened(journal, log)).publish()
    assert log.said == [signed("aa")]
