"""Follow which accounts and reserves of a market a shard needs, and when they must be read: a fold that worker and watcher share.

Configurations have some thirty kinds of logs in two versions, and some say nothing of what they change beside. So after any of
them the market's items are read again, at that very block. The same holds for bytecode that is exchanged, and for what a
liquidation in aTokens does to the collateral's reserve, which 3.6 changes without a log of that reserve.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline import keys
from pipeline.messages.base import RawLog
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.policy import Policy
from pipeline.state.resumes import resumes
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.aave_v3 import logs
from pipeline.venues.aave_v3.deployment import AaveDeployment, hedged_assets, owners
from pipeline.venues.aave_v3.forms import (
    AaveAccountObserved,
    AaveMarketObserved,
    aave_account,
    aave_market,
    aave_reserve,
)
from pipeline.venues.due_read import DueRead
from pipeline.venues.wallet.token_logs import address_of_topic


def named_items(policy: Policy, at: AaveDeployment) -> Iterator[str]:
    """List the market, and the account of a policy's owner."""
    yield aave_market(at.pool)
    yield aave_account(at.pool, policy.owner)


def routed_assets(tables: Tables, at: AaveDeployment) -> frozenset[Address]:
    """Collect the reserves in which an account of the shard has had anything."""
    under = keys.route.under(aave_reserve.family)
    return tables.derived(f"aave-routed/{at.pool}", tables.writes(under), _assets, tables, at, under)


def _assets(tables: Tables, at: AaveDeployment, under: str) -> frozenset[Address]:
    routed = (aave_reserve.parse(keys.item_of(key)) for key, _ in tables.group(under, Route))
    return frozenset(asset for pool, asset in routed if pool == at.pool)


def due_reads(tables: Tables, at: AaveDeployment) -> Iterator[DueRead]:
    """List the reserves that must be read, for the first time or again."""
    hedged = {aave_reserve(at.pool, asset) for asset in hedged_assets(tables, at)}
    for item in sorted({*reserve_items(tables, at), *hedged}):
        route = tables.find(keys.route(item), Route) or Route()
        if route.observed_at_block is None:
            yield DueRead(item=item, why="bootstrap")
        elif route.repaired < resumes(tables, item):
            yield DueRead(item=item, why="repair")


def is_due(tables: Tables, item: str, at: AaveDeployment) -> bool:
    """Return whether a reserve is among the due reads."""
    if not item.startswith(aave_reserve.under(at.pool)):
        return False
    return any(due.item == item for due in due_reads(tables, at))


def reserve_items(tables: Tables, at: AaveDeployment) -> list[str]:
    """List the reserves that are followed."""
    return [aave_reserve(at.pool, asset) for asset in sorted(routed_assets(tables, at))]


def follow_logs(tables: Tables, event: BlockSeen, at: AaveDeployment) -> None:
    """Note what comes to be followed with a block, and what must be read again after it."""
    for log in event.logs:
        if brings_all(log, at, tables):
            for item in (aave_market(at.pool), *_accounts(tables, at), *reserve_items(tables, at)):
                _read_again(tables, item)
        for asset in _assets_brought(log, at, tables):
            item = aave_reserve(at.pool, asset)
            if tables.find(keys.route(item), Route) is None:
                tables.put(keys.route(item), Route())
        if log.address == at.pool and len(log.topics) > 1 and log.topics[0] == logs.EMODE_SET:
            _read_again(tables, aave_account(at.pool, address_of_topic(log.topics[1])))
        accrued = silently_accrued(log, at)
        if accrued is not None:
            _read_again(tables, aave_reserve(at.pool, accrued))


def brings_all(log: RawLog, at: AaveDeployment, tables: Tables) -> bool:
    """Return whether a log says that a configuration has changed, a source of prices, or the bytecode of a contract of the market."""
    if log.address == at.configurator:
        return True
    if log.address == at.oracle:
        return log.topics[:1] == (logs.ASSET_SOURCE_UPDATED,)
    if not log.topics or log.topics[0] != logs.UPGRADED:
        return False
    return log.address == at.pool or log.address in at.tokens(tables)


def silently_accrued(log: RawLog, at: AaveDeployment) -> Address | None:
    """Name the reserve of a collateral that a liquidator took as aTokens."""
    if log.address != at.pool or len(log.topics) != 4 or log.topics[0] != logs.LIQUIDATION_CALL:
        return None
    in_atokens = log.data.endswith("1")
    return address_of_topic(log.topics[1]) if in_atokens else None


def _assets_brought(log: RawLog, at: AaveDeployment, tables: Tables) -> Iterator[Address]:
    """List the reserves in which an account of ours has something with this log."""
    reserve = at.tokens(tables).get(log.address)
    if reserve is not None and reserve.asset not in routed_assets(tables, at):
        yield reserve.asset


def _accounts(tables: Tables, at: AaveDeployment) -> Iterator[str]:
    for owner in sorted(owners(tables)):
        yield aave_account(at.pool, owner)


def _read_again(tables: Tables, item: str) -> None:
    """Want an item that was read before; what it last was remains until then, and no book decides on it."""
    route = tables.find(keys.route(item), Route)
    if route is not None:
        tables.put(keys.route(item), replace(route, observed_at_block=None))


def follow_read(tables: Tables, event: Observed, route: Route, at: AaveDeployment) -> Route:
    """Keep what the watcher must know of as well: a market's tokens, an account's e-mode, the reserves that it uses."""
    match event:
        case AaveMarketObserved():
            tables.put(event.item, event.market)
        case AaveAccountObserved():
            tables.put(event.item, event.account)
            for asset in event.used:
                key = keys.route(aave_reserve(at.pool, asset))
                if tables.find(key, Route) is None:
                    tables.put(key, Route())
        case _:
            pass
    return route
