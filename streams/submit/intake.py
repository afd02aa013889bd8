"""Answer each incoming intent once, in its partition's order."""

import time
from collections import deque
from collections.abc import Callable

import structlog

from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.messages.events import IntentRefused
from pipeline.messages.journal import IntentKnown
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, BlockNumber, ShardId
from streams.kafka.codec import decode_intent, id_and_signer
from streams.submit.intent_form import check_form, digest_of
from streams.submit.journal_writer import JournalWriter
from streams.submit.judge import Judge
from streams.submit.limits import SignerLimits
from streams.submit.node import SignerView
from streams.submit.port import Delivered
from streams.submit.sending import Reach, Sending, keep_until, pass_by
from streams.submit.verdict import NotYet, Refusal
from streams.submit.wait_budget import WaitBudget

log = structlog.get_logger(__name__)

_LONGEST_NAME = 200
_HAS_EFFECT = frozenset({"open", "final"})


class Intake:
    """One queue per partition; its first record is answered before the next is looked at."""

    def __init__(
        self,
        writer: JournalWriter,
        judge: Judge,
        sending: Sending,
        *,
        signer: Address,
        limits: SignerLimits,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
        reach: Reach = pass_by,
    ) -> None:
        """Limit to `wait_s` in total how long blocks that the node does not know yet may hold a partition up."""
        self._writer = writer
        self._judge = judge
        self._sending = sending
        self._signer = signer
        self._limits = limits
        self._patience = WaitBudget(wait_s, clock)
        self._reach = reach
        self._queues: dict[ShardId, deque[Delivered]] = {}

    def put(self, records: list[Delivered]) -> None:
        """Queue records that have arrived."""
        for record in records:
            self._queues.setdefault(record.shard, deque()).append(record)

    async def serve(self, look: SignerView) -> bool:
        """Answer what can be answered at this head; return whether something waits for the next.

        What is signed goes out while the next intent is judged. Raises: NodeError, InfrastructureError.
        """
        async with self._sending.delivery as delivery:
            for shard, queue in self._queues.items():
                while queue and not delivery.has_failed and await self._answered(queue[0], look):
                    queue.popleft()
                    self._patience.release(shard)
        await self._writer.publish()
        return any(self._queues.values())

    async def _answered(self, record: Delivered, look: SignerView) -> bool:
        """Answer one record; False: it cannot be answered yet."""
        try:
            intent = decode_intent(record.payload, where=record.where)
        except MalformedRecordError as error:
            self._put_aside(record, str(error))
            return True
        except NewerRecordError as error:
            self._refuse_newer(record, look, str(error))
            return True
        if not isinstance(intent, SubmitTransaction) or intent.signer != self._signer:
            self._read(record)
            return True
        try:
            await self._answer(intent, record, look)
        except NotYet as why:
            if not self._patience.is_spent(record.shard):
                return False
            self._refuse(intent, record, look, Refusal("orphaned", f"{why}, and its partition waited enough"))
        except Refusal as refusal:
            self._refuse(intent, record, look, refusal)
        return True

    async def _answer(self, intent: SubmitTransaction, record: Delivered, look: SignerView) -> None:
        check_form(intent, record.shard)
        known = self._writer.state.intents.get(intent.digest)
        if known is not None and known.outcome in _HAS_EFFECT:
            # the same intent, made again on the same block; to refuse it would say that nothing comes of it
            log.info("an intent came again", intent=intent.digest, where=record.where, outcome=known.outcome)
            self._read(record)
            return
        if known is not None:
            raise Refusal("already_closed", f"it ended as {known.outcome}")
        approved = await self._judge.judge(intent, self._writer.state, look)
        self._reach("simulate")
        self._judge.check_stop(intent)
        self._sending.bind(intent, record.shard, approved, look)
        self._read(record)

    def _refuse(
        self, intent: SubmitTransaction, record: Delivered, look: SignerView, refusal: Refusal
    ) -> None:
        digest = digest_of(intent.id)
        known = None if digest is None else self._writer.state.intents.get(digest)
        if digest is None or (known is not None and known.outcome in _HAS_EFFECT):
            # the name of another's intent must not be used to say that nothing comes of it
            self._put_aside(record, str(refusal))
            return
        if known is None:
            until = keep_until(intent.made_at.number, look, self._limits)
            self._note_refused(digest, record, intent.position[:_LONGEST_NAME], until)
        self._report(digest, record, refusal)

    def _refuse_newer(self, record: Delivered, look: SignerView, why: str) -> None:
        """Refuse an intent for this signer that a newer worker made: its meaning must not be guessed. The plan makes another one."""
        intent_id, signer = id_and_signer(record.payload)
        digest = digest_of(intent_id)
        if signer and signer != self._signer:
            self._read(record)
        elif digest is None or not signer or digest in self._writer.state.intents:
            self._put_aside(record, why)
        else:
            self._note_refused(digest, record, "", keep_until(look.head.number, look, self._limits))
            self._report(digest, record, Refusal("malformed", why))

    def _note_refused(self, digest: str, record: Delivered, position: str, until: BlockNumber) -> None:
        self._writer.note_intent(
            IntentKnown(
                signer=self._signer,
                intent=digest,
                shard=record.shard,
                position=position,
                outcome="refused",
                keep_until_block=until,
            )
        )

    def _report(self, digest: str, record: Delivered, refusal: Refusal) -> None:
        log.warning("refused", intent=digest, reason=refusal.reason, detail=refusal.detail)
        self._writer.note_report(
            digest, IntentRefused(intent=digest, reason=refusal.reason, detail=refusal.detail)
        )
        self._read(record)

    def _put_aside(self, record: Delivered, error: str) -> None:
        log.error("no intent", where=record.where, error=error)
        self._writer.note_letter(record, error)
        self._read(record)

    def _read(self, record: Delivered) -> None:
        self._writer.note_read(record)
