"""`evenkeel submit`: turn intents into transactions of one signer. The only process that has its key.

Whatever it does stands in its journal first: intent, nonce and signed bytes. So it may die anywhere, and the
next one sends the very same bytes again.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from pipeline.errors import ForeignNonceError, NodeError, NodesDisagreeError, SettingsError
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Stop
from pipeline.units import Address, ChainId, ShardId
from streams.heartbeat import Progress, beating
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import check_copies, ensure_topics
from streams.node.multicall import MULTICALL3
from streams.process import until_stopped
from streams.submit.heads import Heads
from streams.submit.inbox import KafkaInbox
from streams.submit.intake import Intake
from streams.submit.journal import KafkaJournal, KafkaReports
from streams.submit.journal_writer import JournalWriter
from streams.submit.judge import Judge
from streams.submit.limits import SignerLimits
from streams.submit.node import SenderNode, SignerView
from streams.submit.port import Inbox, JournalStore, Reports
from streams.submit.relay import Relay
from streams.submit.sealed import SealedJournal
from streams.submit.send_routes import SendRoutes
from streams.submit.sending import Reach, Sending, pass_by
from streams.submit.signer import Signer
from streams.submit.startup import begin, check_cursors, has_begun, skip
from streams.submit.stop_file import local_stop
from streams.submit.submit_timing import SubmitTiming
from streams.watch.timing import Timing, retry_delay_s

log = structlog.get_logger(__name__)


async def run_submit(
    *,
    kafka: KafkaAccess,
    chain_id: ChainId,
    partitions: int,
    node: SenderNode,
    instance: str,
    signer: Signer,
    relay: Relay | None = None,
    public_after_blocks: int | None = None,
    limits: SignerLimits,
    timing: SubmitTiming | None = None,
    multicall: Address = MULTICALL3,
    adopt_nonce: bool = False,
    stop_file: Path | None = None,
    new_signer: bool = False,
    reach: Reach = pass_by,
) -> None:
    """Serve one signer's intents until SIGTERM, SIGINT or cancellation.

    Raises: FencedError once another process signs for it, SignerHaltedError where its journal or its nonces are not
    what it knows, SettingsError if the node follows another chain, InfrastructureError where the broker fails.
    """
    timing = timing or SubmitTiming()
    journal = KafkaJournal(kafka, chain_id, signer.address)
    submit = Submit(
        node,
        journal,
        KafkaReports(kafka, chain_id),
        KafkaInbox(kafka, chain_id),
        chain_id=chain_id,
        partitions=partitions,
        signer=signer,
        relay=relay,
        public_after_blocks=public_after_blocks,
        limits=limits,
        timing=timing,
        multicall=multicall,
        adopt_nonce=adopt_nonce,
        stop_file=stop_file,
        new_signer=new_signer,
        reach=reach,
    )
    try:
        await ensure_topics(kafka, chain_id, partitions)
        one_copy = await check_copies(kafka, chain_id)
        if one_copy is not None:
            log.warning(one_copy)
        log.info("opening the journal", signer=signer.address, instance=instance)
        async with beating(
            *(kafka, chain_id, "submit", instance), signer=signer.address, progress=submit.progress
        ):
            await until_stopped(_open_and_serve(submit))
    finally:  # the nodes are open from the beginning
        await submit.close()


class Submit:
    """One signer: its journal, its nonces on the chain, and its queued intents."""

    def __init__(
        self,
        node: SenderNode,
        journal: JournalStore,
        reports: Reports,
        inbox: Inbox,
        *,
        chain_id: ChainId,
        partitions: int,
        signer: Signer,
        relay: Relay | None = None,
        public_after_blocks: int | None = None,
        limits: SignerLimits,
        timing: SubmitTiming,
        multicall: Address = MULTICALL3,
        adopt_nonce: bool = False,
        stop_file: Path | None = None,
        new_signer: bool = False,
        clock: Callable[[], float] = time.monotonic,
        reach: Reach = pass_by,
    ) -> None:
        """Prepare; `open` connects."""
        self._node = node
        self._inbox = inbox
        self._chain_id = chain_id
        self._partitions = partitions
        self._signer = signer
        self._timing = timing
        self._adopt_nonce = adopt_nonce
        self._new_signer = new_signer
        self._stop_file = stop_file
        self._writer = JournalWriter(signer.address, SealedJournal(journal, signer, chain_id), reports)
        self._judge = Judge(node, limits, multicall=multicall, stop_of=self._stop_of)
        self._ways = SendRoutes(node, relay, public_after_blocks=public_after_blocks)
        self._sending = Sending(
            self._writer, node, signer, self._ways, chain_id=chain_id, limits=limits, reach=reach
        )
        self._intake = Intake(
            self._writer,
            self._judge,
            self._sending,
            signer=signer.address,
            limits=limits,
            wait_s=timing.wait_s,
            clock=clock,
            reach=reach,
        )
        self._limits = limits
        self._look: SignerView | None = None
        self._heads = Heads(clock)
        self._strange = 0
        self._failures = 0

    async def open(self) -> None:
        """Check the chain, fence the signer's former process, read its journal, and start following intents."""
        found = await self._node.chain_id()
        if found != self._chain_id:
            raise SettingsError(f"the node follows chain {found}, not {self._chain_id}")
        await self._writer.open()
        await self._begin([ShardId(shard) for shard in range(self._partitions)])
        await self._writer.publish()
        await self._inbox.follow(
            {shard: cursor.next_offset for shard, cursor in self._writer.state.cursors.items()}
        )
        stop = local_stop(self._stop_file)
        if stop is not None:
            log.warning("nothing new is signed", why=stop.why, cancels=stop.cancels)
        log.info("serving", signer=self._signer.address, next_nonce=self._writer.account.next_nonce)

    async def _begin(self, shards: list[ShardId]) -> None:
        """Determine where nonces and intents continue; what an operator asked for holds for this start only."""
        writer, inbox, signer = self._writer, self._inbox, self._signer.address
        if writer.state.account is None:
            look = await self._node.look(await self._node.newest(), signer, ())
            await begin(
                writer,
                inbox,
                signer=signer,
                look=look,
                shards=shards,
                new=self._new_signer,
            )
        elif self._new_signer:
            raise has_begun(signer, writer.account.next_nonce)
        await check_cursors(writer, inbox, shards)
        if self._adopt_nonce and self._sending.adopt(await self._newest_look()):
            await skip(writer, inbox, signer=signer, shards=shards)

    async def serve(self) -> None:
        """Serve until cancelled. Raises: FencedError, ForeignNonceError, InfrastructureError."""
        while True:
            await self._inbox.news(await self._wait_s())

    async def step(self) -> bool:
        """Read the chain, maintain pending nonces, answer intents; return whether something waits for the next head."""
        self._intake.put(self._inbox.take())
        look = await self._newest_look()
        try:
            self._sending.follow(look)
        except ForeignNonceError:
            self._look = None
            if await self._sending.recognise(look):
                return True
            self._strange += 1
            if self._strange >= self._timing.strange_looks:
                await self._writer.touch()  # a process that another has followed sees that one's nonces
                raise
            return True
        self._strange = 0
        try:
            return await self._act(look)
        except NodeError:
            await self._writer.publish()  # what was followed, or refused, waits for no node
            raise

    async def _act(self, look: SignerView) -> bool:
        """Maintain pending nonces and answer intents; what the head changed in the journal is part of the first commit."""
        outdated = await self._judge.outdated(self._writer.account, look)
        await self._sending.tend(
            look, self._judge.market(look), lambda each: self._stop_of(each) or outdated.get(each.digest)
        )
        if self._heads.are_stalled(self._timing.stalled_after_s):
            await self._writer.publish()
            return False
        waits = await self._intake.serve(look)
        self._writer.forget(self._writer.state.forgettable(look.head.number))
        await self._writer.commit()
        return waits

    def progress(self) -> Progress:
        """Return the newest block read."""
        return Progress(newest_block=None if self._look is None else self._look.head.number)

    async def close(self) -> None:
        """Close every connection. Never raises."""
        await self._inbox.close()
        await self._writer.close()
        await self._ways.close()
        await self._node.close()

    async def _wait_s(self) -> float:
        """Do a step, and return how long to wait before the next: the longer the node does not answer, the longer."""
        try:
            waits = await self.step()
        except NodeError as error:
            self._failures += 1
            _report(error, self._failures)
            delay_s = retry_delay_s(Timing(), self._failures)
            await asyncio.sleep(delay_s)  # news do not help
            return 0.0
        self._failures = 0
        if waits:
            await asyncio.sleep(self._timing.soon_s)
            return 0.0
        return self._timing.poll_s

    async def _newest_look(self) -> SignerView:
        """Read the newest head; None where it is the same as before, or the node is behind it: nothing can be new."""
        head = await self._node.newest()
        is_behind = self._heads.is_behind(head.block)
        if self._look is None or (self._look.head.hash != head.block.hash and not is_behind):
            self._heads.note(head.block)
            hashes = [
                attempt.transaction_hash
                for bound in self._writer.account.nonces
                for attempt in bound.attempts
            ]
            self._look = await self._node.look(head, self._signer.address, hashes)
        return self._look

    def _stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Return who stops an intent: the stop file of the signer's own machine first, which no topic can override."""
        local, told = local_stop(self._stop_file), self._inbox.stop_of(intent)
        return told if local is None or (told is not None and told.cancels and not local.cancels) else local


def _report(error: NodeError, failures: int) -> None:
    """Log an unreachable node and contradicting nodes differently: of the latter one lies, and somebody must look."""
    if isinstance(error, NodesDisagreeError):
        log.error("nodes disagree, nothing is signed", error=str(error), failures=failures)
    else:
        log.warning("the node does not answer", error=str(error), failures=failures)


async def _open_and_serve(submit: Submit) -> None:
    """Open and serve; the next process finishes what a signal interrupts."""
    await submit.open()
    await submit.serve()
