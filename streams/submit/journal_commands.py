"""An operator's commands on a signer's journal: begin it, inspect it, repair it.

All but the looking fences the process that signs.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pipeline.errors import SettingsError
from pipeline.units import ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading
from streams.submit.audit import Audit, JournalFault
from streams.submit.bound_attempts import checker
from streams.submit.inbox import KafkaInbox
from streams.submit.journal import KafkaJournal, KafkaReports, journal_place, stored_between
from streams.submit.journal_writer import JournalWriter
from streams.submit.node import SenderNode
from streams.submit.seal import Stamp
from streams.submit.sealed import SealedJournal
from streams.submit.signer import Signer
from streams.submit.startup import begin, has_begun, skip


async def begin_journal(
    kafka: KafkaAccess, chain_id: ChainId, *, partitions: int, node: SenderNode, signer: Signer
) -> int:
    """Initialise a signer's empty journal from the chain's nonce and the end of `intents.v1`; return the nonce.

    Raises: SettingsError where there is a journal already.
    """
    async with _writer(kafka, chain_id, signer) as writer:
        if writer.state.account is not None:
            raise has_begun(signer.address, writer.account.next_nonce)
        look = await node.look(await node.newest(), signer.address, ())
        await begin(
            writer,
            KafkaInbox(kafka, chain_id),
            signer=signer.address,
            look=look,
            shards=map(ShardId, range(partitions)),
            new=True,
        )
    return look.nonce


async def faults_of(kafka: KafkaAccess, chain_id: ChainId, signer: Signer) -> Sequence[JournalFault]:
    """List what is wrong with a signer's journal. Writes nothing, and may run beside the signer."""
    audit = Audit(Stamp(signer, chain_id), checker(signer, chain_id))
    async with reading(kafka) as reader:
        place = await journal_place(reader, chain_id, signer.address)
        begins, ends = (await reader.bounds([place]))[place]
        async for stored in stored_between(reader, place, signer.address, begins, ends):
            audit.take(stored)
    return audit.faults()


async def set_aside(kafka: KafkaAccess, chain_id: ChainId, signer: Signer) -> Sequence[JournalFault]:
    """Restore a journal to what its signer last wrote; return what was set aside. Raises: JournalError."""
    async with _journal(kafka, chain_id, signer) as journal:
        return await journal.set_aside()


async def forget(kafka: KafkaAccess, chain_id: ChainId, signer: Signer) -> Sequence[JournalFault]:
    """Empty a journal; return the faults that it had."""
    async with _journal(kafka, chain_id, signer) as journal:
        return await journal.forget()


async def skip_intents(kafka: KafkaAccess, chain_id: ChainId, signer: Signer, partitions: int) -> None:
    """Skip everything on `intents.v1` up to now. Raises: JournalError, SettingsError where there is no journal."""
    async with _writer(kafka, chain_id, signer) as writer:
        if writer.state.account is None:
            raise SettingsError(f"{signer.address} has no journal")
        shards = map(ShardId, range(partitions))
        await skip(writer, KafkaInbox(kafka, chain_id), signer=signer.address, shards=shards)
        await writer.commit()


@asynccontextmanager
async def _journal(kafka: KafkaAccess, chain_id: ChainId, signer: Signer) -> AsyncIterator[SealedJournal]:
    journal = SealedJournal(KafkaJournal(kafka, chain_id, signer.address), signer, chain_id)
    try:
        yield journal
    finally:
        await journal.close()


@asynccontextmanager
async def _writer(kafka: KafkaAccess, chain_id: ChainId, signer: Signer) -> AsyncIterator[JournalWriter]:
    async with _journal(kafka, chain_id, signer) as journal:
        writer = JournalWriter(signer.address, journal, KafkaReports(kafka, chain_id))
        await writer.open()
        yield writer
