"""Check that the bytes bound to a nonce are what was signed for it, from the signed bytes alone."""

from collections.abc import Callable

from pipeline.errors import CalldataError, JournalError
from pipeline.messages.journal import Attempt, NonceBound
from pipeline.units import Address, ChainId
from streams.submit.cancellation import cancellation
from streams.submit.signer import Signer
from streams.submit.unsigned import Unsigned, transaction_of


def checker(signer: Signer, chain_id: ChainId) -> Callable[[NonceBound], None]:
    """Return the function that checks one signer's nonces on one chain."""

    def check(bound: NonceBound) -> None:
        read_bound(bound, signer, chain_id)

    return check


def read_bound(bound: NonceBound, signer: Signer, chain_id: ChainId) -> Unsigned:
    """Check every attempt of a nonce against its call, and return the transaction that was signed first.

    Raises: JournalError naming nonce, attempt and field.
    """
    if not bound.attempts or bound.attempts[0].cancels:
        raise JournalError(f"nonce {bound.nonce}: nothing was signed for its call")
    if (bound.signer, bound.intent.signer) != (signer.address, signer.address):
        raise JournalError(
            f"nonce {bound.nonce}: bound for {bound.signer}, commanded to {bound.intent.signer}"
        )
    signed = [
        _read_attempt(bound, place, attempt, signer, chain_id)
        for place, attempt in enumerate(bound.attempts, start=1)
    ]
    return signed[0]


def _read_attempt(
    bound: NonceBound, place: int, attempt: Attempt, signer: Signer, chain_id: ChainId
) -> Unsigned:
    where = f"nonce {bound.nonce}, attempt {place}"
    try:
        found, signed = signer.read_back(attempt.raw)
    except CalldataError as error:
        raise JournalError(f"{where}: its bytes are not what was signed for it: {error}") from error
    if signed.transaction_hash != attempt.transaction_hash:
        raise JournalError(f"{where}: its bytes hash to {signed.transaction_hash}")
    due = _due(bound, attempt, signer.address, chain_id)
    for field in Unsigned.__struct_fields__:
        was, must = getattr(found, field), getattr(due, field)
        if was != must:
            raise JournalError(f"{where}: its bytes have {field} {_short(was)}, its call has {_short(must)}")
    return found


def _due(bound: NonceBound, attempt: Attempt, signer: Address, chain_id: ChainId) -> Unsigned:
    """Make the transaction that an attempt must consist of."""
    fees = {"max_fee_wei": attempt.max_fee_wei, "tip_wei": attempt.tip_wei}
    if attempt.cancels:
        return cancellation(chain_id, signer, bound.nonce, **fees, gas_limit=attempt.gas_limit)
    return transaction_of(bound.intent.call, chain_id=chain_id, nonce=bound.nonce, **fees)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:40]}… of {len(text)} characters"
