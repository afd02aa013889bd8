"""Compute a block's hash from the fields of its header."""

from operator import attrgetter
from typing import Final

import msgspec

from pipeline.units import Hash
from streams.node.proof.hex_rlp import encoded, listed, number, string
from streams.node.proof.keccak import keccak


class HeaderFields(msgspec.Struct, frozen=True, rename="camel"):
    """The fields that a header's hash covers, as a node returns them in hexadecimal; those of later upgrades may be missing.

    Source: Ethereum's execution specifications; order and optional fields as go-ethereum encodes them.
    """

    parent_hash: str | None = None
    sha3_uncles: str | None = None
    miner: str | None = None
    state_root: str | None = None
    transactions_root: str | None = None
    receipts_root: str | None = None
    logs_bloom: str | None = None
    difficulty: str | None = None
    number: str | None = None
    gas_limit: str | None = None
    gas_used: str | None = None
    timestamp: str | None = None
    extra_data: str | None = None
    mix_hash: str | None = None
    nonce: str | None = None
    base_fee_per_gas: str | None = None
    withdrawals_root: str | None = None
    blob_gas_used: str | None = None
    excess_blob_gas: str | None = None
    parent_beacon_block_root: str | None = None
    requests_hash: str | None = None


_NUMBERS: Final = frozenset(
    {
        "difficulty",
        "number",
        "gas_limit",
        "gas_used",
        "timestamp",
        "base_fee_per_gas",
        "blob_gas_used",
        "excess_blob_gas",
    }
)
_in_order: Final = attrgetter(*HeaderFields.__struct_fields__)
_ENCODERS: Final = tuple([number if name in _NUMBERS else string for name in HeaderFields.__struct_fields__])
_FIRST: Final = 15
"""So many fields every header has; upgrades added the others, in their order. One that a chain skipped before another is encoded as empty."""
_NOTHING: Final = string("0x")


def header_hash(fields: HeaderFields) -> Hash | None:
    """Compute the hash of a header; None where a field is missing that every header has.

    Raises: ValueError where a field is not a hexadecimal number or bytes.
    """
    told = _in_order(fields)
    if None in told[:_FIRST]:
        return None
    while told[-1] is None:
        told = told[:-1]
    items = "".join(
        [_NOTHING if text is None else encode(text) for encode, text in zip(_ENCODERS, told, strict=False)]
    )
    return Hash("0x" + keccak(encoded(listed(items))).hex())
