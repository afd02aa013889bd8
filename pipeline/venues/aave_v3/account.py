"""Compute balances with interest at a time, and an account's totals and health as its pool does."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline.state.tables import Tables
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3.block_prices import priced_assets
from pipeline.venues.aave_v3.deployment import AaveDeployment
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveMarket,
    AavePosition,
    AaveReserve,
    AaveTold,
    DisplayedBalance,
    ReserveTokens,
    ReserveTotals,
    aave_market,
    aave_reserve,
)
from pipeline.venues.aave_v3.interest import linear
from pipeline.venues.aave_v3.rays import ray_mul
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.aave_v3.rules import AccountData, CollateralTerms, ReserveHolding


class MarketTotals(NamedTuple):
    """What all accounts together have at a reserve, with interest, raw. What accrues to the treasury is not in the supply."""

    supply: RawAmount
    debt: RawAmount
    """At the variable rate."""
    free: RawAmount
    """What may be borrowed or withdrawn."""


class MarketAt:
    """A market as it stands at a second: its last actions, with the interest since."""

    def __init__(self, tables: Tables, at: AaveDeployment, at_s: Seconds) -> None:
        """Find the market's rules. Raises: ImpossibleFactError where it was not read."""
        self._tables, self._at, self._at_s = tables, at, at_s
        self._rules = rules_of(tables.need(aave_market(at.pool), AaveMarket).revision)

    def liquidity_index_ray(self, reserve: AaveReserve) -> int:
        """Accrue the suppliers' index to this second."""
        elapsed_s = Seconds(self._at_s - reserve.updated_at_s)
        if elapsed_s == 0:
            return reserve.liquidity_index_ray
        return ray_mul(linear(reserve.liquidity_rate_ray, elapsed_s), reserve.liquidity_index_ray)

    def borrow_index_ray(self, reserve: AaveReserve) -> int:
        """Accrue the borrowers' index to this second."""
        elapsed_s = Seconds(self._at_s - reserve.updated_at_s)
        if elapsed_s == 0:
            return reserve.borrow_index_ray
        return ray_mul(self._rules.compounded(reserve.borrow_rate_ray, elapsed_s), reserve.borrow_index_ray)

    def balance(self, position: AavePosition) -> DisplayedBalance:
        """Return what an account has of a reserve, and owes to it. Raises: ImpossibleFactError where it is not followed."""
        reserve = self._reserve(position.asset)
        return DisplayedBalance(
            asset=position.asset,
            collateral=self._rules.collateral_balance(
                position.scaled_collateral, self.liquidity_index_ray(reserve)
            ),
            debt=self._rules.debt_balance(position.scaled_debt, self.borrow_index_ray(reserve)),
        )

    def supplied(self, scaled: int, reserve: AaveReserve) -> RawAmount:
        """Add interest to a scaled aToken balance."""
        return self._rules.collateral_balance(scaled, self.liquidity_index_ray(reserve))

    def totals(self, told: ReserveTotals) -> MarketTotals:
        """Add interest to what a block told of a reserve. Raises: ImpossibleFactError where it is not followed."""
        reserve = self._reserve(told.asset)
        return MarketTotals(
            supply=self._rules.collateral_balance(told.scaled_supply, self.liquidity_index_ray(reserve)),
            debt=self._rules.debt_balance(told.scaled_debt, self.borrow_index_ray(reserve)),
            free=told.free,
        )

    def account_data(self, account: AaveAccount, told: AaveTold) -> AccountData | None:
        """Add an account up as its pool does; None where a price that it takes was not told. Raises: ImpossibleFactError."""
        holdings = self.holdings(account, told)
        return None if holdings is None else self.add_up(holdings)

    def holdings(self, account: AaveAccount, told: AaveTold) -> Mapping[Address, ReserveHolding] | None:
        """List what counts of each reserve, by asset; None where a price was not told. Raises: ImpossibleFactError."""
        prices = {each.asset: each.price for each in told.prices}
        if not prices.keys() >= set(priced_assets(self._tables, self._at, account)):
            return None
        flagged = set(bits.flagged_reserves(account.flags))
        reserves = self._at.reserves(self._tables).values()
        return {
            each.asset: self._holding(account, each, prices)
            for each in reserves
            if each.reserve_id in flagged
        }

    def terms(self, account: AaveAccount, asset: Address, reserve_id: int) -> CollateralTerms | None:
        """Return what a reserve counts for as an account's collateral; None where it counts for nothing."""
        return self._rules.terms(self._reserve(asset).configuration, reserve_id, account.emode)

    def add_up(self, holdings: Mapping[Address, ReserveHolding]) -> AccountData:
        """Add up what counts, as the pool does."""
        return self._rules.account_data(holdings.values())

    def _holding(
        self, account: AaveAccount, reserve: ReserveTokens, prices: Mapping[Address, int]
    ) -> ReserveHolding:
        """Return what counts of a reserve by the account's flags."""
        configuration = self._reserve(reserve.asset).configuration
        balance = self.balance(position_of(account, reserve.asset))
        is_collateral = bits.is_collateral(account.flags, reserve.reserve_id)
        is_debt = bits.is_borrowing(account.flags, reserve.reserve_id)
        terms = self.terms(account, reserve.asset, reserve.reserve_id)
        return ReserveHolding(
            price=_emode_price(account, configuration, prices) or prices[reserve.asset],
            unit=10 ** bits.decimals(configuration),
            collateral=balance.collateral,
            terms=terms if is_collateral else None,
            debt=balance.debt if is_debt else RawAmount(0),
        )

    def _reserve(self, asset: Address) -> AaveReserve:
        return self._tables.need(aave_reserve(self._at.pool, asset), AaveReserve)


def balances(market: MarketAt, account: AaveAccount) -> Iterator[DisplayedBalance]:
    """Walk what an account has and owes with interest, by asset. Raises: ImpossibleFactError where a reserve is not followed."""
    return (market.balance(position) for position in account.positions)


def position_of(account: AaveAccount, asset: Address) -> AavePosition:
    """Find what an account has of a reserve, which may be nothing."""
    return next((each for each in account.positions if each.asset == asset), AavePosition(asset=asset))


def _emode_price(account: AaveAccount, configuration: int, prices: Mapping[Address, int]) -> int:
    """Return the price that an e-mode sets for the assets of its category; 0 where it sets none."""
    source, emode = account.emode_price_source, account.emode
    if source is None or emode is None or bits.emode_category(configuration) != emode.category:
        return 0
    return prices[source]
