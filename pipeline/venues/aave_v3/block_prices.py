"""Record per block a market's time and the oracle's prices, while an account of the shard has a balance there.

Of the assets of hedged books it also tells what all accounts have at their reserves, and when their prices were told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from pipeline.messages.policy import Policy
from pipeline.messages.read_values import CallRead
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3 import one_word_calls
from pipeline.venues.aave_v3.deployment import AaveDeployment, hedged_assets, is_hedged, owners
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveMarket,
    AaveTold,
    OraclePrice,
    ReserveTokens,
    ReserveTotals,
    aave_account,
    aave_market,
    aave_told,
)
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.aave_v3.routes import routed_assets
from pipeline.venues.block_call import BlockCall


def block_calls(tables: Tables, at: AaveDeployment) -> Sequence[BlockCall]:
    """List the prices that each block should tell, by what worker and watcher both know."""
    prices = (_price_call(at, asset) for asset in _priced(tables, at))
    hedged = (call for each in _hedged_reserves(tables, at) for call in _reserve_calls(tables, at, each))
    return (*prices, *hedged)


def keep_told(tables: Tables, at: AaveDeployment, at_s: Seconds, answers: Iterable[CallRead]) -> None:
    """Keep a block's time and what the oracle answered; nothing where no account has anything and no book is hedged."""
    if not is_used(tables, at):
        tables.put(aave_told(at.pool), None)
        return
    told = {(each.to, each.data): each.value for each in answers}
    found = {asset: told.get((at.oracle, _price_call(at, asset).data)) for asset in _priced(tables, at)}
    hedged = _hedged_reserves(tables, at)
    ages = {each.asset: _source_at_s(told, each) for each in hedged}
    prices = (
        OraclePrice(asset=asset, price=price, source_at_s=ages.get(asset))
        for asset, price in found.items()
        if price is not None
    )
    totals = (each for reserve in hedged if (each := _totals(tables, at, told, reserve)) is not None)
    tables.put(aave_told(at.pool), AaveTold(at_s=at_s, prices=tuple(prices), totals=tuple(totals)))


def _source_at_s(told: Mapping[tuple[Address, str], int], reserve: ReserveTokens) -> Seconds | None:
    if reserve.price_source is None:
        return None
    call = one_word_calls.told_at(reserve.price_source)
    answer = told.get((call.to, call.data))
    return None if answer is None else Seconds(answer)


def _totals(
    tables: Tables, at: AaveDeployment, told: Mapping[tuple[Address, str], int], reserve: ReserveTokens
) -> ReserveTotals | None:
    calls = (one_word_calls.scaled_total(reserve.a_token), one_word_calls.scaled_total(reserve.debt_token))
    supply, debt, free = (
        told.get((call.to, call.data)) for call in (*calls, _free_call(tables, at, reserve))
    )
    if supply is None or debt is None or free is None:
        return None
    return ReserveTotals(asset=reserve.asset, scaled_supply=supply, scaled_debt=debt, free=RawAmount(free))


def _hedged_reserves(tables: Tables, at: AaveDeployment) -> list[ReserveTokens]:
    reserves = at.reserves(tables)
    return [reserves[asset] for asset in sorted(hedged_assets(tables, at)) if asset in reserves]


def _reserve_calls(tables: Tables, at: AaveDeployment, reserve: ReserveTokens) -> Iterator[BlockCall]:
    """List what is asked of a hedged book's reserve: what all supply and owe, what is free, when its price was told."""
    yield one_word_calls.scaled_total(reserve.a_token)
    yield one_word_calls.scaled_total(reserve.debt_token)
    yield _free_call(tables, at, reserve)
    if reserve.price_source is not None:
        yield one_word_calls.told_at(reserve.price_source)


def _free_call(tables: Tables, at: AaveDeployment, reserve: ReserveTokens) -> BlockCall:
    rules = rules_of(tables.need(aave_market(at.pool), AaveMarket).revision)
    return rules.free_call(at.pool, reserve.asset, reserve.a_token)


def unpriced(tables: Tables, at: AaveDeployment, policy: Policy) -> bool:
    """Return whether the last block did not tell the prices that an account, or a hedge that may come, follows from."""
    account = tables.find(aave_account(at.pool, policy.owner), AaveAccount)
    if account is None:
        return False
    hedged = {policy.base, policy.collateral_token} if is_hedged(policy, at) else set()
    told = tables.find(aave_told(at.pool), AaveTold)
    known = {each.asset for each in told.prices} if told is not None else set()
    return not known.issuperset({*priced_assets(tables, at, account), *hedged})


def _price_call(at: AaveDeployment, asset: Address) -> BlockCall:
    return one_word_calls.about(at.oracle, one_word_calls.ASSET_PRICE, asset)


def is_used(tables: Tables, at: AaveDeployment) -> bool:
    """Return whether an account of the shard has anything at a market, or a book is hedged there."""
    return bool(hedged_assets(tables, at)) or any(
        each.positions or each.flags for each in _accounts(tables, at)
    )


def _accounts(tables: Tables, at: AaveDeployment) -> Iterator[AaveAccount]:
    for owner in sorted(owners(tables)):
        account = tables.find(aave_account(at.pool, owner), AaveAccount)
        if account is not None:
            yield account


def _priced(tables: Tables, at: AaveDeployment) -> list[Address]:
    """List the reserves that are used, those of the books' own tokens, and whose prices e-modes take."""
    tokens = {token.address for policy in policies(tables) for token in policy.tokens}
    sources = {each.emode_price_source for each in _accounts(tables, at)} - {None}
    reserves = at.reserves(tables).keys()
    return sorted(routed_assets(tables, at) | (tokens & reserves) | cast("set[Address]", sources))


def priced_assets(tables: Tables, at: AaveDeployment, account: AaveAccount) -> Iterator[Address]:
    """List of what an account's health follows from the price: what has a flag, and the source of its e-mode."""
    by_id = {each.reserve_id: each.asset for each in at.reserves(tables).values()}
    for reserve_id in bits.flagged_reserves(account.flags):
        if reserve_id in by_id:
            yield by_id[reserve_id]
    if account.emode_price_source is not None:
        yield account.emode_price_source
