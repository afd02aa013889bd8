"""Carry out one proposal on a fork with the code that runs live books, on a copy of the shard."""

from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from pipeline import keys
from pipeline.advance.books import stock_of
from pipeline.book.pricing import pair_price
from pipeline.decide.gates import deviation_bps
from pipeline.decide.hedging import position_of
from pipeline.drive import drive
from pipeline.errors import PipelineError
from pipeline.follow.due_reads import wanted
from pipeline.hedge.port import SETTLE
from pipeline.messages.base import Output
from pipeline.messages.decisions import Declined, PlanClosed, PlanStalled, RebalanceProposed, StepRefused
from pipeline.messages.dry_run import (
    BalanceChange,
    DryRun,
    DryRunOutcome,
    DryRunStep,
    Inventory,
    NewPosition,
    OrderAwaited,
)
from pipeline.messages.effects import Intent, Plan, Untried
from pipeline.messages.events import AnyEvent, BlockSeen, IntentRefused
from pipeline.messages.goals import RESET
from pipeline.messages.outcomes import Done, NeverSent, StallReason
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.units import NATIVE, Address, BookId, Offset, RawAmount, Seconds, Wei
from pipeline.venues.registry import kind_of, venues_of
from pipeline.venues.wallet.forms import Balance
from streams.outcome_words import outcome_text
from streams.rehearse.before import take_back, with_all_native_balances
from streams.rehearse.port import Fork, NotTried

MOST_BLOCKS = 100
"""More than any plan needs that goes on at all."""
_READ_ROUNDS = 4
"""A read may want others: an owner's list its positions."""


