"""What is read of Aave V3: a market, a reserve, and an account with what its pool and the tokens make of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.events import ObservationFailed
from pipeline.units import Address, PoolId
from pipeline.venues.aave_v3.forms import (
    AaveMarket,
    AaveMarketObserved,
    AaveReserveObserved,
    ReserveTokens,
    aave_account,
    aave_market,
    aave_reserve,
)
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.aave_v3.accounts import read_accounts
from streams.node.venues.aave_v3.functions import RESERVE_DATA, RESERVES_LIST, REVISION, reserve_state
from streams.node.venues.port import NodeHalf, PoolFacts, ReadContext

if TYPE_CHECKING:
    from streams.node.client import Client


async def read_market(reader: ContractReader, pool: Address) -> AaveMarket:
    """Read which rules a pool follows, and the tokens of all its reserves. Raises: UnreadableError, NodeError."""
    (revision,), (assets,) = await reader.need([Ask(pool, REVISION), Ask(pool, RESERVES_LIST)])
    told = await reader.need([Ask(pool, RESERVE_DATA, (asset,)) for asset in assets])
    return AaveMarket(
        revision=revision,
        reserves=tuple(_tokens(asset, data) for asset, data in zip(assets, told, strict=True)),
    )


def _tokens(asset: str, data: tuple[Any, ...]) -> ReserveTokens:
    return ReserveTokens(asset=Address(asset), reserve_id=data[7], a_token=data[8], debt_token=data[10])


async def _markets(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[AaveMarketObserved | ObservationFailed]:
    for want in wants:
        (pool,) = aave_market.parse(want.item)
        try:
            market = await read_market(reader, pool)
        except UnreadableError as error:
            yield place.failed(want, error)
            continue
        yield AaveMarketObserved(term=place.term, block=place.block, why=want.why, pool=pool, market=market)


async def _reserves(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[AaveReserveObserved | ObservationFailed]:
    pairs = [aave_reserve.parse(want.item) for want in wants]
    told = await reader.ask([Ask(pool, RESERVE_DATA, (asset,)) for pool, asset in pairs])
    for want, (pool, asset), data in zip(wants, pairs, told, strict=True):
        if isinstance(data, UnreadableError):
            yield place.failed(want, data)
            continue
        yield AaveReserveObserved(
            term=place.term,
            block=place.block,
            why=want.why,
            pool=pool,
            asset=asset,
            state=reserve_state(data),
        )


async def _ask_pools(
    client: "Client", spec: VenueSpec, pools: Sequence[PoolId]
) -> Mapping[PoolId, PoolFacts | str]:
    """Say that a lending market has no pools that trade."""
    del client
    return dict.fromkeys(pools, f"{spec.name} is a lending market: no pool that trades is at it")


HALF = NodeHalf(
    reads={
        aave_market.family: _markets,
        aave_account.family: read_accounts,
        aave_reserve.family: _reserves,
    },
    ask_pools=_ask_pools,
    holders=lambda _spec, _pools: (),
)
