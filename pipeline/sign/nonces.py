"""Follow the nonces of one signer: which are bound, on chain, and final.

A nonce goes reserved -> signed -> sent -> mined or cancelled, and back to sent when its block goes away.
It is reserved only between its choice and the journal's word: what is not journalled was never used.
Nothing here knows a clock: time is the head's number and timestamp. What is due is told by `offers`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from pipeline.errors import BlockUnknownError, ForeignNonceError, JournalError
from pipeline.messages.base import BlockRef
from pipeline.messages.journal import Attempt, Charge, Inclusion, NonceBound, SendRefusal, SignerStanding
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.budget import kept_spent
from pipeline.units import Address, BlockNumber, Hash

Status = Literal["signed", "sent", "mined", "cancelled"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A signer's nonces that are not final yet, from the first of them on without a gap."""

    standing: SignerStanding
    nonces: tuple[NonceBound, ...] = ()

    @property
    def next_nonce(self) -> int:
        """The first nonce for which nothing was ever signed."""
        return self.standing.floor_nonce + len(self.nonces)

    def waiting(self) -> tuple[NonceBound, ...]:
        """List the nonces that are not mined yet, lowest first."""
        return tuple(bound for bound in self.nonces if bound.inclusion is None)

    def of_intent(self, digest: str) -> NonceBound | None:
        """Find the nonce of an intent."""
        return next((bound for bound in self.nonces if bound.intent.digest == digest), None)


def account_of(standing: SignerStanding, nonces: Iterable[NonceBound]) -> Account:
    """Build an account from its journal entries. Raises: JournalError where a nonce is missing."""
    ordered = tuple(sorted(nonces, key=lambda bound: bound.nonce))
    for place, bound in enumerate(ordered, start=standing.floor_nonce):
        if bound.nonce != place:
            raise JournalError(
                f"the journal of {standing.signer} has nonce {bound.nonce} where {place} must be"
            )
    return Account(standing=standing, nonces=ordered)


def new_account(signer: Address, chain_nonce: int, at_block: BlockNumber | None = None) -> Account:
    """Make the account of a signer without a journal: it begins at the chain's nonce."""
    return Account(standing=SignerStanding(signer=signer, floor_nonce=chain_nonce, floor_block=at_block))


def status(bound: NonceBound) -> Status:
    """Return the status of a nonce."""
    if bound.inclusion is not None:
        return "cancelled" if _attempt(bound, bound.inclusion.transaction_hash).cancels else "mined"
    return "sent" if any(attempt.sent_at_block is not None for attempt in bound.attempts) else "signed"


def is_cancelling(bound: NonceBound) -> bool:
    """Return whether a cancellation was signed: nothing else is sent for the nonce any more."""
    return any(attempt.cancels for attempt in bound.attempts)


# ------------------------------------------------------------------ what we do
def bind(
    account: Account, intent: SubmitTransaction, attempt: Attempt, head: BlockRef, charge: Charge
) -> Account:
    """Assign the next nonce to an intent and charge the budget. Its attempt was signed for that nonce."""
    bound = NonceBound(
        signer=account.standing.signer,
        nonce=account.next_nonce,
        intent=intent,
        signed_at_s=head.timestamp_s,
        charge=charge,
        attempts=(attempt,),
    )
    return msgspec.structs.replace(account, nonces=(*account.nonces, bound))


def add_attempt(account: Account, nonce: int, attempt: Attempt) -> Account:
    """Add another signed version, which is to replace the earlier ones."""
    bound = _bound(account, nonce)
    return _with(account, msgspec.structs.replace(bound, attempts=(*bound.attempts, attempt)))


def mark_sent(account: Account, transaction_hash: Hash, at_block: BlockNumber) -> Account:
    """Record that a node accepted an attempt: its age counts from the first time, or from when it came back after a refusal."""

    def sent(attempt: Attempt) -> Attempt:
        if attempt.sent_at_block is not None and attempt.refusal is None:
            return attempt
        return msgspec.structs.replace(attempt, sent_at_block=at_block, refusal=None)

    return _with_attempt(account, transaction_hash, sent)


def mark_refused(account: Account, transaction_hash: Hash, refusal: SendRefusal) -> Account:
    """Record that no node has an attempt, and why; of several refusals of one kind the first is kept."""

    def refused(attempt: Attempt) -> Attempt:
        if attempt.refusal is not None and attempt.refusal.kind == refusal.kind:
            return attempt
        return msgspec.structs.replace(attempt, refusal=refusal)

    return _with_attempt(account, transaction_hash, refused)


# ------------------------------------------------------------------ what the chain says
class ChainView(msgspec.Struct, frozen=True, kw_only=True):
    """A signer's nonce and mined attempts on the chain at one head."""

    head: BlockRef
    nonce: int
    """The number of its transactions on the head's branch."""
    inclusions: Mapping[Hash, Inclusion]
    """The attempts that are mined on that branch."""


def reconcile(account: Account, view: ChainView) -> Account:
    """Record which nonces are mined at a head, and undo that for those that a reorg took out of their block.

    Raises: ForeignNonceError if a nonce was used by a transaction that the journal does not have, BlockUnknownError
    where the node is behind what is final.
    """
    if view.nonce > account.next_nonce:
        raise ForeignNonceError(
            f"{account.standing.signer} has used nonce {view.nonce - 1}, "
            f"but nothing was signed here from nonce {account.next_nonce} on"
        )
    _refuse_behind(account, view)
    nonces = tuple(_reconciled(bound, view) for bound in account.nonces)
    return account if nonces == account.nonces else msgspec.structs.replace(account, nonces=nonces)


