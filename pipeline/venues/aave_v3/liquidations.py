"""Recognise liquidations of books' accounts in the pool's logs: what was repaid, what was seized, what is left."""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import MalformedLogError, PipelineError
from pipeline.hedge.pause_after_liquidation import pause_liquidated
from pipeline.messages.account_alerts import AccountLiquidated
from pipeline.messages.base import RawLog, TokenAmount
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import RawAmount
from pipeline.venues.aave_v3 import logs
from pipeline.venues.aave_v3.account import MarketAt, balances
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


def tell_liquidations(
    shard: Shard, event: BlockSeen, at: AaveDeployment, now: Provenance
) -> Iterator[AccountLiquidated]:
    """Return each liquidation of a book's account in a block, and pause a live book until its operator says go on."""
    books = {policy.owner: policy for policy in policies(shard.tables)}
    for log in event.logs:
        fact = _liquidation(log, at)
        policy = None if fact is None else books.get(fact.owner)
        if fact is None or policy is None:
            continue
        pause_liquidated(shard, policy, event, log.transaction_hash)
        yield _tell(_Told(shard, event, at, now), policy, log, fact)


def _liquidation(log: RawLog, at: AaveDeployment) -> logs.LiquidationMade | None:
    if log.address != at.pool or log.topics[:1] != (logs.LIQUIDATION_CALL,):
        return None
    try:
        fact = logs.decode_pool_log(log)
    except MalformedLogError:
        return None  # its account is in quarantine
    return fact if isinstance(fact, logs.LiquidationMade) else None


class _Told(NamedTuple):
    """Where and when it is told."""

    shard: Shard
    event: BlockSeen
    at: AaveDeployment
    now: Provenance


def _tell(where: _Told, policy: Policy, log: RawLog, fact: logs.LiquidationMade) -> AccountLiquidated:
    item = aave_account(where.at.pool, fact.owner)
    stamp = where.now.stamp("alert", item, action=f"liquidated {log.log_index}")
    seized = fact.seized + _to_treasury(where, log, fact)
    left, health_bps, told = _left(where.shard, where.at, item)
    return AccountLiquidated(
        **stamp,
        book=policy.book,
        item=item,
        transaction_hash=log.transaction_hash,
        liquidator=fact.liquidator,
        repaid=TokenAmount(token=fact.debt_asset, amount=fact.repaid),
        seized=TokenAmount(token=fact.collateral_asset, amount=RawAmount(seized)),
        bonus=_bonus(policy, told, fact, seized),
        collateral_left=tuple(
            TokenAmount(token=each.asset, amount=each.collateral) for each in left if each.collateral
        ),
        debt_left=tuple(TokenAmount(token=each.asset, amount=each.debt) for each in left if each.debt),
        health_bps=health_bps,
    )


def _left(
    shard: Shard, at: AaveDeployment, item: str
) -> tuple[list[DisplayedBalance], int | None, AaveTold | None]:
    """Return what the account has after the block, and its health; nothing where that is not known."""
    account = shard.tables.find(item, AaveAccount)
    told = shard.tables.find(aave_told(at.pool), AaveTold)
    if account is None or told is None:
        return [], None, told
    try:
        market = MarketAt(shard.tables, at, told.at_s)
        data = market.account_data(account, told)
        left = list(balances(market, account))
    except PipelineError:
        return [], None, told
    has_health = data is not None and data.debt_base
    return left, data.health_wad * WHOLE_BPS // WAD if data is not None and has_health else None, told


def _to_treasury(where: _Told, log: RawLog, fact: logs.LiquidationMade) -> int:
    """Add up the aTokens that the same transaction sent from the account to anybody but the liquidator: the market's part. Rounds: down."""
    shard, event, at, _ = where
    reserve = at.reserves(shard.tables).get(fact.collateral_asset)
    state = shard.tables.find(aave_reserve(at.pool, fact.collateral_asset), AaveReserve)
    if reserve is None or state is None:
        return 0
    ours = (
        each
        for each in event.logs
        if each.address == reserve.a_token and each.transaction_hash == log.transaction_hash
    )
    try:
        moves = [each for each in map(logs.decode_token_log, ours) if isinstance(each, logs.ScaledMoved)]
        scaled = sum(
            each.scaled
            for each in moves
            if each.sender == fact.owner and each.recipient not in {fact.owner, fact.liquidator}
        )
        return MarketAt(shard.tables, at, event.block.timestamp_s).supplied(scaled, state)
    except PipelineError:
        return 0  # of what cannot be read its account is in quarantine


def _bonus(
    policy: Policy, told: AaveTold | None, fact: logs.LiquidationMade, seized: int
) -> RawAmount | None:
    """Take off what was seized the worth of what was repaid, by the oracle's prices after the block. Rounds: down."""
    prices = {} if told is None else {each.asset: each.price for each in told.prices}
    paid, taken = prices.get(fact.debt_asset), prices.get(fact.collateral_asset)
    units = {token.address: 10**token.decimals for token in policy.tokens}
    if not paid or not taken or not {fact.debt_asset, fact.collateral_asset} <= units.keys():
        return None
    worth = -(-fact.repaid * paid * units[fact.collateral_asset] // (taken * units[fact.debt_asset]))
    return RawAmount(seized - worth)
