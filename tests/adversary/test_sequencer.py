"""A signer whose chain's sequencer is down, or has just come back, on real bytecode: which intents it signs and which not."""

import asyncio

import pytest
from intents import attempt
from judge_bench import Bench
from lending_bench import DOLLAR, ETHER, LendingBench
from msgspec.structs import replace
from price_play import brings
from uptime import DOWN, FEED, UP, place_uptime

from pipeline.errors import SettingsError
from pipeline.messages.journal import NO_CHARGE
from pipeline.messages.sequencer import SequencerFeed
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.nonces import bind, new_account
from pipeline.units import Address, Seconds
from pipeline.venues.abi import function
from streams.devnet import aave, actions
from streams.devnet.reads import minted_token_id, position, range_around
from streams.submit.judge import Judge
from streams.submit.node import HttpSenderNode
from streams.submit.sequencer import check_uptime_feed

pytestmark = pytest.mark.anvil

GRACE_S = 3_600
BAD = [(DOWN, 10**6), (DOWN, 0), (UP, 60), (2, 10**6), (UP, -600), (3_000 * 10**8, 60), (-1, 60)]
"""What the feed may say, and since how many seconds, while no price counts."""


def heeding(bench: Bench) -> None:
    """Let the signer's file name the feed."""
    bench.limits = replace(bench.limits, sequencer=SequencerFeed(feed=FEED, grace_s=Seconds(GRACE_S)))


def sale(bench: Bench) -> SubmitTransaction:
    """A sale that a signer signs where nothing else is wrong."""
    weth = bench.world.weth
    honest = brings(bench, bench.world.usdc_low, bench.swap(weth, ETHER, 0))
    return bench.swap(weth, ETHER, honest)


def test_while_the_sequencer_is_up_for_longer_than_the_grace_period_a_swap_is_signed(bench: Bench) -> None:
    heeding(bench)
    place_uptime(bench.chain, UP, GRACE_S + 1)
    bench.judge(sale(bench))


@pytest.mark.parametrize(("says", "ago_s"), BAD)
def test_no_swap_is_signed_by_a_price_that_does_not_count(bench: Bench, says: int, ago_s: int) -> None:
    heeding(bench)
    place_uptime(bench.chain, says, ago_s)
    intent = sale(bench)
    refusal = bench.refusal(intent)
    assert refusal.reason == "market"
    assert "sequencer" in refusal.detail
    bench.limits = replace(bench.limits, sequencer=None)
    bench.judge(intent)


@pytest.mark.parametrize("code", ["0x", "0x60006000fd", "0x60206000f3"])
def test_a_feed_that_is_gone_reverts_or_answers_something_else_stops_a_swap(bench: Bench, code: str) -> None:
    heeding(bench)
    place_uptime(bench.chain, UP)
    intent = sale(bench)
    bench.chain.rpc("anvil_setCode", FEED, code)
    assert "does not answer as one" in bench.refusal(intent).detail


@pytest.mark.parametrize(("says", "ago_s"), BAD)
def test_allowances_and_withdrawals_are_signed_at_any_time(bench: Bench, says: int, ago_s: int) -> None:
    heeding(bench)
    pool = bench.world.pool("weth_usdc_low_500")
    ticks = range_around(bench.chain, pool, -1_000, 1_000)
    mint = actions.mint_position(bench.world, bench.owner, pool, ticks, bench.world.amounts(pool, ETHER))
    (minted,) = bench.chain.execute(mint)
    number = minted_token_id(minted, bench.world)
    place_uptime(bench.chain, says, ago_s)
    bench.judge(bench.approve(bench.world.weth, 0))
    bench.judge(bench.approve(bench.world.weth, ETHER))
    bench.judge(bench.deposit())
    liquidity = position(bench.chain, bench.world, number).liquidity
    bench.judge(withdrawal(bench, number, liquidity))


def withdrawal(bench: Bench, number: int, liquidity: int) -> SubmitTransaction:
    manager = "uniswap-v3/NonfungiblePositionManager"
    decrease = function(manager, "decreaseLiquidity")
    collect = function(manager, "collect")
    calls = [
        decrease.encode((number, liquidity, 0, 0, bench.head().timestamp_s + 600)),
        collect.encode((number, bench.owner, 2**128 - 1, 2**128 - 1)),
    ]
    data = function(manager, "multicall").calldata(calls)
    return bench.intent(bench.world.position_manager, data, gas_limit=900_000)


