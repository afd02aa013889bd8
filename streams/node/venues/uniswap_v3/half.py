"""Read Uniswap V3: pools, the NFTs of an owner, and the pool position behind each."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address

from pipeline import keys
from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import UNISWAP_V3, ChainProfile, VenueSpec
from pipeline.messages.events import ObservationFailed
from pipeline.units import Address, LogBps, PoolId
from pipeline.venues.due_read import DueRead
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved
from streams.node.contract_calls import ContractReader, Told
from streams.node.venues.port import NodeHalf, PoolFacts, ReadContext, one_by_one
from streams.node.venues.uniswap_v3.contracts import contract_faults
from streams.node.venues.uniswap_v3.nfts import PositionRead, read_owner, read_positions
from streams.node.venues.uniswap_v3.pool import read_pool

if TYPE_CHECKING:
    from streams.node.client import Client

_POOL, _FACTORY = "uniswap-v3/UniswapV3Pool", "uniswap-v3/UniswapV3Factory"


# ------------------------------------------------------------------ items
async def _pool(reader: ContractReader, place: ReadContext, want: DueRead) -> PoolObserved:
    (pool,) = keys.pool.parse(want.item)
    read = await read_pool(reader, pool)
    return PoolObserved(
        term=place.term,
        block=place.block,
        why=want.why,
        pool=pool,
        state=read.state,
        ticks=read.ticks,
        observations=read.observations,
    )


async def _owner(reader: ContractReader, place: ReadContext, want: DueRead) -> OwnerObserved:
    manager, owner = own_keys.owner.parse(want.item)
    token_ids = await read_owner(reader, manager, owner)
    return OwnerObserved(
        term=place.term, block=place.block, why=want.why, owner=owner, manager=manager, token_ids=token_ids
    )


async def _positions(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[PositionObserved | ObservationFailed]:
    for manager, of_manager in _by_manager(wants):
        factory = _factory(place.chain, manager)
        token_ids = [keys.position.parse(want.item)[1] for want in of_manager]
        reads = await read_positions(reader, manager, factory, token_ids)
        for want, token_id, read in zip(of_manager, token_ids, reads, strict=True):
            if not isinstance(read, PositionRead):
                yield place.failed(want, read)
                continue
            yield PositionObserved(
                term=place.term,
                block=place.block,
                why=want.why,
                manager=manager,
                token_id=token_id,
                position=read.position,
                pool_position=read.pool_position,
            )


def _by_manager(wants: Sequence[DueRead]) -> Iterator[tuple[Address, list[DueRead]]]:
    found: dict[Address, list[DueRead]] = {}
    for want in wants:
        found.setdefault(own_keys.manager_of(want.item), []).append(want)
    yield from found.items()


def _factory(chain: ChainProfile, manager: Address) -> Address:
    """Return the factory of a position manager's pools. Raises: UnreadableError."""
    for spec in chain.all_venues():
        if spec.kind == UNISWAP_V3 and spec.contract("position_manager") == manager:
            return spec.contract("factory")
    raise UnreadableError(f"{manager} is the position manager of no venue of the chain")


# ------------------------------------------------------------------ what a file says of pools
async def _ask_pools(
    client: "Client", spec: VenueSpec, pools: Sequence[PoolId]
) -> Mapping[PoolId, PoolFacts | str]:
    """Ask each pool which tokens it trades, and the factory which pool it has for these tokens and the fee."""
    functions = [client.contract(pool, _POOL).functions for pool in pools]
    told = await client.ask([part for of in functions for part in (of.token0(), of.token1(), of.fee())])
    says = {pool: _plain(told[3 * i : 3 * i + 3]) for i, pool in enumerate(pools)}
    asked = {pool: answers for pool, answers in says.items() if answers is not None}
    factory = client.contract(spec.contract("factory"), _FACTORY).functions
    lookups = [
        factory.getPool(to_checksum_address(token0), to_checksum_address(token1), fee_pips)
        for token0, token1, fee_pips in asked.values()
    ]
    found: dict[PoolId, PoolFacts | str] = {
        pool: f"{pool} is no Uniswap V3 pool: it does not say which tokens it trades" for pool in pools
    }
    for (pool, (token0, token1, _)), answer in zip(asked.items(), await client.ask(lookups), strict=True):
        other = not isinstance(answer, UnreadableError) and answer[0] != pool
        strange = f"{pool} is not a pool of the factory {spec.contract('factory')}" if other else None
        found[pool] = PoolFacts(tokens=(token0, token1), strange=strange)
    return found


async def _ask_narrowest(client: "Client", pool: PoolId) -> LogBps | None:
    """Read a pool's tick spacing; a tick is one step of `LogBps`."""
    (told,) = await client.ask([client.contract(pool, _POOL).functions.tickSpacing()])
    return None if isinstance(told, UnreadableError) else LogBps(told[0])


def _plain(answers: Sequence[Told]) -> tuple[Address, Address, int] | None:
    if any(isinstance(answer, UnreadableError) for answer in answers):
        return None
    (token0,), (token1,), (fee_pips,) = answers  # type: ignore[misc] # none of them is an error
    return Address(token0), Address(token1), fee_pips


HALF = NodeHalf(
    reads={
        keys.pool.family: one_by_one(_pool),
        own_keys.owner.family: one_by_one(_owner),
        keys.position.family: _positions,
    },
    ask_pools=_ask_pools,
    holders=lambda _, pools: pools,
    try_contracts=contract_faults,
    ask_narrowest=_ask_narrowest,
)
