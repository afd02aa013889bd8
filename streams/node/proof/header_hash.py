"""Compute a block's hash from the fields of its header."""

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


_FIRST: Final = HeaderFields.__struct_fields__[:15]
"""Those that every header has."""
_LATER: Final = HeaderFields.__struct_fields__[15:]
"""Those that upgrades added, in their order; one that a chain skipped before another is encoded as empty."""
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

_NOTHING: Final = string("0x")


def header_hash(fields: HeaderFields) -> Hash | None:
    """Compute the hash of a header; None where a field is missing that every header has.

    Raises: ValueError where a field is not a hexadecimal number or bytes.
    """
    told = msgspec.structs.asdict(fields)
    if any(told[name] is None for name in _FIRST):
        return None
    later = [name for name in _LATER if told[name] is not None]
    names = (*_FIRST, *_LATER[: _LATER.index(later[-1]) + 1 if later else 0])
    items = "".join([_item(name, told[name]) for name in names])
    return Hash("0x" + keccak(encoded(listed(items))).hex())


def _item(name: str, text: str | None) -> str:
    if text is None:
        return _NOTHING
    return number(text) if name in _NUMBERS else string(text)
