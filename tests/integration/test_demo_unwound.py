"""The demo's last table on real bytecode: debt, collateral and allowances are read from the chain, and any that is left fails the demo."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.venues.abi import declared
from streams.cli.demo import _failures_of_the_hedge
from streams.cli.demo.hedged import Compared, PairAt, hedged_pair
from streams.cli.demo.story import Told
from streams.cli.demo.unwound import Standing, Unwound, standing_at
from streams.devnet import aave
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

APPROVE = declared("approve(address,uint256)")
ETHER, DOLLAR = 10**18, 10**6
NOTHING = Standing(owed_weth=0, secured_usdc=0, account_debt=0, account_collateral=0, allowances={})


def ended(before: Standing, after: Standing) -> Told:
    """A demo in which the hedge did what it is for, until it was ended."""
    at = [
        PairAt(hedged=n % 2, twin=1_000 * (n % 2), inside_band=True, health=1.5, carry=0.0) for n in range(40)
    ]
    unwound = Unwound(before=before, after=after, begun_at=1, ended_at=14)
    return Told(hedged={"plan.1"}, pair=Compared(at=at), unwound=unwound)


def test_a_hedge_that_is_ended_leaves_zeros_and_each_figure_is_the_chains(
    chain: Chain, world: World, cache: Path
) -> None:
    pair = hedged_pair(chain, world, cache)
    market, owner = pair.market, pair.owner
    spenders = (market.pool, world.router, world.position_manager)
    allow = {
        (token, spender): Tx(sender=owner, to=token, data=APPROVE.calldata(spender, 5), gas=100_000)
        for token in (world.weth, world.usdc_low)
        for spender in spenders
    }
    chain.execute(
        aave.supply(market, owner, world.usdc_low, 30_000 * DOLLAR),
        aave.borrow(market, owner, world.weth, ETHER),
        *allow.values(),
    )
    before = standing_at(pair, chain, chain.header().number)
    assert before.owed_weth == pytest.approx(ETHER, abs=10**9)
    assert before.secured_usdc == pytest.approx(30_000 * DOLLAR, abs=2)
    assert before.account_debt == pytest.approx(3_000 * aave.BASE_UNIT, rel=1e-9)
    assert before.account_collateral == pytest.approx(30_000 * aave.BASE_UNIT, rel=1e-9)
    assert list(before.allowances.values()) == [5] * 6
    assert len(before.left) == 10

    chain.execute(
        *aave.approve_pool(market, owner),
        aave.repay(market, owner, world.weth, aave.MOST),
        aave.withdraw(market, owner, world.usdc_low, aave.MOST),
        *(replace(tx, data=APPROVE.calldata(spender, 0)) for (_, spender), tx in allow.items()),
    )
    after = standing_at(pair, chain, chain.header().number)
    assert after.left == {}
    told = ended(before, after)
    assert _failures_of_the_hedge(told) == []
    assert told.unwound is not None
    rows = {what: figures for what, *figures in told.unwound.rows()}
    assert rows["debt"] == ["1.0000 WETH", "0.0000 WETH"]
    assert rows["collateral"] == ["30,000.00 USDC", "0.00 USDC"]
    assert rows["allowances above zero, of 6"] == ["6", "0"]


@pytest.mark.parametrize(
    "left",
    [
        {"owed_weth": 1},
        {"secured_usdc": 1},
        {"account_debt": 1},
        {"account_collateral": 1},
        {"allowances": {"WETH to the market": 1}},
    ],
)
def test_whatever_is_left_fails_the_demo(left: dict[str, object]) -> None:
    had = replace(NOTHING, owed_weth=ETHER)
    (failure,) = _failures_of_the_hedge(ended(had, replace(NOTHING, **left)))
    assert failure.startswith("`evenkeel unwind` leaves 1 ")


def test_a_hedge_that_never_was_fails_the_demo() -> None:
    assert _failures_of_the_hedge(ended(NOTHING, NOTHING)) == ["there was no hedge to end"]
