"""Sign, journal, report and send a transaction: the only way in which bytes leave, first, again, or with higher fees."""

from collections.abc import Callable
from typing import Literal

import structlog

from pipeline.errors import SettingsError
from pipeline.messages.events import CancellationSigned, Sent, Signed, Simulated
from pipeline.messages.journal import Attempt, IntentKnown, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import FeeMarket, Replace, Stop, due
from pipeline.sign.nonces import (
    ChainView,
    add_attempt,
    adopt,
    bind,
    mark_refused,
    mark_sent,
    reconcile,
    retire,
    status,
)
from pipeline.units import BlockNumber, ChainId, Hash, ShardId
from streams.submit.delivery import Delivery, ReadyToSend
from streams.submit.intent_end import closed, dropped
from streams.submit.journal_writer import JournalWriter
from streams.submit.judge import Approved
from streams.submit.limits import SignerLimits
from streams.submit.node import SenderNode, SignerView
from streams.submit.send_errors import SendOutcome, refusal_of
from streams.submit.send_routes import SendRoutes
from streams.submit.signer import Signer
from streams.submit.signing import Signing
from streams.submit.waiting_alerts import Waits

log = structlog.get_logger(__name__)

Point = Literal["simulate", "nonce", "journal", "send", "report", "receipt", "final"]
"""After which a test may let the process die."""
POINTS: tuple[Point, ...] = ("simulate", "nonce", "journal", "send", "report")
"""On the way out."""
LATE_POINTS: tuple[Point, ...] = ("receipt", "final")
"""Once its block is there, and once no reorg takes it away."""
Reach = Callable[[Point], None]


def pass_by(point: Point) -> None:
    """Do nothing."""
    del point