def test_what_was_signed_before_and_waits_is_outdated_once_the_sequencer_is_down(bench: Bench) -> None:
    heeding(bench)
    place_uptime(bench.chain, UP)
    intent = sale(bench)

    async def outdated() -> list[str]:
        node = HttpSenderNode(bench.chain.url, timeout_s=10)
        try:
            judge = Judge(
                node, bench.limits, multicall=Address(bench.world.multicall), stop_of=lambda _: None
            )
            look = await node.look(await node.newest(), Address(bench.owner), ())
            account = bind(
                new_account(Address(bench.owner), look.nonce), intent, attempt(1), look.head, NO_CHARGE
            )
            return [each.why for each in (await judge.outdated(account, look)).values()]
        finally:
            await node.close()

    assert asyncio.run(outdated()) == []
    place_uptime(bench.chain, DOWN)
    bench.chain.mine()
    (why,) = asyncio.run(outdated())
    assert "the sequencer is down since" in why


@pytest.mark.parametrize(("says", "is_refused"), [(UP, False), (DOWN, False), (2, True)])
def test_a_signer_does_not_begin_with_a_feed_that_is_none(bench: Bench, says: int, is_refused: bool) -> None:
    place_uptime(bench.chain, says)

    async def begin() -> None:
        node = HttpSenderNode(bench.chain.url, timeout_s=10)
        try:
            await check_uptime_feed(node, SequencerFeed(feed=FEED))
        finally:
            await node.close()

    if not is_refused:
        asyncio.run(begin())
        return
    with pytest.raises(SettingsError, match=r"sequencer\.uptime_feed: .* answers 2, which is neither up"):
        asyncio.run(begin())


# ------------------------------------------------------------------ a debt
@pytest.mark.parametrize(("says", "ago_s"), BAD)
def test_what_secures_a_debt_is_signed_at_any_time_and_no_borrowing(
    lending: LendingBench, says: int, ago_s: int
) -> None:
    bench = lending
    heeding(bench)
    bench.mined(bench.approve(bench.weth, ETHER, bench.market.pool))
    bench.mined(bench.approve(bench.usdc, 1_000 * DOLLAR, bench.market.pool))
    place_uptime(bench.chain, says, ago_s)
    bench.judge(bench.repay(bench.weth, ETHER))
    bench.judge(bench.supply(bench.usdc, 1_000 * DOLLAR))
    bench.judge(bench.call("setUserUseReserveAsCollateral", bench.usdc, True))
    for refused in (
        bench.borrow(bench.weth, 1),
        bench.call("setUserEMode", 0),
        bench.withdraw(bench.usdc, DOLLAR),
    ):
        assert "sequencer" in bench.refusal(refused).detail


@pytest.mark.parametrize(("says", "ago_s", "is_signed"), [(UP, 60, True), (2, 60, True), (DOWN, 60, False)])
def test_collateral_is_traded_for_a_debt_in_need_once_the_sequencer_is_back(
    lending: LendingBench, says: int, ago_s: int, is_signed: bool
) -> None:
    """A health factor of 1.48 is below 1.2 after a shock of 30 %; by the pool's price it is well, so nothing else refuses."""
    bench = lending
    heeding(bench)
    place_uptime(bench.chain, says, ago_s)
    buys, withdraws = bench.buy(ETHER // 10, 300_500_000), bench.withdraw(bench.usdc, 100 * DOLLAR)
    for well in (buys, withdraws):
        assert "sequencer" in bench.refusal(well).detail
    bench.chain.execute(aave.borrow(bench.market, bench.owner, bench.weth, 8 * ETHER))
    place_uptime(bench.chain, says, ago_s)
    buys, withdraws = bench.buy(ETHER // 10, 300_500_000), bench.withdraw(bench.usdc, 100 * DOLLAR)
    for in_need in (buys, withdraws):
        if is_signed:
            bench.judge(in_need)
        else:
            assert "sequencer" in bench.refusal(in_need).detail
    assert "sequencer" in bench.refusal(bench.borrow(bench.weth, 1)).detail
