"""The toy venue's node half: two calls to its contract."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.events import ObservationFailed
from pipeline.units import Address, PoolId, RawAmount
from pipeline.venues.abi import declared
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.port import NodeHalf, PoolFacts, ReadContext
from worlds.toy_venue.forms import ToyPool, ToyPoolObserved, ToyShareObserved, toy_pool, toy_share

KIND = "toy"
POOL = declared("pool(bytes32)", "address", "address", "uint256", "uint256", "uint256", "uint256", "uint256")
SHARES = declared("sharesOf_(bytes32,address)", "uint256")


async def read_pools(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[ToyPoolObserved | ObservationFailed]:
    pools = [toy_pool.parse(want.item)[0] for want in wants]
    told = await reader.ask([Ask(contract_in(place), POOL, (bytes_of(pool),)) for pool in pools])
    for want, pool, answer in zip(wants, pools, told, strict=True):
        if isinstance(answer, UnreadableError):
            yield place.failed(want, answer)
            continue
        yield ToyPoolObserved(
            term=place.term, block=place.block, why=want.why, pool=pool, state=state_of(answer)
        )


async def read_shares(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[ToyShareObserved | ObservationFailed]:
    pairs = [toy_share.parse(want.item) for want in wants]
    asks = [Ask(contract_in(place), SHARES, (bytes_of(pool), owner)) for pool, owner in pairs]
    for want, (pool, owner), answer in zip(wants, pairs, await reader.ask(asks), strict=True):
        if isinstance(answer, UnreadableError):
            yield place.failed(want, answer)
            continue
        yield ToyShareObserved(
            term=place.term, block=place.block, why=want.why, pool=pool, owner=owner, shares=answer[0]
        )


async def ask_pools(
    client: Any, spec: VenueSpec, pools: Sequence[PoolId]
) -> Mapping[PoolId, PoolFacts | str]:
    told = await client.ask([Ask(spec.contract("pools"), POOL, (bytes_of(pool),)) for pool in pools])
    return {
        pool: f"{pool} is not a pool of {spec.name}"
        if isinstance(answer, UnreadableError)
        else PoolFacts(tokens=(Address(answer[0]), Address(answer[1])))
        for pool, answer in zip(pools, told, strict=True)
    }


def contract_in(place: ReadContext) -> Address:
    return next(spec.contract("pools") for spec in place.chain.all_venues() if spec.kind == KIND)


def bytes_of(pool: PoolId) -> bytes:
    return bytes.fromhex(pool.removeprefix("0x"))


def state_of(answer: tuple[Any, ...]) -> ToyPool:
    token0, token1, weight0, weight1, reserve0, reserve1, shares = answer
    return ToyPool(
        token0=Address(token0),
        token1=Address(token1),
        weight0=weight0,
        weight1=weight1,
        reserve0=RawAmount(reserve0),
        reserve1=RawAmount(reserve1),
        shares=shares,
    )


HALF = NodeHalf(
    reads={toy_pool.family: read_pools, toy_share.family: read_shares},
    ask_pools=ask_pools,
    holders=lambda spec, pools: (spec.contract("pools"),) if pools else (),
)
