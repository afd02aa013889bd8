"""One deployment of Aave V3: its contracts, and the tokens of its reserves as they were last read."""

from collections.abc import Mapping

import msgspec

from pipeline import keys
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.aave_v3.forms import AaveMarket, ReserveTokens, aave_market

CONTRACTS = ("pool", "configurator", "oracle")


class AaveDeployment(msgspec.Struct, frozen=True):
    """Where a venue's contracts stand."""

    pool: Address
    configurator: Address
    oracle: Address

    def tokens(self, tables: Tables) -> Mapping[Address, ReserveTokens]:
        """Sort the reserves by their aTokens and debt tokens; empty before the market was read."""
        market = tables.find(aave_market(self.pool), AaveMarket)
        if market is None:
            return {}
        return tables.derived(f"aave-tokens/{self.pool}", (market,), _by_token, market)

    def reserves(self, tables: Tables) -> Mapping[Address, ReserveTokens]:
        """Sort the reserves by their assets; empty before the market was read."""
        market = tables.find(aave_market(self.pool), AaveMarket)
        if market is None:
            return {}
        return tables.derived(f"aave-assets/{self.pool}", (market,), _by_asset, market)


def _by_token(market: AaveMarket) -> dict[Address, ReserveTokens]:
    return {token: each for each in market.reserves for token in (each.a_token, each.debt_token)}


def _by_asset(market: AaveMarket) -> dict[Address, ReserveTokens]:
    return {each.asset: each for each in market.reserves}


def deployment_of(spec: VenueSpec) -> AaveDeployment:
    """Take the addresses out of a venue's specification. Raises: KeyError where a role is missing."""
    return AaveDeployment(*(spec.contract(role) for role in CONTRACTS))


def owners(tables: Tables) -> frozenset[Address]:
    """Collect the accounts that a shard follows: each book's owner."""
    return frozenset(policy.owner for policy in policies(tables))


def hedged_assets(tables: Tables, at: AaveDeployment) -> frozenset[Address]:
    """Collect base and collateral of the books that are hedged here: their reserves are followed before anything is there."""
    return tables.of_family(f"aave-hedged/{at.pool}", keys.policy.family, _hedged, tables, at)


def _hedged(tables: Tables, at: AaveDeployment) -> frozenset[Address]:
    return frozenset(
        token
        for policy in policies(tables)
        if is_hedged(policy, at)
        for token in (policy.base, policy.collateral_token)
    )


def is_hedged(policy: Policy, at: AaveDeployment) -> bool:
    """Return whether a book is hedged here."""
    spec = policy.chain.venue(policy.hedge.venue) if policy.hedge else None
    return spec is not None and spec.has("pool") and spec.contract("pool") == at.pool
