"""The calls of each kind of venue: the one place here that names their modules. A further kind is a line in `HALVES`."""

from collections.abc import Iterator

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.messages.policy import Policy
from pipeline.units import Address
from streams.node.venues import wallet
from streams.node.venues.aave_v3 import half as aave_v3
from streams.node.venues.port import NodeHalf, Read
from streams.node.venues.uniswap_v3 import half as uniswap_v3

HALVES: dict[str, NodeHalf] = {UNISWAP_V3: uniswap_v3.HALF, "aave_v3": aave_v3.HALF}


def holders(policy: Policy) -> Iterator[Address]:
    """List the contracts that have the tokens of a book's pools."""
    for spec in policy.chain.all_venues():
        if spec.kind in HALVES:
            yield from HALVES[spec.kind].holders(spec, policy.pools_of(spec.name))


def read_of(kind: str) -> Read:
    """Find how items of a kind are read. Raises: UnreadableError where no venue known here has such items."""
    for reads in (wallet.READS, *(half.reads for half in HALVES.values())):
        if kind in reads:
            return reads[kind]
    raise UnreadableError(f"no venue that is known here has an item {kind}/...")
