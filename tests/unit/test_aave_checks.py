"""A periodic check at Aave compares every field of an account, the pool's totals of it and the tokens' balances, and every field of a reserve and the market."""

from collections.abc import Iterator

import msgspec
import pytest
from builders import BASE, OWNER, QUOTE, policy
from msgspec.structs import replace

from pipeline.messages.base import BlockRef
from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.events import Observed
from pipeline.state.shard import Shard
from pipeline.units import Address, BlockNumber, Hash, Seconds, ShardId, Term
from pipeline.venues.aave_v3.account import MarketAt, balances
from pipeline.venues.aave_v3.deployment import deployment_of
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveAccountObserved,
    AaveMarket,
    AaveMarketObserved,
    AavePosition,
    AaveReserve,
    AaveReserveObserved,
    AaveTold,
    OraclePrice,
    ReserveTokens,
    aave_account,
    aave_market,
    aave_reserve,
    aave_told,
)
from pipeline.venues.registry import venue_named

POOL, CONFIGURATOR, ORACLE = (Address(f"0x{n:040x}") for n in (0xAA01, 0xAA02, 0xAA03))
RAY, NOW_S = 10**27, Seconds(1_000)
BLOCK = BlockRef(number=BlockNumber(2), hash=Hash("0x02"), parent_hash=Hash("0x01"), timestamp_s=NOW_S)
SPEC = VenueSpec(
    name="lending",
    kind="aave_v3",
    contracts=tuple(
        VenueContract(role=role, address=address)
        for role, address in (("pool", POOL), ("configurator", CONFIGURATOR), ("oracle", ORACLE))
    ),
)
CHAIN = replace(policy().chain, venues=(SPEC,))
RESERVE = AaveReserve(
    configuration=7_000 | 8_000 << 16 | 18 << 48,
    liquidity_index_ray=RAY,
    liquidity_rate_ray=RAY // 50,
    borrow_index_ray=RAY,
    borrow_rate_ray=RAY // 20,
    updated_at_s=Seconds(0),
)
MARKET = AaveMarket(
    revision=1,
    reserves=tuple(
        ReserveTokens(
            asset=asset,
            reserve_id=number,
            a_token=Address(f"0x{0xAB00 + number:040x}"),
            debt_token=Address(f"0x{0xAC00 + number:040x}"),
        )
        for number, asset in enumerate((BASE, QUOTE))
    ),
)
ACCOUNT = AaveAccount(
    flags=0b1001,
    positions=tuple(
        sorted(
            (
                AavePosition(asset=BASE, scaled_debt=10**18),
                AavePosition(asset=QUOTE, scaled_collateral=10**19),
            ),
            key=lambda each: each.asset,
        )
    ),
)


@pytest.fixture
def shard() -> Shard:
    made = Shard(ShardId(0))
    put = made.tables.put
    made.tables.begin(BLOCK)
    put(aave_market(POOL), MARKET)
    for asset in (BASE, QUOTE):
        put(aave_reserve(POOL, asset), RESERVE)
    put(aave_account(POOL, OWNER), ACCOUNT)
    prices = tuple(OraclePrice(asset=asset, price=10**8) for asset in (BASE, QUOTE))
    put(aave_told(POOL), AaveTold(at_s=NOW_S, prices=prices))
    return made


def of_account(shard: Shard) -> AaveAccountObserved:
    """Return a read of the account that equals the shard's state."""
    market = MarketAt(shard.tables, deployment_of(SPEC), NOW_S)
    told = shard.tables.need(aave_told(POOL), AaveTold)
    data = market.account_data(ACCOUNT, told)
    assert data is not None
    assert data.debt_base > 0
    return AaveAccountObserved(
        term=Term(1),
        block=BLOCK,
        why="check",
        pool=POOL,
        owner=OWNER,
        account=ACCOUNT,
        data=data,
        balances=tuple(balances(market, ACCOUNT)),
        used=(BASE, QUOTE),
    )


def differences(shard: Shard, event: Observed) -> list[str]:
    return venue_named(CHAIN, "lending").differences(shard, event)


def with_one_more(it: msgspec.Struct) -> Iterator[tuple[str, msgspec.Struct]]:
    """Change each of its numbers by one."""
    for name in it.__struct_fields__:
        value = getattr(it, name)
        if isinstance(value, int) and not isinstance(value, bool):
            yield name, replace(it, **{name: value + 1})


def other_accounts(event: AaveAccountObserved) -> Iterator[tuple[str, AaveAccountObserved]]:
    for name, account in with_one_more(event.account):
        yield name, replace(event, account=account)
    for name, data in with_one_more(event.data):
        yield name, replace(event, data=data)
    for number, mine in enumerate(event.account.positions):
        for name, position in with_one_more(mine):
            positions = [*event.account.positions]
            positions[number] = position
            yield name, replace(event, account=replace(event.account, positions=tuple(positions)))
    for number, shown in enumerate(event.balances):
        for name, balance in with_one_more(shown):
            others = [*event.balances]
            others[number] = balance
            yield name, replace(event, balances=tuple(others))


def test_a_check_of_an_account_finds_each_unit_that_differs(shard):
    event = of_account(shard)
    assert differences(shard, event) == []
    changed = list(other_accounts(event))
    assert len(changed) == 1 + 6 + 2 * 2 + 2 * 2
    for name, other in changed:
        assert differences(shard, other), name


def test_a_check_finds_a_balance_of_which_the_shard_knows_nothing(shard):
    event = of_account(shard)
    stray = replace(event.balances[0], asset=Address("0x" + "0e" * 20))
    assert differences(shard, replace(event, balances=(*event.balances, stray)))


def test_what_the_pool_adds_up_is_not_compared_before_its_block_has_told_prices(shard):
    event = of_account(shard)
    later = replace(event, block=replace(BLOCK, timestamp_s=Seconds(NOW_S + 12)))
    assert not any(name in each for each in differences(shard, later) for name in ("health_wad", "debt_base"))


def test_a_check_of_a_reserve_and_of_the_market_finds_each_field_that_differs(shard):
    state = AaveReserveObserved(term=Term(1), block=BLOCK, why="check", pool=POOL, asset=BASE, state=RESERVE)
    assert differences(shard, state) == []
    changed = list(with_one_more(RESERVE))
    assert len(changed) == 6
    for name, other in changed:
        assert differences(shard, replace(state, state=other)), name
    market = AaveMarketObserved(term=Term(1), block=BLOCK, why="check", pool=POOL, market=MARKET)
    assert differences(shard, market) == []
    assert differences(shard, replace(market, market=replace(MARKET, revision=2)))
    assert differences(shard, replace(market, market=replace(MARKET, reserves=MARKET.reserves[:1])))
