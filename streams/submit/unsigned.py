"""A transaction before and after its signature."""

import msgspec

from pipeline.messages.transactions import Call
from pipeline.units import Address, ChainId, Hash, Wei


class Unsigned(msgspec.Struct, frozen=True, kw_only=True):
    """An EIP-1559 transaction without its signature."""

    chain_id: ChainId
    nonce: int
    to: Address
    data: str
    """0x-hex."""
    value_wei: Wei
    gas_limit: int
    max_fee_wei: Wei
    tip_wei: Wei


def transaction_of(call: Call, *, chain_id: ChainId, nonce: int, max_fee_wei: Wei, tip_wei: Wei) -> Unsigned:
    """Make the unsigned transaction of an intent's call."""
    return Unsigned(
        chain_id=chain_id,
        nonce=nonce,
        to=call.to,
        data=call.data,
        value_wei=call.value_wei,
        gas_limit=call.gas_limit,
        max_fee_wei=max_fee_wei,
        tip_wei=tip_wei,
    )


class SignedBytes(msgspec.Struct, frozen=True, kw_only=True):
    """Signed bytes as a node accepts them, with the transaction's hash."""

    transaction_hash: Hash
    raw: str
    """0x-hex."""
