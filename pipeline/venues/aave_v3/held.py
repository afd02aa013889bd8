"""List a book's exposures at a market: collateral above zero, debt below."""

from collections.abc import Sequence

from pipeline.book.exposures import Exposure, HeldItem
from pipeline.book.lending_accounts import LendingAccount, LendingAsset
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, Bps, RawAmount
from pipeline.venues.aave_v3.account import MarketAt, balances
from pipeline.venues.aave_v3.deployment import AaveDeployment
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveMarket,
    AaveTold,
    aave_account,
    aave_market,
    aave_reserve,
    aave_told,
)
from pipeline.venues.aave_v3.rules import AccountData, ReserveHolding


class HeldAccount(HeldItem, frozen=True, kw_only=True):
    """An account, with what its pool makes of it as a whole."""

    data: AccountData | None
    """None where a price is not told."""
    counted: tuple[LendingAsset, ...]
    """What counts, of all reserves; none where a price is not told."""

    def lending_account(self) -> LendingAccount | None:
        """Return what is supplied and owed; None where nothing is owed, or a price is not told."""
        if self.data is None or not any(each.debt for each in self.counted):
            return None
        return LendingAccount(assets=self.counted, health_wad=self.data.health_wad)


def follows_from(tables: Tables, policy: Policy, at: AaveDeployment) -> tuple[object, ...]:
    """List the account, the market, the reserves that it uses, and the last block's time and prices."""
    account = tables.find(aave_account(at.pool, policy.owner), AaveAccount)
    if account is None:
        return ()
    market, told = (
        tables.find(aave_market(at.pool), AaveMarket),
        tables.find(aave_told(at.pool), AaveTold),
    )
    return account, market, told, *tables.writes(aave_reserve.under(at.pool))


def held_items(shard: Shard, policy: Policy, at: AaveDeployment) -> Sequence[HeldAccount]:
    """Measure a book's account; the same object where nothing is new. Raises: ImpossibleFactError where a reserve is not followed."""
    tables = shard.tables
    made_of = (policy, *follows_from(tables, policy, at))
    return tables.derived(f"aave-held/{at.pool}/{policy.book}", made_of, _held, tables, policy, at)


def _held(tables: Tables, policy: Policy, at: AaveDeployment) -> tuple[HeldAccount, ...]:
    item = aave_account(at.pool, policy.owner)
    account, told = tables.find(item, AaveAccount), tables.find(aave_told(at.pool), AaveTold)
    if account is None or told is None:
        return ()
    counted = {token.address for token in policy.tokens}
    rows: list[Exposure] = []
    market = MarketAt(tables, at, told.at_s)
    for each in balances(market, account):
        if each.asset in counted:
            rows.append(Exposure(token=each.asset, kind="collateral", amount=each.collateral))
            rows.append(Exposure(token=each.asset, kind="debt", amount=RawAmount(-each.debt)))
    holdings = market.holdings(account, told)
    held = HeldAccount(
        item=item,
        exposures=tuple(row for row in rows if row.amount),
        data=None if holdings is None else market.add_up(holdings),
        counted=tuple(_counted(asset, each) for asset, each in (holdings or {}).items()),
    )
    return (held,)


def _counted(asset: Address, holding: ReserveHolding) -> LendingAsset:
    terms = holding.terms
    return LendingAsset(
        token=asset,
        unit=holding.unit,
        price=holding.price,
        collateral=RawAmount(0) if terms is None else holding.collateral,
        threshold_bps=Bps(0) if terms is None else terms.threshold_bps,
        debt=holding.debt,
    )
