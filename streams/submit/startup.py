"""Start a signer: with an empty journal only by an operator's command, and with cursors that fit their topic."""

from collections.abc import Iterable

import structlog

from pipeline.errors import JournalError, MemoryLostError, SettingsError
from pipeline.messages.journal import IntentsRead
from pipeline.sign.nonces import new_account
from pipeline.units import Address, Offset, ShardId
from streams.submit.journal_writer import JournalWriter
from streams.submit.node import SignerView
from streams.submit.port import Inbox

log = structlog.get_logger(__name__)

_HELP = (
    "The topic was made again, cut or restored. Once it has caught up, "
    "`evenkeel intents journal FILE --skip-intents` passes over what is on it"
)


async def begin(
    writer: JournalWriter,
    inbox: Inbox,
    *,
    signer: Address,
    look: SignerView,
    shards: Iterable[ShardId],
    new: bool,
) -> None:
    """Initialise an empty journal. Where the account has been used, earlier intents are skipped.

    Raises: MemoryLostError where that needs an operator's word.
    """
    if look.nonce > 0 and not new:
        raise MemoryLostError(
            f"the journal of {signer} is empty, but its account has sent {look.nonce} transactions. If it has "
            "never signed for this deployment, start it once with --new-signer. Else its journal was lost: what "
            "waits in mempools, what was done already and what its budgets have left are not known"
        )
    writer.note_account(new_account(signer, look.nonce, look.head.number))
    for shard in shards:
        nothing = IntentsRead(signer=signer, shard=shard, next_offset=Offset(0))
        writer.note_cursor(await at_end(inbox, nothing) if new else nothing)
    await writer.commit()
    log.info("a new journal", signer=signer, first_nonce=look.nonce)


def has_begun(signer: Address, next_nonce: int) -> SettingsError:
    """Warn that an option meant for the first start was given again."""
    return SettingsError(
        f"--new-signer: {signer} has a journal already, and signs nonce {next_nonce} next: leave it out"
    )


async def at_end(inbox: Inbox, cursor: IntentsRead) -> IntentsRead:
    """Move a cursor to its partition's end: the records before it are skipped without a report."""
    last = (await inbox.passed(cursor.shard, None)).last
    if last is None:
        return IntentsRead(signer=cursor.signer, shard=cursor.shard, next_offset=Offset(0))
    place = Offset(last.offset + 1)
    return IntentsRead(
        signer=cursor.signer, shard=cursor.shard, next_offset=place, last=last.digest, skipped_before=place
    )


async def skip(writer: JournalWriter, inbox: Inbox, *, signer: Address, shards: Iterable[ShardId]) -> None:
    """Move every cursor to its partition's end, and drop those of partitions that no longer exist."""
    there = list(shards)
    for shard in there:
        nothing = IntentsRead(signer=signer, shard=shard, next_offset=Offset(0))
        writer.note_cursor(await at_end(inbox, nothing))
    writer.drop_cursors(gone for gone in set(writer.state.cursors) - set(there))


async def check_cursors(writer: JournalWriter, inbox: Inbox, shards: Iterable[ShardId]) -> None:
    """Check that `intents.v1` is still the topic that the cursors were made for. Raises: JournalError naming the partition."""
    cursors, there = writer.state.cursors, list(shards)
    if set(cursors) != set(there):
        raise JournalError(
            f"the journal has read {len(cursors)} partitions of intents.v1, which has {len(there)}: {_HELP}"
        )
    for shard, cursor in cursors.items():
        why = await _misfit(inbox, cursor)
        if why is not None:
            raise JournalError(f"intents.v1[{shard}] is not what the signer has read: {why}. {_HELP}")


async def _misfit(inbox: Inbox, cursor: IntentsRead) -> str | None:
    if cursor.next_offset == 0:
        begin = (await inbox.passed(cursor.shard, None)).begin
        return f"its first {begin} records are gone, and none was read" if begin else None
    found = await inbox.passed(cursor.shard, cursor.next_offset)
    if found.begin > cursor.next_offset:
        return f"it begins at {found.begin}, and was read to {cursor.next_offset}"
    if found.end < cursor.next_offset:
        return f"it ends at {found.end}, and was read to {cursor.next_offset}"
    if found.last is None and found.begin == cursor.next_offset:
        return None  # what was read is gone, and nothing else
    if found.last is None or found.last.digest != cursor.last:
        return f"another record stands at {cursor.next_offset - 1}"
    return None
