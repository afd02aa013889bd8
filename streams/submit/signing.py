"""What a signer signs: an intent's call, the same call again, or a cancellation of its nonce."""

import msgspec

from pipeline.messages.journal import Attempt, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Fees, Replace
from pipeline.units import ChainId, Hash
from streams.submit.bound_attempts import read_bound
from streams.submit.cancellation import attempt_of, sign_cancellation
from streams.submit.signer import Signer
from streams.submit.unsigned import transaction_of


class Signing:
    """One signer's key on one chain. Everything signed is read back before it is used."""

    def __init__(self, signer: Signer, chain_id: ChainId) -> None:
        """Bind the key to one chain."""
        self._signer = signer
        self._chain_id = chain_id

    def first(self, intent: SubmitTransaction, nonce: int, fees: Fees) -> Attempt:
        """Sign the call of an intent that was judged."""
        terms = {"max_fee_wei": fees.max_fee_wei, "tip_wei": fees.tip_wei}
        unsigned = transaction_of(intent.call, chain_id=self._chain_id, nonce=nonce, **terms)
        return attempt_of(self._signer, unsigned)

    def again(self, bound: NonceBound, replacement: Replace) -> Attempt:
        """Sign a nonce again: the call of its own signed bytes, as they are read back, or a cancellation. Raises: JournalError."""
        signed, fees = read_bound(bound, self._signer, self._chain_id), replacement.fees
        if not replacement.cancels:
            more = msgspec.structs.replace(signed, max_fee_wei=fees.max_fee_wei, tip_wei=fees.tip_wei)
            return attempt_of(self._signer, more)
        return sign_cancellation(self._signer, self._chain_id, bound.nonce, fees)

    def checked(self, bound: NonceBound, transaction_hash: Hash) -> Attempt:
        """Return an attempt as the journal keeps it, once all bytes of its nonce were read back. Raises: JournalError."""
        read_bound(bound, self._signer, self._chain_id)
        (attempt,) = (each for each in bound.attempts if each.transaction_hash == transaction_hash)
        return attempt