class Sending:
    """Brings the signer's nonces into blocks."""

    def __init__(
        self,
        writer: JournalWriter,
        node: SenderNode,
        signer: Signer,
        ways: SendRoutes,
        *,
        chain_id: ChainId,
        limits: SignerLimits,
        reach: Reach = pass_by,
    ) -> None:
        """Take what does not change while the process runs."""
        self._writer = writer
        self._node = node
        self._signer = signer
        self._signing = Signing(signer, chain_id)
        self._ways = ways
        self._limits = limits
        self._reach = reach
        self._offered: dict[int, Hash] = {}
        """By nonce, the head at which this process gave it to the node."""
        self._waits = Waits()
        self.delivery = Delivery(
            writer,
            self._offer_first,
            journalled=lambda: reach("journal"),
            reported=lambda: reach("report"),
        )

    # -------------------------------------------------------------- a new intent
    def bind(self, intent: SubmitTransaction, shard: ShardId, approved: Approved, look: SignerView) -> None:
        """Sign an approved intent with the next nonce; `delivery` sends it."""
        writer = self._writer
        nonce = writer.account.next_nonce
        attempt = self._ways.of_first(self._signing.first(intent, nonce, approved.fees), look.head)
        self._reach("nonce")
        writer.note_account(bind(writer.account, intent, attempt, look.head, approved.charge))
        writer.note_intent(
            IntentKnown(
                signer=self._signer.address,
                intent=intent.digest,
                shard=shard,
                position=intent.position,
                outcome="open",
                nonce=nonce,
                keep_until_block=keep_until(intent.made_at.number, look, self._limits),
                unsaid=(
                    Simulated(intent=intent.digest, at=look.head, gas_used=approved.effect.gas_used),
                    Signed(intent=intent.digest, nonce=nonce, transaction_hash=attempt.transaction_hash),
                ),
            )
        )
        log.info("signed", intent=intent.digest, nonce=nonce, transaction=attempt.transaction_hash)
        self.delivery.put(ReadyToSend(nonce, look))

    async def _offer_first(self, each: ReadyToSend) -> bool:
        bound = self._kept(each.nonce)
        return await self._offer(bound, bound.attempts[0], each.look)

    # -------------------------------------------------------------- nonces that wait
    def follow(self, look: SignerView) -> None:
        """Apply what the chain says of our nonces, and drop final ones; until the next commit this is in memory only.

        A process that dies before that finds the same again on the chain. Raises: ForeignNonceError.
        """
        writer = self._writer
        view = ChainView(head=look.head, nonce=look.nonce, inclusions=look.inclusions)
        account = reconcile(writer.account, view)
        if account is not writer.account:
            self._reach("receipt")
        for bound in account.nonces:  # mined, so it was sent, though nobody told us
            for attempt in bound.attempts:
                if attempt.transaction_hash in look.inclusions and attempt.sent_at_block is None:
                    account = mark_sent(account, attempt.transaction_hash, look.head.number)
                    self._note_sent(bound, attempt)
        account, gone = retire(account, look.head, self._limits.final_depth_blocks)
        if account is not writer.account:
            writer.note_account(account)
        for bound in gone:
            self._close(bound)
            self._reach("final")

    async def recognise(self, look: SignerView) -> bool:
        """Add our own cancellations that were signed without the journal; return whether there were any.

        `evenkeel submit --cancel-all` journals nothing. What it signed is known by its signature. Raises: NodeError.
        """
        writer, signer, known = self._writer, self._signer.address, False
        for bound in writer.account.waiting():
            hashes = {attempt.transaction_hash for attempt in bound.attempts}
            if bound.nonce >= look.nonce or not hashes.isdisjoint(look.inclusions):
                continue
            after = bound.intent.made_at.number  # the nonce was free at a head above it
            used = await self._node.used_nonce(signer, bound.nonce, after=after, upto=look.head.number)
            if used is None or not used.cancels(signer):
                return False
            log.warning(
                "cancelled without the journal", nonce=bound.nonce, transaction=used.signed.transaction_hash
            )
            writer.note_account(add_attempt(writer.account, bound.nonce, used.attempt(look.head.number)))
            digest, hash_ = bound.intent.digest, used.signed.transaction_hash
            writer.note_report(
                digest, CancellationSigned(intent=digest, nonce=bound.nonce, transaction_hash=hash_)
            )
            await writer.commit()
            known = True
        return known

    def adopt(self, look: SignerView) -> bool:
        """Accept, on an operator's request, that the key was used elsewhere; return whether it was, beyond all that is known here.

        Raises: ForeignNonceError where the chain is behind what was final, SettingsError where nobody used it.
        """
        view = ChainView(head=look.head, nonce=look.nonce, inclusions=look.inclusions)
        before = self._writer.account
        account, gone = adopt(before, view)
        if account is before:
            raise SettingsError("--accept-nonce: chain and journal agree on every nonce: leave it out")
        self._writer.note_account(account)
        for bound in gone:
            self._close(bound)
        log.warning("accepted", chain_nonce=look.nonce, next_nonce=account.next_nonce, ended=len(gone))
        return look.nonce > before.next_nonce

    async def tend(
        self, look: SignerView, market: FeeMarket, stop_of: Callable[[SubmitTransaction], Stop | None]
    ) -> None:
        """Resend what the node may have lost, raise fees of stuck nonces, cancel what must not be mined. Raises: InfrastructureError."""
        account = self._writer.account
        for each in due(
            account, look.head, market, self._limits.fees, offered_at=self._offered, stop_of=stop_of
        ):
            bound = account.nonces[each.nonce - account.standing.floor_nonce]
            if isinstance(each, Replace):
                is_taken = await self._replace(bound, each, look)
            else:
                is_taken = await self._offer(bound, each.attempt, look)
            if is_taken:
                await self._writer.publish()
                self._reach("report")

    async def _replace(self, bound: NonceBound, replacement: Replace, look: SignerView) -> bool:
        """Sign a nonce again with higher fees; return whether the node accepted it. Raises: JournalError, InfrastructureError."""
        attempt = self._ways.of_next(self._signing.again(bound, replacement), bound)
        self._reach("nonce")
        writer, digest = self._writer, bound.intent.digest
        writer.note_account(add_attempt(writer.account, bound.nonce, attempt))
        report = CancellationSigned if replacement.cancels else Signed
        writer.note_report(
            digest, report(intent=digest, nonce=bound.nonce, transaction_hash=attempt.transaction_hash)
        )
        await writer.commit()
        self._reach("journal")
        await writer.publish()
        log.warning(
            "cancelling" if replacement.cancels else "bumped",
            intent=digest,
            nonce=bound.nonce,
            max_fee_wei=attempt.max_fee_wei,
        )
        return await self._offer(bound, attempt, look)

    async def _offer(self, bound: NonceBound, attempt: Attempt, look: SignerView) -> bool:
        """Send journalled bytes to the node once they were checked. Whether they are mined is seen at a later head.

        Tells whether it has taken them for the first time, which is then to be reported. Raises: JournalError, InfrastructureError.
        """
        kept = self._kept(bound.nonce)
        attempt = self._signing.checked(kept, attempt.transaction_hash)
        if attempt.cancels:
            await self._ways.withdraw(kept)
        outcome = await self._ways.send(attempt, look.head)
        self._offered[bound.nonce] = look.head.hash
        self._reach("send")
        if outcome.has_it:
            return self._note_taken(bound, attempt, look)
        if attempt.transaction_hash == self._kept(bound.nonce).attempts[-1].transaction_hash:
            await self._note_refused(bound, attempt, outcome, look)
        return False

    def _kept(self, nonce: int) -> NonceBound:
        account = self._writer.account
        return account.nonces[nonce - account.standing.floor_nonce]

    def _note_taken(self, bound: NonceBound, attempt: Attempt, look: SignerView) -> bool:
        writer = self._writer
        self._waits.ended(bound.nonce)
        account = mark_sent(writer.account, attempt.transaction_hash, look.head.number)
        if account is writer.account:
            return False
        writer.note_account(account)
        if attempt.sent_at_block is None:
            self._note_sent(bound, attempt)
        return True

    async def _note_refused(
        self, bound: NonceBound, attempt: Attempt, outcome: SendOutcome, look: SignerView
    ) -> None:
        """Record a node's refusal in the journal, so that the next process offers no more than this one would."""
        writer = self._writer
        self._waits.note(bound.nonce, outcome, look.head)
        refusal = refusal_of(outcome)
        if refusal is not None:
            writer.note_account(mark_refused(writer.account, attempt.transaction_hash, refusal))
            await writer.commit()

    def _note_sent(self, bound: NonceBound, attempt: Attempt) -> None:
        if not attempt.cancels:  # a cancellation is not a transaction of the intent's
            digest = bound.intent.digest
            self._writer.note_report(digest, Sent(intent=digest, transaction_hash=attempt.transaction_hash))

    def _close(self, bound: NonceBound) -> None:
        """End an intent whose nonce is final."""
        writer, digest = self._writer, bound.intent.digest
        self._offered.pop(bound.nonce, None)
        self._waits.ended(bound.nonce)
        known = writer.state.intents[digest]
        if status(bound) == "mined":
            writer.note_intent(closed(known, "final"))
            return
        writer.note_intent(closed(known, "dropped"))
        writer.note_report(digest, dropped(bound))


def keep_until(made_at_block: BlockNumber, look: SignerView, limits: SignerLimits) -> BlockNumber:
    """Return the head above which an intent may be dropped, whatever block it claims: it would be refused as expired."""
    made_at = min(made_at_block, look.head.number)
    return BlockNumber(made_at + limits.max_age_blocks + limits.final_depth_blocks)
