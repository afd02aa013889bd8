"""What differs from chain to chain in time, depth and price of gas: the defaults of a portfolio and of a signer's file."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from pipeline.units import ChainId, Seconds, Wei

DEVNET = ChainId(31_337)

_ETHER_WEI = 10**18


class ChainNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """One chain's."""

    block_s: Seconds = Seconds(12)
    """Between blocks. Rounds: up, for chains that make several in a second."""
    final_depth_blocks: int = 65
    """Two epochs and a block of Ethereum; elsewhere about as many minutes."""
    bump_after_blocks: int = 3
    """Half a minute."""
    intent_age_blocks: int = 5
    """A minute: so long after its block a book's transaction may be signed."""
    max_age_blocks: int = 50
    """Ten minutes: the same, for whatever a signer is asked."""
    max_ahead_blocks: int = 3
    """So far one node may be behind another."""
    cancel_gas: int = 21_000
    data_fee: Literal["none", "fee", "gas"] = "none"
    """Whether posting data elsewhere costs nothing more, a fee beside the gas, or gas within the limit."""
    data_fee_wei: Wei = Wei(0)
    """What a book reckons with for a transaction of its own beside its gas; the signer asks the chain."""
    data_gas: int = 0
    """Gas that a book adds to each transaction's limit for its data."""


_OP_STACK = ChainNumbers(
    block_s=Seconds(2),
    final_depth_blocks=240,
    bump_after_blocks=15,
    intent_age_blocks=30,
    max_age_blocks=300,
    data_fee="fee",
    data_fee_wei=Wei(_ETHER_WEI // 10_000),
)
_CHAINS: Mapping[int, ChainNumbers] = {
    1: ChainNumbers(),
    10: _OP_STACK,
    137: ChainNumbers(
        block_s=Seconds(2),
        final_depth_blocks=200,
        bump_after_blocks=15,
        intent_age_blocks=30,
        max_age_blocks=300,
    ),
    8453: _OP_STACK,
    42_161: ChainNumbers(
        block_s=Seconds(1),
        final_depth_blocks=240,
        bump_after_blocks=120,
        intent_age_blocks=240,
        max_age_blocks=2_400,
        max_ahead_blocks=24,
        cancel_gas=1_000_000,
        data_fee="gas",
        data_gas=600_000,
    ),
}


def numbers_of(chain_id: ChainId) -> ChainNumbers:
    """Look a chain's numbers up; one that is not known has Ethereum's."""
    return _CHAINS.get(chain_id, ChainNumbers())


def is_known(chain_id: ChainId) -> bool:
    """Ask whether a chain is one of those whose numbers are known."""
    return chain_id in _CHAINS
