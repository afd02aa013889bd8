"""A transaction before and after its signature."""

import msgspec

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


class SignedBytes(msgspec.Struct, frozen=True, kw_only=True):
    """What a node takes, and the hash by which it is known."""

    transaction_hash: Hash
    raw: str
    """0x-hex."""
