"""Decide whether an intent may be signed at this head: the checks in one order, the cheap ones first."""

import asyncio
from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec

from pipeline.errors import CallRevertedError
from pipeline.messages.base import BlockRef
from pipeline.messages.journal import Charge, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import FeeMarket, Fees, Stop, first_fees
from pipeline.sign.nonces import Account, is_cancelling
from pipeline.units import Address, BlockNumber, Hash, Wei
from streams.submit.budgeting import check_budget, check_gas
from streams.submit.calldata import actions_in, known_calls, latest_deadline_s, venue_at, with_risk_alone
from streams.submit.data_fee import check_gas_limit, data_fee_wei
from streams.submit.limits import SignerLimits
from streams.submit.node import SenderNode, SignerView
from streams.submit.sequencer import OutageCheck
from streams.submit.signer_state import SignerState
from streams.submit.simulation import Effect, check_minimums, simulate
from streams.submit.uncounted_transfers import refuse_strange_transfers
from streams.submit.venues.port import JudgedIntent, Judging, KnownCall, NeedsSecuring
from streams.submit.venues.registry import venues_of
from streams.submit.verdict import CallFailed, NotYet, Refusal, Unpriced

_LONGEST_VERSION = 80


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """An intent may be signed now, at these fees."""

    effect: Effect
    fees: Fees
    charge: Charge


