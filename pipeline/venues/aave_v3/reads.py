"""Apply reads of a market, its reserves and accounts: the first and a repairing read are written, a check only compares."""

from collections.abc import Iterator

from pipeline.messages.events import Observed
from pipeline.state.shard import Shard
from pipeline.units import RawAmount, Seconds
from pipeline.venues.aave_v3.account import MarketAt, balances
from pipeline.venues.aave_v3.deployment import AaveDeployment
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveAccountObserved,
    AaveMarket,
    AaveMarketObserved,
    AaveReserve,
    AaveReserveObserved,
    AaveTold,
    DisplayedBalance,
    aave_told,
)
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.compare import field_differences

_NOTHING = RawAmount(0)
READS = (AaveMarketObserved, AaveReserveObserved, AaveAccountObserved)


def write_read(shard: Shard, event: Observed, at: AaveDeployment) -> None:
    """Take a read as the truth of its item. Raises: ImpossibleFactError where the pool's revision is not followed."""
    del at
    match event:
        case AaveMarketObserved():
            rules_of(event.market.revision)
            shard.tables.put(event.item, event.market)
        case AaveReserveObserved():
            shard.tables.put(event.item, event.state)
        case AaveAccountObserved():
            shard.tables.put(event.item, event.account)


def differences(shard: Shard, event: Observed, at: AaveDeployment) -> list[str]:
    """Compare an item with the chain's; of an account also what follows from it: balances, and what the pool adds up."""
    match event:
        case AaveMarketObserved():
            market = shard.tables.find(event.item, AaveMarket)
            return [] if market is None else list(field_differences("", market, event.market))
        case AaveReserveObserved():
            reserve = shard.tables.find(event.item, AaveReserve)
            return [] if reserve is None else list(field_differences("", reserve, event.state))
        case AaveAccountObserved():
            account = shard.tables.find(event.item, AaveAccount)
            return [] if account is None else list(_of_account(shard, account, event, at))
    return []


def _of_account(
    shard: Shard, account: AaveAccount, event: AaveAccountObserved, at: AaveDeployment
) -> Iterator[str]:
    tables, at_s = shard.tables, Seconds(event.block.timestamp_s)
    yield from field_differences("", account, event.account)
    market = MarketAt(tables, at, at_s)
    ours = {each.asset: each for each in balances(market, account)}
    for theirs in event.balances:
        mine = ours.get(theirs.asset, DisplayedBalance(asset=theirs.asset, collateral=0, debt=0))  # type: ignore[arg-type]
        yield from field_differences(f"{theirs.asset} ", mine, theirs)
    told = tables.find(aave_told(at.pool), AaveTold)
    if told is None or told.at_s != at_s:
        return  # no block has told its prices yet
    data = market.account_data(account, told)
    if data is not None:
        yield from field_differences("", data, event.data)
