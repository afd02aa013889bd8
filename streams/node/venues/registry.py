"""The registry of the kinds of venues that are read, the only module here that names theirs. A further kind is a line in `HALVES`."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.chain_profile import UNISWAP_V3, VenueSpec
from pipeline.messages.policy import Policy
from pipeline.units import Address, LogBps
from streams.node.contract_calls import ContractReader
from streams.node.venues import wallet
from streams.node.venues.aave_v3 import half as aave_v3
from streams.node.venues.port import AccountStanding, ContractFault, NodeHalf, Read
from streams.node.venues.uniswap_v3 import half as uniswap_v3

if TYPE_CHECKING:
    from streams.node.client import Client

HALVES: dict[str, NodeHalf] = {UNISWAP_V3: uniswap_v3.HALF, "aave_v3": aave_v3.HALF}


def holders(policy: Policy) -> Iterator[Address]:
    """List the contracts that have the tokens of a book's pools."""
    for spec in policy.chain.all_venues():
        if spec.kind in HALVES:
            yield from HALVES[spec.kind].holders(spec, policy.pools_of(spec.name))


async def contract_faults(
    client: "Client", reader: ContractReader, policy: Policy, at: BlockRef
) -> AsyncIterator[ContractFault]:
    """Find what is wrong with the contracts through which a book would act; nothing where its venue tries none. Raises: NodeError."""
    half = _acting_half(policy)
    if half is not None and half.try_contracts is not None:
        async for fault in half.try_contracts(client, reader, policy, at):
            yield fault


async def hedge_faults(reader: ContractReader, policy: Policy) -> AsyncIterator[ContractFault]:
    """Find what of a book's hedge its venue does not allow at all; nothing where the hedge is to end. Raises: NodeError."""
    hedge = policy.hedge
    spec = policy.chain.venue(hedge.venue) if hedge and not hedge.ends else None
    half = None if spec is None else HALVES.get(spec.kind)
    if spec is not None and half is not None and half.try_hedge is not None:
        async for fault in half.try_hedge(reader, spec, policy):
            yield fault


async def narrowest_half_width(client: "Client", policy: Policy) -> LogBps | None:
    """Read how narrow half of a range may be where a book acts; None where that is not known. Raises: NodeError."""
    half = _acting_half(policy)
    if half is None or half.ask_narrowest is None:
        return None
    return await half.ask_narrowest(client, policy.reference_pool)


def _acting_half(policy: Policy) -> NodeHalf | None:
    spec = policy.chain.venue(policy.acting_venue())
    return None if spec is None else HALVES.get(spec.kind)


async def find_account(reader: ContractReader, spec: VenueSpec, account: Address) -> AccountStanding | None:
    """Ask what an account has at a venue and owes to it; None where nothing can be owed there. Raises: UnreadableError, NodeError."""
    half = HALVES.get(spec.kind)
    return (
        None if half is None or half.find_account is None else await half.find_account(reader, spec, account)
    )


def read_of(kind: str) -> Read:
    """Return the function that reads items of a kind. Raises: UnreadableError where no venue known here has such items."""
    for reads in (wallet.READS, *(half.reads for half in HALVES.values())):
        if kind in reads:
            return reads[kind]
    raise UnreadableError(f"no venue that is known here has an item {kind}/...")
