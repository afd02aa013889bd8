"""Make a transaction that only uses up a nonce: the signer pays itself nothing."""

from pipeline.messages.journal import Attempt
from pipeline.sign.gas_fees import Fees
from pipeline.units import Address, ChainId, Wei
from streams.chain_numbers import numbers_of
from streams.submit.signer import Signer
from streams.submit.unsigned import Unsigned


def cancellation(
    chain_id: ChainId,
    signer: Address,
    nonce: int,
    *,
    max_fee_wei: Wei,
    tip_wei: Wei,
    gas_limit: int,
) -> Unsigned:
    """Make the transaction that uses up a nonce and does nothing else."""
    return Unsigned(
        chain_id=chain_id,
        nonce=nonce,
        to=signer,
        data="0x",
        value_wei=Wei(0),
        gas_limit=gas_limit,
        max_fee_wei=max_fee_wei,
        tip_wei=tip_wei,
    )


def sign_cancellation(signer: Signer, chain_id: ChainId, nonce: int, fees: Fees) -> Attempt:
    """Sign a cancellation of a nonce, with the gas limit of a bare transfer on its chain."""
    unsigned = cancellation(
        chain_id,
        signer.address,
        nonce,
        max_fee_wei=fees.max_fee_wei,
        tip_wei=fees.tip_wei,
        gas_limit=numbers_of(chain_id).cancel_gas,
    )
    return attempt_of(signer, unsigned, cancels=True)


def attempt_of(signer: Signer, unsigned: Unsigned, *, cancels: bool = False) -> Attempt:
    """Sign one version of a nonce's transaction."""
    signed = signer.sign(unsigned)
    return Attempt(
        transaction_hash=signed.transaction_hash,
        raw=signed.raw,
        max_fee_wei=unsigned.max_fee_wei,
        tip_wei=unsigned.tip_wei,
        gas_limit=unsigned.gas_limit,
        cancels=cancels,
    )
