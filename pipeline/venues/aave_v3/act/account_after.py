"""Compute a book's account after a change, by the pool's own rules, without estimates."""

from msgspec.structs import replace

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import ImpossibleFactError
from pipeline.hedge.port import HedgeChange
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3.account import MarketAt, MarketTotals, position_of
from pipeline.venues.aave_v3.borrow_rate import borrow_rate_ray
from pipeline.venues.aave_v3.deployment import AaveDeployment
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveReserve,
    AaveTold,
    DisplayedBalance,
    aave_account,
    aave_reserve,
    aave_told,
)
from pipeline.venues.aave_v3.rays import WAD
from pipeline.venues.aave_v3.rules import AccountData, CollateralTerms, ReserveHolding


class AccountNow:
    """A book's account at its shard's head."""

    def __init__(self, shard: Shard, policy: Policy, at: AaveDeployment) -> None:
        """Find it. Raises: ImpossibleFactError where account, market or the block's prices are not known."""
        self._tables, self._policy, self._at = shard.tables, policy, at
        self.account = self._tables.need(aave_account(at.pool, policy.owner), AaveAccount)
        self.told = self._tables.need(aave_told(at.pool), AaveTold)
        self.market = MarketAt(self._tables, at, self.told.at_s)

    def balance(self, asset: Address) -> DisplayedBalance:
        """Return what it has of a reserve, and owes to it, with interest."""
        return self.market.balance(position_of(self.account, asset))

    def reserve(self, asset: Address) -> AaveReserve:
        """Find a reserve."""
        return self._tables.need(aave_reserve(self._at.pool, asset), AaveReserve)

    def terms(self, asset: Address) -> CollateralTerms | None:
        """Return what a reserve counts for as collateral of this account; None where it counts for nothing."""
        return self.market.terms(self.account, asset, self._reserve_id(asset))

    def price(self, asset: Address) -> int | None:
        """Return what the oracle has answered for a token."""
        return next((each.price for each in self.told.prices if each.asset == asset), None)

    def price_age_s(self, asset: Address) -> int | None:
        """Return how old the oracle's price is; None where its source does not say."""
        told = next((each.source_at_s for each in self.told.prices if each.asset == asset), None)
        return None if told is None else self.told.at_s - told

    def totals(self, asset: Address) -> MarketTotals | None:
        """Return what all accounts have of a reserve and owe to it; None where the block did not tell."""
        told = next((each for each in self.told.totals if each.asset == asset), None)
        return None if told is None else self.market.totals(told)

    def borrow_rate_ray(self, asset: Address, more: int) -> int | None:
        """Compute a reserve's borrow rate after a further amount is borrowed (repaid if below zero); None where it cannot be known."""
        rates, totals = self.reserve(asset).rates, self.totals(asset)
        if rates is None or totals is None:
            return None
        return borrow_rate_ray(rates, max(totals.debt + more, 0), max(totals.free - more, 0))

    def counts_collateral(self, asset: Address) -> bool:
        """Return whether what is supplied counts as collateral: the first supply does by itself, unless it was switched off since."""
        has_some = bool(position_of(self.account, asset).scaled_collateral)
        return not has_some or bits.is_collateral(self.account.flags, self._reserve_id(asset))

    def data_after(self, change: HedgeChange, *, base_up_bps: int = 0) -> AccountData:
        """Add the account up after a change. Raises: ImpossibleFactError where a price was not told."""
        holdings = self.market.holdings(self._flagged(change), self.told)
        if holdings is None:
            raise ImpossibleFactError("the block does not tell all prices that the account follows from")
        base, secures = self._policy.base, self._policy.collateral_token
        changed = dict(holdings)
        if secures in changed:
            held = changed[secures]
            collateral = RawAmount(max(held.collateral + change.collateral, 0))
            changed[secures] = held._replace(collateral=collateral)
        if base in changed:
            changed[base] = _moved(changed[base], change.size, base_up_bps)
        return self.market.add_up(changed)

    def health_bps_after(self, change: HedgeChange, *, base_up_bps: int = 0) -> int | None:
        """Return the health factor after a change. Units: bps of 1. Rounds: down."""
        data = self.data_after(change, base_up_bps=base_up_bps)
        return data.health_wad * WHOLE_BPS // WAD if data.debt_base else None

    def _flagged(self, change: HedgeChange) -> AaveAccount:
        """Set the flags that a supply and a borrowing set."""
        flags, secures = self.account.flags, self._policy.collateral_token
        if change.collateral > 0 and self.counts_collateral(secures):
            flags = bits.with_collateral(flags, self._reserve_id(secures), on=True)
        if change.size > 0:
            flags = bits.with_borrowing(flags, self._reserve_id(self._policy.base), on=True)
        return replace(self.account, flags=flags)

    def _reserve_id(self, asset: Address) -> int:
        reserve = self._at.reserves(self._tables).get(asset)
        if reserve is None:
            raise ImpossibleFactError(f"the market has no reserve of {asset}")
        return reserve.reserve_id


def _moved(held: ReserveHolding, size: int, base_up_bps: int) -> ReserveHolding:
    """Change a debt, and the price of its token. Rounds: the price up."""
    price = -(-held.price * (WHOLE_BPS + base_up_bps) // WHOLE_BPS)
    return held._replace(debt=RawAmount(max(held.debt + size, 0)), price=price)