class Judge:
    """Judges intents by the journal, the chain and the signer's own limits; what an intent says can only count against it."""

    def __init__(
        self,
        node: SenderNode,
        limits: SignerLimits,
        *,
        multicall: Address,
        stop_of: Callable[[SubmitTransaction], Stop | None],
    ) -> None:
        """Take what does not change while the process runs."""
        self._node = node
        self._limits = limits
        self._multicall = multicall
        self._stop_of = stop_of
        self._venues = venues_of(limits)
        judging = Judging(node, multicall, limits, self._prices)
        self._appraisers = {venue.name: venue.bind(judging) for venue in self._venues}
        debts = [each for each in self._appraisers.values() if isinstance(each, NeedsSecuring)]
        self._outage = OutageCheck(node, limits.sequencer, debts)
        self._outdated_of: tuple[Hash, tuple[str, ...]] | None = None
        self._outdated: dict[str, Stop] = {}

    async def judge(self, intent: SubmitTransaction, memory: SignerState, look: SignerView) -> Approved:
        """Judge an intent whose form was checked. Raises: Refusal, NotYet, NodeError."""
        assert memory.account is not None
        self._check_owner(intent)
        self._check_policy(intent)
        self._check_way(intent)
        self.check_stop(intent)
        self._check_age(intent, look)
        await self._check_branch(intent, look)
        _check_before(intent, memory)
        _check_exclusive(intent, memory.account)
        calls = known_calls(intent, self._venues)
        self._check_deadline(latest_deadline_s(calls), look)
        await self._outage.check(calls, intent.owner, look.head)
        fees = self._first_fees(intent, look)
        data_wei = await data_fee_wei(self._node, intent, self._limits, look.head.hash)
        gas_wei = intent.call.gas_limit * fees.max_fee_wei + data_wei
        check_gas(intent, gas_wei, memory.account, look, self._limits)
        effect = await self._simulated(intent, calls, memory.account, look)
        await check_gas_limit(self._node, intent, effect.gas_used, self._limits, look.head.hash)
        check_minimums(intent, effect)
        at_worst = await self._at_worst(intent, calls, memory.account, look)
        judged = JudgedIntent(intent=intent, calls=calls, effect=effect, at_worst=at_worst, head=look.head)
        charge = await self._charged(judged, data_wei)
        check_budget(charge, memory.account, look, self._limits)
        return Approved(effect=effect, fees=fees, charge=charge)

    async def outdated(self, account: Account, look: SignerView) -> dict[str, Stop]:
        """List, by digest, the pending intents that the prices of this head no longer allow: their minimums do not follow the price.

        What is outdated is not bumped but cancelled, once it is stuck. Raises: NodeError.
        """
        waiting = tuple(bound for bound in account.waiting() if not is_cancelling(bound))
        key = (look.head.hash, tuple(bound.intent.digest for bound in waiting))
        if key != self._outdated_of:
            found = {}
            for bound in waiting:
                try:
                    await self._check_again(bound, account, look)
                except Refusal as refusal:
                    found[bound.intent.digest] = Stop(why=f"outdated: {refusal}", cancels=False)
            self._outdated_of, self._outdated = key, found
        return self._outdated

    async def _check_again(self, bound: NonceBound, account: Account, look: SignerView) -> None:
        """Simulate a pending intent behind those before it, and check what depends on prices. Raises: Refusal, NodeError."""
        calls = known_calls(bound.intent, self._venues)
        if not any(call.follows_prices for call in calls):
            return
        await self._outage.check(calls, bound.intent.owner, look.head)
        before = tuple(each for each in account.nonces if each.nonce < bound.nonce)
        account = msgspec.structs.replace(account, nonces=before)
        effect = await self._simulated(bound.intent, calls, account, look)
        judged = JudgedIntent(intent=bound.intent, calls=calls, effect=effect, head=look.head)
        await self._charged(judged, Wei(0))

    def check_stop(self, intent: SubmitTransaction) -> None:
        """Check that no pause stops an intent: before it is judged, and again right before it is signed. Raises: Refusal."""
        stop = self._stop_of(intent)
        if stop is not None:
            raise Refusal("paused", stop.why)

    def market(self, look: SignerView) -> FeeMarket:
        """Return the chain's fees, with at least our own tip."""
        return FeeMarket(
            base_fee_wei=look.next_base_fee_wei, tip_wei=max(look.tip_wei, self._limits.min_tip_wei)
        )

    def last_block(self, intent: SubmitTransaction) -> BlockNumber:
        """Return the last block at which an intent may be signed."""
        return BlockNumber(intent.made_at.number + min(intent.max_age_blocks, self._limits.max_age_blocks))

    # -------------------------------------------------------------- whose, when
    def _check_owner(self, intent: SubmitTransaction) -> None:
        if intent.owner != intent.signer:
            raise Refusal(
                "limits",
                f"owner {intent.owner} is not signer {intent.signer}: acting through a Safe is not supported yet",
            )

    def _check_way(self, intent: SubmitTransaction) -> None:
        """Refuse a private intent unless everything that is signed goes to a relay alone."""
        if intent.is_private and not self._limits.stays_private:
            raise Refusal(
                "limits",
                "it must go privately: that takes a send_url, and no public_after_blocks, in the signer's file",
            )

    def _check_policy(self, intent: SubmitTransaction) -> None:
        """Refuse an intent whose policy the file does not name: anybody may have written one to a log since."""
        pinned = self._limits.policies
        if pinned is None:
            return
        wanted = pinned.get(intent.book)
        if wanted is None:
            raise Refusal("limits", f"book {intent.book} is not among the policies of the signer's file")
        if intent.policy_version != wanted:
            raise Refusal(
                "limits",
                f"it is made under policy {intent.policy_version[:_LONGEST_VERSION]} of {intent.book}, "
                f"the signer's file names {wanted}",
            )

    def _check_age(self, intent: SubmitTransaction, look: SignerView) -> None:
        last = self.last_block(intent)
        if look.head.number > last:
            raise Refusal("expired", f"the head is {look.head.number}, it may be signed up to block {last}")
        if look.head.timestamp_s > intent.deadline_s:
            raise Refusal(
                "expired", f"the head's time is {look.head.timestamp_s}, its deadline {intent.deadline_s}"
            )
        self._check_deadline(intent.deadline_s, look)

    def _check_deadline(self, deadline_s: int | None, look: SignerView) -> None:
        """Limit how long an intent may stay valid, whatever it asks for: nothing may be mined at the prices of another day."""
        most_s = look.head.timestamp_s + self._limits.max_deadline_s
        if deadline_s is not None and deadline_s > most_s:
            raise Refusal("limits", f"it may be mined until {deadline_s}, at most until {most_s}")

    async def _check_branch(self, intent: SubmitTransaction, look: SignerView) -> None:
        made_at, head = intent.made_at, look.head
        if made_at.number > head.number + self._limits.max_ahead_blocks:
            raise Refusal("orphaned", f"block {made_at.number} is far above the head, {head.number}")
        if made_at.number > head.number:
            raise NotYet(f"block {made_at.number} is not known yet, the head is {head.number}")
        if made_at.number == head.number:
            found: Hash | None = head.hash
        else:
            found = await self._node.block_hash(made_at.number)
        if found is None:
            raise NotYet(f"block {made_at.number} is not known any more, the head was {head.number}")
        if found != made_at.hash:
            raise Refusal("orphaned", f"block {made_at.number} is {found} now, it was made at {made_at.hash}")

    # -------------------------------------------------------------- gas
    def _first_fees(self, intent: SubmitTransaction, look: SignerView) -> Fees:
        market, caps = self.market(look), self._limits.fees.caps(intent)
        fees = first_fees(market, caps)
        if fees is None:
            raise Refusal(
                "market",
                f"the next block asks {market.base_fee_wei} wei a gas, the cap is {caps.max_fee_wei}",
            )
        return fees

    # -------------------------------------------------------------- what it does
    async def _simulated(
        self, intent: SubmitTransaction, calls: tuple[KnownCall, ...], account: Account, look: SignerView
    ) -> Effect:
        here = venue_at(intent.call.to, self._venues)
        ahead = asyncio.create_task(self._appraisers[here.name].read_ahead(calls, look.head))
        try:
            effect = await self._run(intent, account, look)
            await ahead
        finally:
            ahead.cancel()  # of what is refused nothing more is asked
            await asyncio.gather(ahead, return_exceptions=True)
        return effect

    async def _at_worst(
        self, intent: SubmitTransaction, calls: tuple[KnownCall, ...], account: Account, look: SignerView
    ) -> Effect | None:
        """Simulate a call that adds risk behind none but such calls: what secures a debt may revert. None where it fails so."""
        if not (account.waiting() and any(call.adds_risk for call in calls)):
            return None
        try:
            return await self._run(intent, with_risk_alone(account, self._venues), look)
        except CallFailed:
            return None

    async def _run(self, intent: SubmitTransaction, account: Account, look: SignerView) -> Effect:
        try:
            return await simulate(
                self._node,
                intent,
                account,
                look,
                tokens=self._limits.tokens,
                multicall=self._multicall,
                block_s=self._limits.block_s,
                questions=venue_at(intent.call.to, self._venues).questions(intent.owner),
            )
        except CallRevertedError as error:
            raise Refusal("simulation", f"it cannot be run: {error}") from None

    async def _prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Ask every venue for a token's value in the budget's token. Raises: Refusal where none knows, NodeError."""
        if token == self._limits.budget.token:
            return [Fraction(1)]
        found = [price for each in self._appraisers.values() for price in await each.prices(token, head)]
        if not found:
            raise Unpriced("market", f"no venue of the signer's file prices {token} in the budget's token")
        return found

    async def _charged(self, judged: JudgedIntent, data_wei: Wei) -> Charge:
        """Let the intent's venue check its limits, and the others check that nothing at them changes. Raises: Refusal."""
        intent, effect = judged.intent, judged.effect
        here = venue_at(intent.call.to, self._venues)
        refuse_strange_transfers(intent.owner, effect, here)
        for venue in self._venues:
            moved = None if venue is here else venue.touched(intent.owner, effect)
            if moved is not None:
                raise Refusal("limits", f"it also changes {moved}, which a call of {here.name} has no say in")
        cost = await self._appraisers[here.name].appraise(judged)
        return Charge(
            token=self._limits.budget.token,
            loss=cost.loss,
            notional=cost.notional,
            actions=actions_in(judged.calls),
            data_fee_wei=data_wei,
        )


def _check_before(intent: SubmitTransaction, memory: SignerState) -> None:
    """Check that the intent which this one follows was signed and is not being cancelled."""
    if intent.after is None:
        return
    before = memory.intents.get(intent.after)
    if before is None:
        raise Refusal("predecessor", f"it follows {intent.after}, which is not known here")
    bound = memory.nonce_of(intent.after)
    if before.outcome in {"refused", "dropped"} or (bound is not None and is_cancelling(bound)):
        raise Refusal("predecessor", f"it follows {intent.after}, of which nothing comes")


def _check_exclusive(intent: SubmitTransaction, account: Account) -> None:
    """Allow one intent at a time to act on a position, except those that follow each other."""
    waiting = {bound.intent.digest: bound for bound in account.waiting()}
    chain: set[str] = set()
    before: NonceBound | None = waiting.get(intent.after or "")
    while before is not None and before.intent.digest not in chain:
        chain.add(before.intent.digest)
        before = waiting.get(before.intent.after or "")
    for digest, bound in waiting.items():
        if bound.intent.position == intent.position and digest not in chain:
            raise Refusal("already_open", f"{digest} acts on {intent.position} and is in no block yet")
