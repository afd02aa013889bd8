"""At Aave V3 with a reference that is not to be believed, both versions on real bytecode: what secures a debt goes, and nothing else does."""

import pytest
from intents import wide_budget
from lending_bench import DOLLAR, ETHER, STRANGER, LendingBench, fields_of, read
from msgspec.structs import replace
from price_play import place_feed
from sender_house import limits_of, priced_pool

from pipeline.venues.abi import declared
from streams.devnet.reads import balance
from streams.submit.venues.uniswap_v3.terms import References

pytestmark = pytest.mark.anvil

BROKEN = [{"age_s": 4_000}, {"answer": 0}]


def with_feed(bench: LendingBench, **answers: int) -> None:
    """Let the signer's file name one pool of the pair, and a feed that answers so."""
    pool = bench.world.pool("weth_usdc_low_500")
    usual = limits_of(
        bench.world,
        pools=(priced_pool(pool),),
        references=References(feeds=(place_feed(bench, **answers),)),
        budget=wide_budget(bench.usdc),
    )
    bench.limits = replace(usual, venues=(*usual.venues, read(bench.chain, fields_of(bench.market))))


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_debt_is_repaid_and_secured_whatever_the_references_say(
    lending: LendingBench, broken: dict[str, int]
) -> None:
    bench = lending
    with_feed(bench, **broken)
    for token, amount in ((bench.weth, 10 * ETHER), (bench.usdc, 50_000 * DOLLAR)):
        bench.mined(bench.approve(token, amount, bench.market.pool))
    supply, repay = bench.supply(bench.usdc, 50_000 * DOLLAR), bench.repay(bench.weth, 4 * ETHER)
    for intent, notional in ((supply, 50_000 * DOLLAR), (repay, 0)):
        charge = bench.judge(intent).charge
        assert (charge.notional, charge.actions) == (notional, 1), "the budget's own token needs no reference"
    bench.mined(supply)
    bench.mined(repay)
    bench.judge(bench.call("setUserUseReserveAsCollateral", bench.usdc, True))
    owed = balance(bench.chain, bench.market.weth.debt_token, bench.owner)
    assert owed < 7 * ETHER


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_adds_risk_or_trades_waits_for_them(lending: LendingBench, broken: dict[str, int]) -> None:
    bench = lending
    with_feed(bench, **broken)
    for intent in (
        bench.borrow(bench.weth, ETHER),
        bench.withdraw(bench.usdc, 1_000 * DOLLAR),
        bench.call("setUserUseReserveAsCollateral", bench.usdc, False),
        bench.swap(bench.weth, ETHER, 2_900 * DOLLAR),
    ):
        refusal = bench.refusal(intent)
        assert refusal.reason in {"market", "simulation"}, refusal
    assert bench.refusal(bench.borrow(bench.weth, ETHER)).detail.startswith("feed 0x")
    with_feed(bench)
    bench.judge(bench.borrow(bench.weth, ETHER))


def test_what_is_forged_is_refused_as_before(lending: LendingBench) -> None:
    bench = lending
    with_feed(bench, age_s=4_000)
    with_atokens = declared("repayWithATokens(address,uint256,uint256)")
    for intent, says in (
        (bench.repay(bench.weth, ETHER, STRANGER), f"for {STRANGER}"),
        (bench.supply(bench.usdc, DOLLAR, STRANGER), f"for {STRANGER}"),
        (bench.supply(bench.world.usdc_high, DOLLAR), "not on the list"),
        (
            bench.intent(bench.market.pool, with_atokens.calldata(bench.weth, ETHER, 2), gas_limit=600_000),
            "not on the list",
        ),
    ):
        refusal = bench.refusal(intent)
        assert refusal.reason == "limits"
        assert says in refusal.detail


def test_a_supply_that_loses_something_is_refused_though_nothing_is_priced(
    lending: LendingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding alone may be lost; here a thousandth of a cent would be too much."""
    bench = lending
    with_feed(bench, age_s=4_000)
    monkeypatch.setattr("streams.submit.venues.aave_v3.appraise._ROUNDING", -1)
    bench.mined(bench.approve(bench.usdc, 1_000 * DOLLAR, bench.market.pool))
    refusal = bench.refusal(bench.supply(bench.usdc, 1_000 * DOLLAR))
    assert refusal.reason == "limits"
    assert "would go elsewhere" in refusal.detail


def test_a_token_that_the_file_prices_nowhere_is_not_supplied_unseen(lending: LendingBench) -> None:
    bench = lending
    usual = limits_of(
        bench.world,
        pools=(priced_pool(bench.world.pool("weth_usdc_high_500")),),
        references=References(may_be_single=True),
        budget=wide_budget(bench.usdc),
    )
    bench.limits = replace(usual, venues=(*usual.venues, read(bench.chain, fields_of(bench.market))))
    bench.mined(bench.approve(bench.weth, ETHER, bench.market.pool))
    refusal = bench.refusal(bench.repay(bench.weth, ETHER))
    assert refusal.reason == "market"
    assert "no venue of the signer's file prices" in refusal.detail


def test_an_oracle_that_lies_changes_nothing_of_that(lending: LendingBench) -> None:
    bench = lending
    with_feed(bench, age_s=4_000)
    bench.tell_price(1)
    bench.mined(bench.approve(bench.weth, ETHER, bench.market.pool))
    bench.judge(bench.repay(bench.weth, ETHER))
