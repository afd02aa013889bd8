"""Compare what a chain's file says of Aave V3 with what its pool says of itself."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from contracts_abi.chains import LendingContracts
from pipeline.errors import UnreadableError
from pipeline.units import Address
from pipeline.venues.abi import declared
from streams.node.contract_calls import Ask, ContractReader, Method
from streams.node.venues.aave_v3.functions import REVISION
from streams.node.venues.aave_v3.standing import why_unfollowed


class LendingFacts(NamedTuple):
    """What is wrong with a lending market or its addresses, and what is known of it."""

    wrong: Sequence[str]
    notes: Sequence[str]


def _plain(signature: str, output: str) -> Method:
    return Method(**msgspec.structs.asdict(declared(signature, output)))


_PROVIDER = _plain("ADDRESSES_PROVIDER()", "address")
_OF_PROVIDER = {
    "pool": _plain("getPool()", "address"),
    "configurator": _plain("getPoolConfigurator()", "address"),
    "oracle": _plain("getPriceOracle()", "address"),
}


async def lending_facts(reader: ContractReader, market: LendingContracts) -> LendingFacts:
    """Ask a pool for its addresses provider, the provider for its contracts, and whether the pool can be followed.

    Raises: NodeError.
    """
    pool = Address(market.pool)
    try:
        (provider,), (revision,) = await reader.need([Ask(pool, _PROVIDER), Ask(pool, REVISION)])
        told = await reader.need([Ask(Address(provider), each) for each in _OF_PROVIDER.values()])
    except UnreadableError as error:
        return LendingFacts([f"what is at {pool} does not answer as a pool of Aave V3: {error}"], [])
    return LendingFacts(list(_contradictions(market, told)), list(_unfollowed(revision)))


def _contradictions(market: LendingContracts, told: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    named = market.places()
    for role, (found,) in zip(_OF_PROVIDER, told, strict=True):
        if found != named[role]:
            yield f"Aave's {role} is {found}, the chain's file says {named[role]}"


def _unfollowed(revision: int) -> Iterator[str]:
    why = why_unfollowed(revision)
    if why is not None:
        yield f"no book can be hedged at its Aave V3, and loans there do not count: {why}"
