"""Forged intents at Aave V3, both versions on real bytecode: no debt, collateral or health beyond what the signer's file allows."""

import pytest
from lending_bench import DOLLAR, ETHER, STRANGER, LendingBench, fields_of, read
from msgspec.structs import replace

from pipeline.errors import SettingsError
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.abi import declared, event_topic, function
from streams.devnet import aave
from streams.devnet.reads import ask, balance

pytestmark = pytest.mark.anvil

MOST = 2**256 - 1
TRANSFER = event_topic("tokens/ERC20", "Transfer")


def debt(bench: LendingBench) -> int:
    return balance(bench.chain, bench.market.weth.debt_token, bench.owner)


# ------------------------------------------------------------------ what is allowed
def test_every_step_of_a_hedge_is_signed_and_mined(lending: LendingBench) -> None:
    bench = lending
    bench.mined(bench.approve(bench.usdc, 50_000 * DOLLAR, bench.market.pool))
    bench.mined(bench.supply(bench.usdc, 50_000 * DOLLAR))
    bench.mined(bench.borrow(bench.weth, 10 * ETHER))
    bench.mined(bench.swap(bench.weth, 10 * ETHER, 29_940 * DOLLAR))
    bench.mined(bench.buy(9 * ETHER, 27_040 * DOLLAR))
    bench.mined(bench.approve(bench.weth, balance(bench.chain, bench.weth, bench.owner), bench.market.pool))
    bench.mined(bench.repay(bench.weth, 5 * ETHER))
    bench.mined(bench.withdraw(bench.usdc, 20_000 * DOLLAR))
    bench.mined(bench.call("setUserUseReserveAsCollateral", bench.usdc, True))
    bench.mined(bench.repay(bench.weth, MOST))
    bench.mined(bench.withdraw(bench.usdc, MOST))
    bench.mined(bench.call("setUserEMode", 0))
    assert debt(bench) == balance(bench.chain, bench.market.usdc.a_token, bench.owner) == 0


def test_a_call_counts_for_what_it_moves_and_loses_no_more_than_roundings(lending: LendingBench) -> None:
    bench = lending
    for intent, dollars in (
        (bench.supply(bench.usdc, 1_000 * DOLLAR), 1_000),
        (bench.borrow(bench.weth, ETHER), 3_000),
        (bench.repay(bench.weth, ETHER), 3_000),
        (bench.withdraw(bench.usdc, 1_000 * DOLLAR), 1_000),
    ):
        charge = bench.judge(intent).charge
        assert (charge.token, charge.actions) == (bench.usdc, 1)
        assert charge.notional == pytest.approx(dollars * DOLLAR, rel=2e-3)
        assert charge.loss <= 2
    switch = bench.judge(bench.call("setUserUseReserveAsCollateral", bench.usdc, True)).charge
    assert (switch.notional, switch.actions) == (0, 0)


