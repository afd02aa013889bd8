"""Read Aave V3: a market, its reserves, and accounts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.units import Address, PoolId
from pipeline.venues.aave_v3.forms import (
    AaveMarket,
    AaveMarketObserved,
    ReserveTokens,
    aave_account,
    aave_market,
    aave_reserve,
)
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.aave_v3.accounts import read_accounts
from streams.node.venues.aave_v3.functions import PRICE_SOURCE, RESERVE_DATA, RESERVES_LIST, REVISION
from streams.node.venues.aave_v3.hedge_faults import hedge_faults
from streams.node.venues.aave_v3.reserves import read_reserves
from streams.node.venues.aave_v3.standing import find_standing
from streams.node.venues.port import NodeHalf, PoolFacts, ReadContext, one_by_one

if TYPE_CHECKING:
    from streams.node.client import Client

_NOBODY = Address("0x" + "00" * 20)


async def read_market(reader: ContractReader, pool: Address, oracle: Address | None) -> AaveMarket:
    """Read a pool's revision, and the tokens and the price sources of all its reserves. Raises: UnreadableError, NodeError."""
    (revision,), (assets,) = await reader.need([Ask(pool, REVISION), Ask(pool, RESERVES_LIST)])
    told = await reader.need([Ask(pool, RESERVE_DATA, (asset,)) for asset in assets])
    sources = [] if oracle is None else await reader.ask([Ask(oracle, PRICE_SOURCE, (a,)) for a in assets])
    by_asset = dict(zip(assets, sources, strict=False))
    reserves = zip(assets, told, strict=True)
    return AaveMarket(
        revision=revision,
        reserves=tuple(_tokens(asset, data, by_asset.get(asset)) for asset, data in reserves),
    )


def _tokens(
    asset: str, data: tuple[Any, ...], source: tuple[Any, ...] | UnreadableError | None
) -> ReserveTokens:
    named = _NOBODY if source is None or isinstance(source, UnreadableError) else source[0]
    return ReserveTokens(
        asset=Address(asset),
        reserve_id=data[7],
        a_token=data[8],
        debt_token=data[10],
        price_source=None if named == _NOBODY else Address(named),
    )


def _oracle_of(place: ReadContext, pool: Address) -> Address | None:
    """Find the oracle that the chain's profile names beside a pool."""
    for spec in place.chain.all_venues():
        if spec.has("pool") and spec.has("oracle") and spec.contract("pool") == pool:
            return spec.contract("oracle")
    return None


async def _market(reader: ContractReader, place: ReadContext, want: DueRead) -> AaveMarketObserved:
    (pool,) = aave_market.parse(want.item)
    market = await read_market(reader, pool, _oracle_of(place, pool))
    return AaveMarketObserved(term=place.term, block=place.block, why=want.why, pool=pool, market=market)


async def _ask_pools(
    client: "Client", spec: VenueSpec, pools: Sequence[PoolId]
) -> Mapping[PoolId, PoolFacts | str]:
    """Report that a lending market has no pools that trade."""
    del client
    return dict.fromkeys(pools, f"{spec.name} is a lending market: no pool that trades is at it")


HALF = NodeHalf(
    reads={
        aave_market.family: one_by_one(_market),
        aave_account.family: read_accounts,
        aave_reserve.family: read_reserves,
    },
    ask_pools=_ask_pools,
    holders=lambda _spec, _pools: (),
    find_account=find_standing,
    try_hedge=hedge_faults,
)