class Trial:
    """A shard of our own, the fork that it follows, and the proposal's result so far."""

    def __init__(
        self, shard: Shard, book: BookId, untried: Untried, offset: Offset, event: BlockSeen
    ) -> None:
        """Rewind the shard to before the proposal's block, whose record is at an offset. Raises: NotTried."""
        self._shard, self._book, self._untried = shard, book, untried
        self.block_s: Seconds = take_back(shard, book, untried, offset, event)
        self._event = with_all_native_balances(shard.tables, event)
        self.policy = shard.tables.need(keys.policy(book), Policy)
        self._said: list[Output] = []
        self._steps: list[DryRunStep] = []
        self._sent: dict[str, SubmitTransaction] = {}
        self._refusals: list[str] = []
        self._blocks = 0
        self._lent_wei = Wei(0)
        self._before: Inventory | None = None
        self._held: dict[Address, RawAmount] = {}
        self._had_positions: frozenset[str] = frozenset()

    async def run(self, fork: Fork) -> DryRun:
        """Carry the proposal out until its plan ends, waits for others, or a number of blocks have passed. Raises: NotTried, NodeError."""
        commands = self._begin(await fork.as_live(self._shard.tables, self._event))
        while not self._closed():
            awaited = None if commands else self._awaited()
            if awaited is not None:
                return self.told("waits", awaits=awaited)
            if self._blocks == MOST_BLOCKS:
                return self.told(
                    "stalled", self._last_stall() or f"not at its end after {MOST_BLOCKS} blocks"
                )
            commands = await self._next_block(fork, commands)
        return self._ended()

    def told(
        self,
        outcome: DryRunOutcome,
        reason: str = "",
        refusal: StallReason | None = None,
        awaits: OrderAwaited | UnsetType = UNSET,
    ) -> DryRun:
        """Return the result so far."""
        return DryRun(
            outcome=outcome,
            reason=reason,
            refusal=refusal,
            blocks=self._blocks,
            steps=tuple(self._steps),
            changes=self._changes() if self._before else (),
            new_positions=self._new_positions() if self._before else (),
            before=self._before,
            after=self._inventory() if self._before else None,
            lent_wei=self._lent_wei,
            awaits=awaits,
        )

    # -------------------------------------------------------------- what happens
    def _begin(self, event: BlockSeen) -> list[SubmitTransaction]:
        """Apply the proposal's block to a live book, which must propose the same and open a plan. Raises: NotTried."""
        outputs = self._apply([event])
        proposed = [o.id.rpartition(".")[2] for o in outputs if isinstance(o, RebalanceProposed)]
        if proposed != [self._untried.proposal]:
            declined = [f"{o.gate}: {o.reason}" for o in outputs if isinstance(o, Declined)]
            raise NotTried("refused", "; ".join(declined) or "the shard does not propose it any more")
        self._before = self._inventory()
        self._held = self._balances()
        self._had_positions = frozenset(self._positions())
        refused = next((o for o in outputs if isinstance(o, StepRefused)), None)
        if refused is not None:
            raise NotTried("refused", f"{refused.reason}: {refused.detail}", refused.reason)
        return self._commands(outputs)

    async def _next_block(self, fork: Fork, commands: list[SubmitTransaction]) -> list[SubmitTransaction]:
        for command in commands:
            reports = await fork.send(command)
            self._refusals += [r.detail for r in reports if isinstance(r, IntentRefused)][:1]
            self._apply(reports)
        self._lent_wei = fork.lent_wei
        block = await fork.mine(self._shard.tables)
        self._blocks += 1
        outputs = self._apply([block])
        self._note_steps(block)
        for _ in range(_READ_ROUNDS):
            wants = wanted(self._shard.tables)
            if not wants:
                break
            outputs += self._apply(await fork.read(self._shard.tables, wants))
        return self._commands(outputs)

    def _apply(self, events: Iterable[AnyEvent]) -> list[Output]:
        outputs = drive(self._shard, events)
        self._said += outputs
        return outputs

    def _commands(self, outputs: list[Output]) -> list[SubmitTransaction]:
        commands = [output for output in outputs if isinstance(output, SubmitTransaction)]
        self._sent |= {command.digest: command for command in commands}
        return commands

    # -------------------------------------------------------------- how it ends
    def _closed(self) -> PlanClosed | None:
        return next((output for output in self._said if isinstance(output, PlanClosed)), None)

    def _awaited(self) -> OrderAwaited | None:
        """Return the order that the plan waits for: whoever executes it on the chain does nothing on a fork."""
        shard, policy = self._shard, self.policy
        plan = shard.tables.find(keys.plan(self._book), Plan)
        if plan is None or plan.stalled_phase != SETTLE:
            return None
        order = position_of(shard, policy).order
        if order is None or not order.waits:
            return None
        later = plan.names[plan.names.index(SETTLE) + 1 :]
        return OrderAwaited(
            phase=SETTLE, order=order, not_tried=tuple(each for each in later if each != RESET)
        )

    def _last_stall(self) -> str:
        stalls = [f"{o.phase}: {o.reason}: {o.detail}" for o in self._said if isinstance(o, PlanStalled)]
        return "; ".join((*stalls[-1:], *self._refusals[:1]))

    def _ended(self) -> DryRun:
        closed = self._closed()
        assert closed is not None
        awaited = self._awaited()
        if awaited is not None:
            return self.told("waits", awaits=awaited)
        if isinstance(closed.outcome, Done):
            return self.told("done", self._last_stall())
        text = outcome_text(closed.outcome)
        if isinstance(closed.outcome, NeverSent):
            return self.told("failed", "; ".join((text, *self._refusals[:1])))
        return self.told("stalled", self._last_stall() or text)

    # -------------------------------------------------------------- what it came to
    def _note_steps(self, block: BlockSeen) -> None:
        """List our transactions in the block: a receipt belongs to an intent by its hash."""
        ours = self._hashes()
        self._steps += [
            DryRunStep(
                step=ours[receipt.transaction_hash].step,
                at_block=block.block.number,
                succeeded=receipt.succeeded,
                gas_used=receipt.gas_used,
                cost_wei=Wei(receipt.gas_used * receipt.effective_gas_price_wei),
            )
            for receipt in block.receipts
            if receipt.transaction_hash in ours
        ]

    def _hashes(self) -> dict[str, SubmitTransaction]:
        intents = self._shard.tables.group(keys.intent.family, Intent)
        return {
            hash_: self._sent[digest]
            for key, intent in intents
            if (digest := keys.intent.parse(key)[0]) in self._sent
            for hash_ in intent.hashes
        }

    def _inventory(self) -> Inventory | None:
        try:
            stock = stock_of(self._shard, self.policy)
        except PipelineError:
            return None
        return Inventory(
            holdings=stock.holdings,
            base_amount=stock.base_amount,
            quote_amount=stock.quote_amount,
            value_quote=stock.value_quote,
            price=pair_price(self.policy, stock.base_price),
            base_share_bps=stock.base_share_bps,
            deviation_bps=deviation_bps(stock, self.policy),
        )

    def _balances(self) -> dict[Address, RawAmount]:
        tokens = (*(token.address for token in self.policy.tokens), NATIVE)
        found = {
            token: self._shard.tables.find(keys.balance(self.policy.owner, token), Balance)
            for token in tokens
        }
        return {token: balance.amount for token, balance in found.items() if balance is not None}

    def _changes(self) -> tuple[BalanceChange, ...]:
        has = self._balances()
        return tuple(
            BalanceChange(token=token, delta=RawAmount(has[token] - had))
            for token, had in self._held.items()
            if has.get(token, had) != had
        )

    def _positions(self) -> dict[str, NewPosition]:
        """List the book's positions that provide liquidity, by item."""
        shard, policy = self._shard, self.policy
        return {
            held.item: NewPosition(venue=kind_of(policy.chain, venue), terms=held.terms())
            for venue in venues_of(policy.chain)
            if venue.views is not None
            for held in venue.views.shown_items(shard, policy)
            if held.provides_liquidity
        }

    def _new_positions(self) -> tuple[NewPosition, ...]:
        return tuple(
            position for item, position in self._positions().items() if item not in self._had_positions
        )