# ------------------------------------------------------------------ forged
def test_a_forged_call_is_refused_for_what_is_wrong_with_it(lending: LendingBench) -> None:
    bench, pool = lending, lending.market.pool
    other = bench.world.usdc_high
    borrow = bench.borrow(bench.weth, ETHER)
    bench.judge(borrow)
    flash = declared("flashLoanSimple(address,address,uint256,bytes,uint16)")
    with_atokens = declared("repayWithATokens(address,uint256,uint256)")
    liquidate = declared("liquidationCall(address,address,address,uint256,bool)")
    delegate = declared("approveDelegation(address,uint256)")
    batch = declared("multicall(bytes[])")
    forged = {
        ("limits", f"of {bench.weth} at lending, at most {25 * ETHER}"): bench.borrow(
            bench.weth, 151 * ETHER // 10
        ),
        ("limits", f"borrow of {pool} for {STRANGER}"): bench.borrow(bench.weth, 1, STRANGER),
        ("limits", "at rate mode 1: only 2"): bench.borrow(bench.weth, ETHER, rate=1),
        ("limits", "repay of " + pool + " at rate mode 1"): bench.repay(bench.weth, ETHER, rate=1),
        ("limits", f"repay of {pool} for {STRANGER}"): bench.repay(bench.weth, ETHER, STRANGER),
        ("limits", f"supply of {pool} for {STRANGER}"): bench.supply(bench.usdc, DOLLAR, STRANGER),
        ("limits", f"withdraw of {pool} for {STRANGER}"): bench.withdraw(bench.usdc, DOLLAR, STRANGER),
        ("limits", f"contract {STRANGER} is not on the list"): bench.call(
            "borrow", bench.weth, ETHER, 2, 0, bench.owner, to=STRANGER
        ),
        ("limits", f"borrow of {other} at lending: not on the list"): bench.borrow(other, 1),
        ("limits", f"of {bench.usdc} at lending, at most 0"): bench.borrow(bench.usdc, DOLLAR),
        ("limits", "e-mode 1 at lending: not on the list"): bench.call("setUserEMode", 1),
        ("limits", f"contract {bench.market.usdc.a_token} is not on the list"): bench.intent(
            bench.market.usdc.a_token, function("tokens/ERC20", "transfer").calldata(STRANGER, 1)
        ),
        ("limits", f"contract {bench.market.weth.a_token} is not on the list"): bench.approve(
            bench.market.weth.a_token, 1, STRANGER
        ),
        ("limits", f"contract {bench.market.weth.debt_token} is not on the list"): bench.intent(
            bench.market.weth.debt_token, delegate.calldata(STRANGER, ETHER)
        ),
        ("limits", f"approve of {bench.usdc} for {STRANGER}"): bench.approve(bench.usdc, 1, STRANGER),
        ("limits", f"approve of {other} for {pool}"): bench.approve(other, 1, pool),
        ("limits", f"0x42b0b77c of {pool} is not on the list"): bench.intent(
            pool, flash.calldata(STRANGER, bench.weth, ETHER, b"", 0)
        ),
        ("limits", f"0x2dad97d4 of {pool} is not on the list"): bench.intent(
            pool, with_atokens.calldata(bench.usdc, DOLLAR, 2)
        ),
        ("limits", f"0x00a718a9 of {pool} is not on the list"): bench.intent(
            pool,
            liquidate.calldata(bench.usdc, bench.weth, bench.owner, 1, True),
        ),
        ("limits", f"0xac9650d8 of {pool} is not on the list"): bench.intent(
            pool, batch.calldata([bytes.fromhex(borrow.call.data[2:])])
        ),
        ("limits", f"function 0xa415bcad of {bench.world.router} is not on the list"): bench.routed(
            [bytes.fromhex(borrow.call.data[2:])]
        ),
        ("malformed", "not what they encode to"): bench.intent(pool, borrow.call.data + "00" * 32),
        ("limits", "with a call that takes none"): bench.intent(pool, borrow.call.data, value_wei=1),
    }
    assert wrongly_answered(bench, forged) == {}


def test_what_the_oracle_alone_would_let_pass_is_refused(lending: LendingBench) -> None:
    """Whoever makes the oracle lie for one block may have the market lend on it, but not the signer ask for it."""
    bench = lending
    for dollars in (1_000, 2_900, 3_100, 5_000):
        bench.tell_price(dollars)
        for asked in (bench.borrow(bench.weth, ETHER), bench.withdraw(bench.usdc, 1_000 * DOLLAR)):
            refusal = bench.refusal(asked)
            assert (refusal.reason, "bps from a reference of" in refusal.detail) == ("market", True), refusal
        bench.judge(bench.repay(bench.weth, ETHER))  # what makes the account safer asks no oracle
        bench.judge(bench.supply(bench.usdc, DOLLAR))
    bench.tell_price(3_010)
    bench.judge(bench.borrow(bench.weth, ETHER))


def test_an_account_is_left_healthy_now_and_a_debt_after_a_shock_too(lending: LendingBench) -> None:
    bench = lending
    # 80,000 dollars count; 20 ETH make a factor of 1.33 at 3,000, and 1.03 after 30 %
    says = ("limits", "by the signer's references, after a shock of 3000 bps at lending, at least 1.2000")
    refusal = bench.refusal(bench.borrow(bench.weth, 10 * ETHER))
    assert (refusal.reason, says[1] in refusal.detail) == (says[0], True), refusal
    bench.judge(bench.borrow(bench.weth, 7 * ETHER))  # 1.57, and 1.2066 after it
    # a withdrawal need not leave room for one: 45,000 dollars of 55,000 that stay count 44,000, a factor of 1.47
    bench.judge(bench.withdraw(bench.usdc, 45_000 * DOLLAR))
    refusal = bench.refusal(bench.withdraw(bench.usdc, 56_000 * DOLLAR))
    assert (refusal.reason, "a health factor of 1.17" in refusal.detail) == ("limits", True), refusal
    refusal = bench.refusal(bench.call("setUserUseReserveAsCollateral", bench.usdc, False))
    assert refusal.reason == "simulation", "the pool itself does not let it go"