def _reconciled(bound: NonceBound, view: ChainView) -> NonceBound:
    inclusion = _inclusion(bound, view)
    if bound.nonce >= view.nonce:
        inclusion = None  # a receipt newer than the nonce: the next look has both
    elif inclusion is None:
        raise ForeignNonceError(
            f"{bound.signer} has used nonce {bound.nonce}, but by none of the {len(bound.attempts)} transactions "
            f"signed here for intent {bound.intent.digest}"
        )
    if inclusion is None and bound.inclusion is not None:
        return msgspec.structs.replace(bound, inclusion=None, attempts=_sent_anew(bound.attempts, view.head))
    return msgspec.structs.replace(bound, inclusion=inclusion)


def _sent_anew(attempts: tuple[Attempt, ...], head: BlockRef) -> tuple[Attempt, ...]:
    """Restart an attempt's age at this block: while it was mined it was not stuck."""
    return (
        *attempts[:-1],
        msgspec.structs.replace(attempts[-1], sent_at_block=head.number, refusal=None),
    )


def _inclusion(bound: NonceBound, view: ChainView) -> Inclusion | None:
    found = (view.inclusions.get(attempt.transaction_hash) for attempt in bound.attempts)
    return next((each for each in found if each is not None), None)


def retire(account: Account, head: BlockRef, final_depth: int) -> tuple[Account, tuple[NonceBound, ...]]:
    """Drop the lowest nonces whose blocks are final."""
    final = head.number - final_depth
    count = 0
    for bound in account.nonces:
        if bound.inclusion is None or bound.inclusion.block_number > final:
            break
        count += 1
    gone = account.nonces[:count]
    if not gone:
        return account, ()
    standing = msgspec.structs.replace(
        account.standing,
        floor_nonce=account.standing.floor_nonce + count,
        floor_block=max(bound.inclusion.block_number for bound in gone if bound.inclusion is not None),
        spent=kept_spent(account.standing, gone, head),
    )
    return Account(standing=standing, nonces=account.nonces[count:]), gone


def adopt(account: Account, view: ChainView) -> tuple[Account, tuple[NonceBound, ...]]:
    """Accept, on an operator's request, nonces that were used elsewhere, and end every intent that was bound up to them.

    The account stays as it is where nobody used any. Raises: ForeignNonceError where the chain is behind what was
    final: a lower nonce must never be bound twice. BlockUnknownError where the node alone is behind.
    """
    _refuse_behind(account, view)
    foreign = [
        bound.nonce
        for bound in account.nonces
        if bound.nonce < view.nonce and _inclusion(bound, view) is None
    ]
    if view.nonce <= account.next_nonce and not foreign:
        return account, ()
    floor = view.nonce if view.nonce > account.next_nonce else foreign[-1] + 1
    gone = tuple(
        msgspec.structs.replace(bound, inclusion=_inclusion(bound, view))
        for bound in account.nonces
        if bound.nonce < floor
    )
    standing = msgspec.structs.replace(
        account.standing,
        floor_nonce=floor,
        floor_block=view.head.number,
        spent=kept_spent(account.standing, gone, view.head),
    )
    return Account(standing=standing, nonces=account.nonces[len(gone) :]), gone


def _refuse_behind(account: Account, view: ChainView) -> None:
    standing = account.standing
    if view.nonce >= standing.floor_nonce:
        return
    if standing.floor_block is not None and view.head.number < standing.floor_block:
        raise BlockUnknownError(
            f"the node is behind: at block {view.head.number}, and by block {standing.floor_block} "
            f"{standing.signer} had used {standing.floor_nonce} nonces"
        )
    raise ForeignNonceError(
        f"{standing.signer} is at nonce {view.nonce} although {standing.floor_nonce} were used and final, at "
        f"block {view.head.number}: another chain, or a reorg deeper than any expected"
    )


# ------------------------------------------------------------------ within an account
def _bound(account: Account, nonce: int) -> NonceBound:
    return account.nonces[nonce - account.standing.floor_nonce]


def _with(account: Account, bound: NonceBound) -> Account:
    place = bound.nonce - account.standing.floor_nonce
    nonces = (*account.nonces[:place], bound, *account.nonces[place + 1 :])
    return msgspec.structs.replace(account, nonces=nonces)


def _with_attempt(account: Account, transaction_hash: Hash, change: Callable[[Attempt], Attempt]) -> Account:
    for bound in account.nonces:
        for place, attempt in enumerate(bound.attempts):
            if attempt.transaction_hash == transaction_hash:
                changed = change(attempt)
                if changed == attempt:
                    return account
                attempts = (*bound.attempts[:place], changed, *bound.attempts[place + 1 :])
                return _with(account, msgspec.structs.replace(bound, attempts=attempts))
    return account


def _attempt(bound: NonceBound, transaction_hash: Hash) -> Attempt:
    return next(attempt for attempt in bound.attempts if attempt.transaction_hash == transaction_hash)
