"""The committed records about plans and intents, and their outcomes by chain and journal."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from chaos.tail import Tail

from pipeline.errors import MalformedRecordError
from pipeline.messages.decisions import (
    PlanClosed,
    PlanOpened,
    PlanRevised,
    PlanStalled,
    ProposalTried,
    StepRefused,
)
from pipeline.messages.events import CancellationSigned, Dropped, IntentRefused, Sent, Signed
from pipeline.messages.goals import RerangeGoal
from pipeline.messages.journal import Attempt, NonceBound
from pipeline.messages.outcomes import AnyPlanOutcome, Done, NeverSent, Stalled
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import ChainId
from streams.devnet.chain import Chain
from streams.kafka.codec import decode_event, decode_intent, decode_journal, decode_output, mark
from streams.kafka.topics import DECISIONS, EVENTS, INTENTS, NONCES

_ONCE = frozenset({"withdraw", "swap", "mint", "supply", "borrow", "sell", "buy", "repay"})
"""Of a plan these have an effect once at most; approvals do not add up."""
_OF_A_PLAN = (PlanOpened, PlanRevised, StepRefused, PlanStalled, PlanClosed)
_REPORTS = tuple(mark(each) for each in (Signed, Sent, CancellationSigned, IntentRefused, Dropped))


class Story:
    """Reads intents, reports, plans and the journal as they are committed."""

    def __init__(self, bootstrap: str, chain_id: ChainId) -> None:
        self._topics = {t.on(chain_id): t.name for t in (INTENTS, EVENTS, DECISIONS, NONCES)}
        self._tail = Tail(bootstrap, list(self._topics))
        self.intents: dict[str, SubmitTransaction] = {}
        self.repeated = 0
        """Intents that were commanded twice under one name."""
        self.hashes: dict[str, set[str]] = defaultdict(set)
        """By intent, of what its shard was told to be signed."""
        self.cancellations: dict[str, set[str]] = defaultdict(set)
        """By intent, of what its shard was told to compete with it."""
        self.ends: dict[str, list[str]] = defaultdict(list)
        """By intent, the reports that ended it."""
        self.sent: set[str] = set()
        self.attempts: dict[str, tuple[str, Attempt]] = {}
        """By hash, all that was ever journalled."""
        self.bound: dict[int, tuple[Attempt, ...]] = {}
        """By nonce, all that was signed for it, in order."""
        self.plans: dict[str, list[AnyPlanOutcome]] = {}
        """By plan, how it was closed, each time."""
        self.opened: dict[str, PlanOpened] = {}
        self.closed: dict[str, PlanClosed] = {}
        """By plan, its last end."""
        self.stalled: set[str] = set()
        self.tried: list[ProposalTried] = []
        self.course: dict[str, list[str]] = defaultdict(list)
        """By plan, what was commanded and refused, in the order in which it was read."""
        self.seen: Counter[str] = Counter()

    async def read(self) -> None:
        """Take what has come. Raises: BrokerAwayError."""
        for record in await self._tail.news():
            if record.value is not None:
                getattr(self, f"_take_{self._topics[record.topic].partition('.')[0]}")(record)

    async def close(self) -> None:
        await self._tail.close()

    def _take_intents(self, record: Any) -> None:
        said = decode_intent(record.value, where=record.where)
        if isinstance(said, SubmitTransaction):
            self.seen["SubmitTransaction"] += 1
            self.repeated += said.digest in self.intents
            self.intents[said.digest] = said
            self.course[said.plan].append(f"{said.made_at.number} {said.step} {said.digest[:6]}")

    def _take_events(self, record: Any) -> None:
        if not any(name in record.value[:200] for name in _REPORTS):
            return
        match decode_event(record.value, where=record.where):
            case Signed(intent=intent, transaction_hash=hash_):
                self.hashes[intent].add(hash_)
            case CancellationSigned(intent=intent, transaction_hash=hash_):
                self.cancellations[intent].add(hash_)
            case Sent(intent=intent):
                self.sent.add(intent)
            case IntentRefused(intent=intent, reason=reason, detail=detail):
                self._end(intent, f"refused: {reason}", detail)
            case Dropped(intent=intent, detail=detail):
                self._end(intent, "dropped", detail)
            case _:
                pass

    def _end(self, intent: str, how: str, detail: str) -> None:
        self.ends[intent].append(how)
        commanded = self.intents.get(intent)
        self.course[commanded.plan if commanded else "?"].append(f"{intent[:6]} {how}: {detail}")

    def _take_decisions(self, record: Any) -> None:
        said = decode_output(record.value, where=record.where)
        self.seen[type(said).__name__] += 1
        match said:
            case PlanOpened(plan=plan):
                self.plans.setdefault(plan, [])
                self.opened[plan] = said
            case PlanClosed(plan=plan, outcome=outcome):
                self.plans.setdefault(plan, []).append(outcome)
                self.closed[plan] = said
            case PlanStalled(plan=plan):
                self.stalled.add(plan)
            case ProposalTried():
                self.tried.append(said)
            case _:
                pass
        if isinstance(said, _OF_A_PLAN):
            at = said.because_of.block
            words = [str(getattr(said, name, "")) for name in ("phase", "outcome", "reason", "detail")]
            told = " ".join([str(at and at.number), type(said).__name__, *filter(None, words)])
            self.course[said.plan].append(told)

    def _take_nonces(self, record: Any) -> None:
        try:
            entry = decode_journal(record.value, where=record.where)
        except MalformedRecordError:  # a forger's
            return
        if isinstance(entry, NonceBound):
            self.bound[entry.nonce] = entry.attempts
            self.attempts |= {a.transaction_hash: (entry.intent.digest, a) for a in entry.attempts}

    @property
    def has_ended_all(self) -> bool:
        """Whether every plan that was opened has been closed."""
        return all(self.plans.values())

    def open_intents(self, mined: set[str]) -> list[str]:
        """List the intents of which nothing has come yet."""
        signed = {d: self.hashes.get(d, set()) | self.cancellations.get(d, set()) for d in self.intents}
        return [d for d in self.intents if not self.ends.get(d) and not signed[d] & mined]

    def summary(self) -> str:
        told = [f"said {dict(self.seen)}, plans {self.plans}"]
        told += [
            f"{d} {i.step} of {i.plan} at {i.made_at.number}: sent {d in self.sent}, ends {self.ends.get(d)}"
            for d, i in list(self.intents.items())[-6:]
        ]
        return "\n".join(told)


# ------------------------------------------------------------------ the truth
class Outcome:
    """What the chain says of all that was ever wanted, once nothing is under way."""

    def __init__(self, story: Story, chain: Chain, owner: str, first_nonce: int) -> None:
        self._story, self._chain = story, chain
        self.mined = {
            hash_: receipt["status"] == "0x1"
            for hash_ in set(story.attempts) | {h for hashes in story.hashes.values() for h in hashes}
            if (receipt := chain.rpc("eth_getTransactionReceipt", hash_)) is not None
        }
        self.nonces_used = nonce_of(chain, owner) - first_nonce

    @property
    def lost(self) -> list[str]:
        """Intents and plans that have no end."""
        mined = set(self.mined)
        open_intents = [f"intent {digest} has no end" for digest in self._story.open_intents(mined)]
        return [*open_intents, *(f"plan {p} has no end" for p, ends in self._story.plans.items() if not ends)]

    @property
    def doubled(self) -> list[str]:
        """Effects that are there twice."""
        return [*self._doubled_intents(), *self._doubled_steps()]

    def _doubled_intents(self) -> Iterator[str]:
        if self._story.repeated:
            yield f"{self._story.repeated} intents were commanded twice"
        per_intent = Counter(
            digest
            for hash_, (digest, a) in self._story.attempts.items()
            if hash_ in self.mined and not a.cancels
        )
        yield from (f"intent {digest} is mined {n} times" for digest, n in per_intent.items() if n > 1)

    def _doubled_steps(self) -> Iterator[str]:
        steps = Counter(
            (self._story.intents[digest].plan, self._story.intents[digest].step)
            for hash_, (digest, a) in self._story.attempts.items()
            if self.mined.get(hash_) and not a.cancels and digest in self._story.intents
        )
        for (plan, step), count in steps.items():
            if count > 1 and step in _ONCE:
                yield f"plan {plan}: {step} succeeded {count} times"

    def wrong(self, minted: int, allowances: dict[str, int]) -> Iterator[str]:
        """Whatever else does not fit together."""
        story = self._story
        ours = [hash_ for hash_ in self.mined if hash_ in story.attempts]
        if self.nonces_used != len(ours):
            yield f"{self.nonces_used} nonces are used, {len(ours)} journalled transactions are mined"
        for digest, said in story.ends.items():
            mined = [
                h for h, (d, a) in story.attempts.items() if d == digest and not a.cancels and h in self.mined
            ]
            if said and mined:
                yield f"intent {digest} ended as {said}, but is mined"
        done = self._steps("mint")
        if minted != len(done):
            yield f"{minted} NFTs were minted, by {len(done)} plans"
        for plan, ends in story.plans.items():
            is_rerange = isinstance(story.opened[plan].goal, RerangeGoal)
            is_done = is_rerange and ends and ends[-1] == Done() and self._end_stands(plan)
            if is_done and plan not in done and plan in self._steps("withdraw"):
                yield f"plan {plan} is done, but minted nothing"
            if ends and isinstance(ends[-1], Stalled) and plan not in story.stalled:
                yield f"plan {plan} ended as {ends[-1]!r} without an alert"
            if ends and isinstance(ends[-1], NeverSent) and plan in self._any_step():
                yield f"plan {plan} was never sent, but something of it is mined"
        last = next(reversed(story.plans.values()), [Done()])
        if last[-1:] == [Done()] and any(allowances.values()):
            yield f"allowances are left: {allowances}"

    def _end_stands(self, plan: str) -> bool:
        """Whether the block of a plan's last end is on the branch: once another plan was opened, nobody takes an end back that a reorg took."""
        at = self._story.closed[plan].because_of.block
        block = at and self._chain.rpc("eth_getBlockByNumber", hex(at.number), False)
        return bool(at and block and block["hash"] == at.hash)

    def _steps(self, step: str) -> set[str]:
        return {plan for plan, each in self._succeeded() if each == step}

    def _any_step(self) -> set[str]:
        return {plan for plan, _ in self._succeeded()}

    def _succeeded(self) -> Iterator[tuple[str, str]]:
        for hash_, (digest, attempt) in self._story.attempts.items():
            intent = self._story.intents.get(digest)
            if self.mined.get(hash_) and not attempt.cancels and intent is not None:
                yield intent.plan, intent.step


def nonce_of(chain: Chain, owner: str) -> int:
    return int(chain.rpc("eth_getTransactionCount", owner, "latest"), 16)