def test_a_floor_that_the_market_broke_since_is_the_markets(lending: LendingBench) -> None:
    asked = lending.borrow(lending.weth, 10 * ETHER)
    lending.chain.mine()
    assert lending.refusal(asked).reason == "market"


def test_a_debt_that_the_file_does_not_name_stops_what_is_risky(lending: LendingBench) -> None:
    bench = lending
    bench.name_market(tokens={bench.usdc: 0})
    refusal = bench.refusal(bench.withdraw(bench.usdc, DOLLAR))
    assert (refusal.reason, "base units are owed at lending, 0 of them" in refusal.detail) == ("limits", True)
    bench.judge(bench.supply(bench.usdc, DOLLAR))
    assert "not on the list" in bench.refusal(bench.repay(bench.weth, ETHER)).detail


def test_an_oracle_that_was_replaced_is_refused_until_the_signer_begins_again(lending: LendingBench) -> None:
    bench, market = lending, lending.market
    (provider,) = {ask(bench.chain, market.pool, declared("ADDRESSES_PROVIDER()", "address"))}
    other = declared("setPriceOracle(address)").calldata(market.prices)
    bench.chain.execute(aave.Tx(sender=market.admin, to=provider, data=other, gas=300_000))
    refusal = bench.refusal(bench.borrow(bench.weth, ETHER))
    assert (refusal.reason, f"is {market.prices}, it was {market.oracle}" in refusal.detail) == (
        "market",
        True,
    )
    bench.name_market()
    bench.judge(bench.borrow(bench.weth, ETHER))


def test_a_transaction_elsewhere_may_not_change_what_lies_at_the_market(lending: LendingBench) -> None:
    bench = lending
    *_, terms = bench.limits.venues
    for asked in (
        bench.supply(bench.usdc, DOLLAR),
        bench.borrow(bench.weth, ETHER),
        bench.repay(bench.weth, ETHER),
        bench.withdraw(bench.usdc, DOLLAR),
    ):
        effect = bench.judge(asked).effect
        assert terms.touched(bench.owner, effect) == "what lies at lending"
        assert terms.touched(STRANGER, effect) is None
    swapped = bench.judge(bench.swap(bench.weth, ETHER, 2_994 * DOLLAR)).effect
    assert terms.touched(bench.owner, swapped) is None


def test_collateral_that_is_burned_is_counted_and_none_that_goes_to_others(lending: LendingBench) -> None:
    bench = lending
    *_, terms = bench.limits.venues
    logs = bench.judge(bench.withdraw(bench.usdc, DOLLAR)).effect.logs
    (burned,) = [log for log in logs if (log.address, log.topics[0]) == (bench.market.usdc.a_token, TRANSFER)]
    assert terms.counts(burned)
    assert not terms.counts(replace(burned, topics=(*burned.topics[:2], f"0x{STRANGER[2:]:0>64}")))
    assert not terms.counts(replace(burned, address=bench.usdc))


def test_a_router_that_takes_collateral_on_the_way_is_refused(lending: LendingBench) -> None:
    """The owner once let the router take its aTokens; now its code is another's."""
    bench, a_token = lending, lending.market.usdc.a_token
    taking = function("tokens/ERC20", "transferFrom").encode(bench.owner, STRANGER, 1_000 * DOLLAR)
    bench.chain.execute(
        aave.Tx(
            sender=bench.owner,
            to=a_token,
            data=function("tokens/ERC20", "approve").calldata(bench.world.router, MOST),
            gas=200_000,
        )
    )
    bench.chain.rpc("anvil_setCode", bench.world.router, calling(a_token, taking))
    refusal = bench.refusal(bench.swap(bench.weth, ETHER, 2_994 * DOLLAR))
    assert (refusal.reason, f"{a_token} moves from the owner" in refusal.detail) == ("limits", True), refusal


