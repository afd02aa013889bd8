"""The numbers that differ between chains (block time, depths, gas prices): defaults of portfolios and signers' files."""

from typing import Literal

import msgspec

from contracts_abi.chains import ChainFile, known_chains
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Address, ChainId, Seconds, Wei

DEVNET = ChainId(31_337)

_ETHEREUM = ChainId(1)


class ChainNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """One chain's, as its file has them."""

    block_s: Seconds
    """Between blocks. Rounds: up, for chains that make several in a second."""
    final_depth_blocks: int
    bump_after_blocks: int
    intent_age_blocks: int
    max_age_blocks: int
    max_ahead_blocks: int
    cancel_gas: int
    data_fee: Literal["none", "fee", "gas"]
    data_fee_wei: Wei
    data_gas: int


def numbers_in(chain: ChainFile) -> ChainNumbers:
    """Take a chain's numbers from its file."""
    waits = chain.transactions
    return ChainNumbers(
        block_s=Seconds(chain.blocks.time_s),
        final_depth_blocks=chain.blocks.final_depth,
        bump_after_blocks=waits.bump_after_blocks,
        intent_age_blocks=waits.intent_age_blocks,
        max_age_blocks=waits.max_age_blocks,
        max_ahead_blocks=waits.max_ahead_blocks,
        cancel_gas=waits.cancel_gas,
        data_fee=chain.data.paid,
        data_fee_wei=Wei(chain.data.book_fee_wei),
        data_gas=chain.data.book_gas,
    )


def sequencer_in(chain: ChainFile) -> SequencerFeed | None:
    """Take the uptime feed of a chain's sequencer from its file."""
    found = chain.sequencer
    if found is None:
        return None
    return SequencerFeed(feed=Address(found.uptime_feed), grace_s=Seconds(found.grace_s))


def numbers_of(chain_id: ChainId) -> ChainNumbers:
    """Look a chain's numbers up; one that is not known has Ethereum's."""
    chains = known_chains()
    return numbers_in(chains.get(chain_id, chains[_ETHEREUM]))


def is_known(chain_id: ChainId) -> bool:
    """Return whether a chain is one of those whose numbers are known."""
    return chain_id in known_chains()
