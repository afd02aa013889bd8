"""A sender for the toy chain: real nonces, fee offers and order of intents, and a miner who may leave out transactions."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from builders import OWNER, ToyChain
from toy_signer import ToySigner

from pipeline.errors import OutOfRangeError
from pipeline.messages.base import Receipt
from pipeline.messages.events import (
    AnyEvent,
    CancellationSigned,
    Dropped,
    IntentRefused,
    Sent,
    Signed,
)
from pipeline.messages.journal import NO_CHARGE, Attempt, Inclusion, IntentKnown, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import FeeMarket, FeeRules, Replace, due
from pipeline.sign.nonces import (
    Account,
    ChainView,
    add_attempt,
    bind,
    mark_sent,
    new_account,
    reconcile,
    retire,
    status,
)
from pipeline.units import Address, BlockNumber, Hash, ShardId, Wei
from pipeline.venues.uniswap_v3.calldata import read_calls
from streams.submit import judge
from streams.submit.signer_state import SignerState
from streams.submit.verdict import Refusal

Wants = Callable[[Attempt], bool]
RULES = FeeRules(
    bump_after_blocks=200,
    max_fee_per_gas_wei=Wei(10**13),
    cancel_max_fee_per_gas_wei=Wei(10**15),
    max_tip_wei=Wei(10**15),
    max_gas_wei=Wei(10**24),
    max_gas_wei_per_day=Wei(10**26),
)
MARKET = FeeMarket(base_fee_wei=Wei(10**9), tip_wei=Wei(10**9))
_GAS, _GAS_PRICE_WEI = 100_000, 10**9
TOY_GAS_WEI = _GAS * _GAS_PRICE_WEI
"""Of each transaction."""
_DEADLINE_AT = {"mint": 10, "decreaseLiquidity": 4}


def everything(_: Attempt) -> bool:
    return True


class ToySender:
    """A sender that signs in order of arrival, sends again and cancels like the real one; it knows the chain by its head alone."""

    def __init__(self, *, final_depth: int = 12) -> None:
        self.memory = SignerState(account=new_account(OWNER, 0))
        self.final_depth = final_depth
        self.refusals: list[Refusal] = []
        self.cancelled = 0
        self.reverts: Wants = lambda _: False
        """Which transactions fail in their block, whatever they say."""

    @property
    def account(self) -> Account:
        """Return its nonces, as it knows them."""
        assert self.memory.account is not None
        return self.memory.account

    # -------------------------------------------------------------- at a head
    def serve(self, chain: ToyChain, intents: Iterable[SubmitTransaction]) -> list[AnyEvent]:
        """Read the head, handle waiting transactions, and answer new intents."""
        said = [*self._follow(chain), *self._tend(chain)]
        for intent in intents:
            try:
                self._judge(chain, intent)
            except Refusal as refusal:
                self.refusals.append(refusal)
                self._note(intent, "refused", chain)
                said.append(IntentRefused(intent=intent.digest, reason=refusal.reason, detail=refusal.detail))
            else:
                said += self._sign(chain, intent)
        return said

    def _follow(self, chain: ToyChain) -> list[AnyEvent]:
        view = ChainView(head=chain.head, nonce=len(mined_in(chain)), inclusions=mined_in(chain))
        account = reconcile(self.account, view)
        self.memory.account, gone = retire(account, chain.head, self.final_depth)
        said: list[AnyEvent] = []
        for bound in gone:
            digest, cancelled = bound.intent.digest, status(bound) == "cancelled"
            self._note(bound.intent, "dropped" if cancelled else "final", chain)
            if cancelled:
                said.append(
                    Dropped(intent=digest, cause="cancelled", detail=f"nonce {bound.nonce} was cancelled")
                )
        for known in self.memory.forgettable(chain.head.number):
            del self.memory.intents[known.intent]
        return said

    def _tend(self, chain: ToyChain) -> list[AnyEvent]:
        said: list[AnyEvent] = []
        for each in due(self.account, chain.head, MARKET, RULES, offered_at={}):
            if isinstance(each, Replace):
                bound = next(b for b in self.account.nonces if b.nonce == each.nonce)
                attempt = _attempt(bound.intent, each.nonce, len(bound.attempts), cancels=each.cancels)
                self._add(chain, each.nonce, attempt)
                self.cancelled += each.cancels
                report = CancellationSigned if each.cancels else Signed
                said.append(
                    report(
                        intent=bound.intent.digest,
                        nonce=each.nonce,
                        transaction_hash=attempt.transaction_hash,
                    )
                )
        return said

    def _add(self, chain: ToyChain, nonce: int, attempt: Attempt) -> None:
        account = add_attempt(self.account, nonce, attempt)
        self.memory.account = mark_sent(account, attempt.transaction_hash, chain.head.number)

    def _judge(self, chain: ToyChain, intent: SubmitTransaction) -> None:
        if chain.head.number > intent.made_at.number + intent.max_age_blocks:
            raise Refusal("expired", "a test")
        if branch_of(chain).get(intent.made_at.number) != intent.made_at.hash:
            raise Refusal("orphaned", "a test")
        judge._check_before(intent, self.memory)
        judge._check_exclusive(intent, self.account)
        trial = copy.deepcopy(chain)
        trial.mine(0)
        for bound in self.account.waiting():
            run(trial, bound, bound.attempts[-1])
        if not _runs(trial, intent):
            raise Refusal("simulation", "it reverts behind what waits")

    def _sign(self, chain: ToyChain, intent: SubmitTransaction) -> list[AnyEvent]:
        nonce = self.memory.account.next_nonce
        attempt = _attempt(intent, nonce, 0)
        self.memory.account = bind(self.account, intent, attempt, chain.head, NO_CHARGE)
        self.memory.account = mark_sent(self.account, attempt.transaction_hash, chain.head.number)
        self._note(intent, "open", chain)
        at: dict[str, Any] = {"intent": intent.digest, "transaction_hash": attempt.transaction_hash}
        return [Signed(**at, nonce=nonce), Sent(**at)]

    def _note(self, intent: SubmitTransaction, outcome: Any, chain: ToyChain) -> None:
        self.memory.intents[intent.digest] = IntentKnown(
            signer=OWNER,
            intent=intent.digest,
            shard=ShardId(0),
            position=intent.position,
            outcome=outcome,
            keep_until_block=BlockNumber(chain.head.number + intent.max_age_blocks + self.final_depth),
        )

    # -------------------------------------------------------------- in a block
    def include(self, chain: ToyChain, wants: Wants) -> tuple[Receipt, ...]:
        """Mine, in the order of nonces, the transactions that the miner chooses; those after a left-out one cannot be mined."""
        receipts: list[Receipt] = []
        included = mined_in(chain)
        for bound in self.account.nonces:
            if bound.nonce < len(included):
                continue
            attempt = next((a for a in reversed(bound.attempts) if wants(a)), None)
            if attempt is None:
                break
            receipts.append(run(chain, bound, attempt, reverts=self.reverts(attempt)))
        return tuple(receipts)


def mined_in(chain: ToyChain) -> dict[Hash, Inclusion]:
    """Return the owner's transactions on a chain's branch, which a copy of the chain does not share."""
    return chain.__dict__.setdefault("own", {})


def branch_of(chain: ToyChain) -> dict[int, str]:
    """Return the hashes of a chain's blocks by number."""
    return chain.__dict__.setdefault("branch", {})