# ------------------------------------------------------------------ what the file may name
def test_what_is_no_known_market_is_refused_at_the_start(lending: LendingBench) -> None:
    bench, sevens = lending, "0x" + "77" * 20
    bench.chain.rpc("anvil_setCode", sevens, "0x600760005260206000f3")  # answers 7, whatever is asked
    for says, changes in {
        "lending: .* is of revision 7, known are 1 .3.0., 10 .3.6.": {"pool": sevens},
        "lending: .* is not a pool of Aave V3": {"pool": bench.weth},
        f"lending: {bench.world.usdc_high} has no reserve in pool": {"tokens": {bench.world.usdc_high: 1}},
    }.items():
        with pytest.raises(SettingsError, match=says):
            read(bench.chain, fields_of(bench.market, **changes))
    for says, changes in {"one name": {"pool": bench.market.pool}, "one pool": {"name": "other"}}.items():
        with pytest.raises(SettingsError, match=f"two lending markets have {says}"):
            read(bench.chain, fields_of(bench.market), fields_of(bench.market, **changes))


# ------------------------------------------------------------------ the purchase of what is repaid
def test_a_purchase_is_held_against_its_maximum(lending: LendingBench) -> None:
    bench = lending
    charge = bench.judge(bench.buy(ETHER, 3_005 * DOLLAR)).charge
    assert 0 < charge.loss <= 10 * DOLLAR, "the maximum counts, not what it takes"
    forged = {
        ("limits", "the swap's maximum may lose"): bench.buy(ETHER, 3_100 * DOLLAR),
        ("limits", "the swap's maximum is "): bench.buy(ETHER, 3_029 * DOLLAR),
        ("limits", f"exactOutputSingle of {bench.world.router} for {STRANGER}"): bench.buy(
            ETHER, 3_005 * DOLLAR, recipient=STRANGER
        ),
        ("limits", "it stops at a price"): bench.buy(ETHER, 3_005 * DOLLAR, limit_x96=2**100),
        ("simulation", "Too much requested"): bench.buy(ETHER, 2_990 * DOLLAR),
        ("limits", "of token1, the pool holds"): bench.buy(300 * ETHER, 907_500 * DOLLAR),
    }
    assert wrongly_answered(bench, forged) == {}


def wrongly_answered(
    bench: LendingBench, forged: dict[tuple[str, str], SubmitTransaction]
) -> dict[tuple[str, str], str]:
    """Check each intent, and return those that are not refused for the expected reason."""
    told = {expected: bench.refusal(intent) for expected, intent in forged.items()}
    return {
        (reason, says): str(refusal)
        for (reason, says), refusal in told.items()
        if (refusal.reason, says in refusal.detail) != (reason, True)
    }


def calling(to: str, data: bytes) -> str:
    """Write the code of a contract that does nothing but make one call."""
    size = f"61{len(data):04x}"
    code = f"{size}61002c60003960006000{size}6000600073{to[2:]}5af100"
    assert len(code) == 2 * 0x2C
    return "0x" + code + data.hex()


def test_a_borrow_is_judged_also_as_if_the_collateral_before_it_did_not_come(lending: LendingBench) -> None:
    bench = lending
    supplied = bench.supply(bench.usdc, 50_000 * DOLLAR)
    wanted = bench.borrow(bench.weth, 10 * ETHER)
    says = ("limits", "by the signer's references, after a shock of 3000 bps at lending, at least 1.2000")
    refused = bench.refusal(wanted, waiting=(supplied,))
    assert (refused.reason, says[1] in refused.detail) == (says[0], True)
    bench.mined(supplied)
    bench.judge(bench.borrow(bench.weth, 10 * ETHER))


def test_a_borrow_that_the_market_refuses_without_the_collateral_before_it_goes_with_it(
    lending: LendingBench,
) -> None:
    bench = lending
    bench.mined(bench.withdraw(bench.usdc, 40_000 * DOLLAR))
    supplied = bench.supply(bench.usdc, 100_000 * DOLLAR)
    wanted = bench.borrow(bench.weth, 10 * ETHER)
    assert bench.refusal(wanted).reason == "simulation"
    bench.judge(wanted, waiting=(supplied,))


def test_two_borrows_behind_collateral_are_judged_together_as_if_it_did_not_come(
    lending: LendingBench,
) -> None:
    bench = lending
    supplied = bench.supply(bench.usdc, 50_000 * DOLLAR)
    first = bench.borrow(bench.weth, 6 * ETHER)
    second = bench.borrow(bench.weth, 6 * ETHER + 1)
    bench.judge(first, waiting=(supplied,))
    assert bench.refusal(second, waiting=(supplied, first)).reason == "limits"