def run(chain: ToyChain, bound: NonceBound, attempt: Attempt, *, reverts: bool = False) -> Receipt:
    """Execute one attempt in the present block, and undo its changes if it reverts."""
    chain.transaction = attempt.transaction_hash
    succeeded = attempt.cancels or (not reverts and _runs(chain, bound.intent))
    chain.transaction = None
    mined_in(chain)[attempt.transaction_hash] = Inclusion(
        transaction_hash=attempt.transaction_hash,
        block_number=chain.head.number,
        block_hash=chain.head.hash,
        succeeded=succeeded,
        paid_wei=Wei(0),
    )
    return Receipt(
        transaction_hash=attempt.transaction_hash,
        transaction_index=0,
        sender=OWNER,
        to=Address(OWNER if attempt.cancels else bound.intent.call.to),
        succeeded=succeeded,
        gas_used=_GAS,
        effective_gas_price_wei=Wei(_GAS_PRICE_WEI),
    )


def _runs(chain: ToyChain, intent: SubmitTransaction) -> bool:
    """Execute an intent's calls, as far as the chain allows."""
    trial = copy.deepcopy(chain)
    try:
        for call in read_calls(intent.call.data):
            place = _DEADLINE_AT.get(call.name)
            deadline_s = call.deadline_s if place is None else call.arguments[place]
            assert deadline_s is None or trial.head.timestamp_s <= deadline_s
            getattr(ToySigner(), f"_{call.name}")(trial, intent, call.arguments)
    except (AssertionError, OutOfRangeError):  # too little comes, or the price is past the limit: it reverts
        return False
    chain.__dict__.update(trial.__dict__)
    return True


def _attempt(intent: SubmitTransaction, nonce: int, place: int, *, cancels: bool = False) -> Attempt:
    kind = "c" if cancels else "a"
    return Attempt(
        transaction_hash=Hash(f"0x{kind}{place:015x}{nonce:032x}{intent.digest.rjust(16, '0')}"),
        raw="0x",
        max_fee_wei=10**10 * 2**place,
        tip_wei=10**9 * 2**place,
        gas_limit=intent.call.gas_limit,
        cancels=cancels,
    )
