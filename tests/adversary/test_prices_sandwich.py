"""Somebody trades before a swap or a mint of the owner and takes the price back afterwards, at any price of the pool."""

import pytest
from eth_abi.abi import encode
from judge_bench import Bench
from price_play import (
    DOLLAR,
    ETHER,
    amount_to,
    around,
    best_sandwich,
    brings,
    mint,
    push,
    rising,
    sandwiched,
    sandwiched_mint,
)
from sender_house import ROUTER, limits_of

from pipeline.math.sandwich import safe_window_x96
from pipeline.math.slippage import least_of_quote, minimum_out
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.abi import function
from streams.devnet.reads import slot0
from streams.devnet.world import DevnetPool
from streams.submit.verdict import Refusal

pytestmark = pytest.mark.anvil

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
"""WETH is token1, and token0."""
WINDOW_S, TOLERANCE_BPS, BOUND_TICKS = 180, 15, 50
JUMP_TICKS = 4_447  # 56 %


def sale(bench: Bench, pool: DevnetPool, *, of_weth: bool) -> tuple[str, str, int]:
    """What is sold, what is bought, how much."""
    weth, usdc = bench.world.weth, bench.world.usdc_of(pool)
    return (weth, usdc, 3 * ETHER) if of_weth else (usdc, weth, 9_000 * DOLLAR)


@pytest.fixture
def defaults(bench: Bench) -> Bench:
    bench.limits = limits_of(bench.world, twap_window_s=WINDOW_S)
    return bench


@pytest.mark.parametrize("off", [-45, 0, 45])
@pytest.mark.parametrize("of_weth", [True, False])
@pytest.mark.parametrize("name", POOLS)
def test_a_sandwich_takes_no_more_than_the_tolerance_at_any_price_that_is_signed_at(
    defaults: Bench, name: str, of_weth: bool, off: int
) -> None:
    bench, pool = defaults, defaults.world.pool(name)
    sold, bought, amount = sale(bench, pool, of_weth=of_weth)
    push(bench, pool, off * rising(pool, sold))
    honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=name))
    least = least_of_quote(honest, TOLERANCE_BPS)

    loose = bench.swap(sold, amount, least - 1, pool=name)
    assert f"so at least {least}" in bench.refusal(loose).detail
    strict = bench.swap(sold, amount, least, pool=name)
    bench.judge(strict)
    got = sandwiched(bench, pool, bought, strict)
    assert honest * (10_000 - TOLERANCE_BPS) <= got * 10_000
    assert (honest - got) * 10_000 > 14 * honest, "the attack was as good as it can be"


@pytest.mark.parametrize("of_weth", [True, False])
@pytest.mark.parametrize("name", POOLS)
def test_a_sandwich_pays_from_where_a_swap_moves_the_price_by_twice_the_fee(
    defaults: Bench, name: str, of_weth: bool
) -> None:
    """So a public swap within that is safe, whatever its minimum."""
    bench, pool = defaults, defaults.world.pool(name)
    sold, _, _ = sale(bench, pool, of_weth=of_weth)
    spot_x96 = slot0(bench.chain, pool).sqrt_price_x96
    low_x96, high_x96 = safe_window_x96(spot_x96, pool.fee_pips)
    safe = amount_to(bench, pool, sold, low_x96 if sold == pool.token0 else high_x96)
    assert best_sandwich(bench, pool, sold, safe) * 10**6 < safe, (
        "nothing, to the rounding of the smallest one"
    )
    assert best_sandwich(bench, pool, sold, safe * 9 // 10) < 0
    assert best_sandwich(bench, pool, sold, 2 * safe) * 10**4 > safe


@pytest.mark.parametrize("of_weth", [True, False])
@pytest.mark.parametrize("name", POOLS)
def test_a_minimum_that_follows_a_stale_mean_is_refused(defaults: Bench, name: str, of_weth: bool) -> None:
    """With spot 200 ticks in our favour the mean less 0.9 % leaves more than 2 % to whoever trades first."""
    bench, pool = defaults, defaults.world.pool(name)
    sold, bought, amount = sale(bench, pool, of_weth=of_weth)
    mean_x96 = sqrt_price_at_tick(slot0(bench.chain, pool).tick)
    push(bench, pool, 200 * rising(pool, sold))
    stale = minimum_out(amount, mean_x96, 500, 90, zero_for_one=sold == pool.token0)
    intent = bench.swap(sold, amount, stale, pool=name)
    honest = brings(bench, bought, intent)
    taken = honest - sandwiched(bench, pool, bought, intent)
    assert taken * 10_000 > 240 * honest

    assert "ticks from its own mean, at most 50" in bench.refusal(intent).detail
    bench.limits = limits_of(
        bench.world, twap_window_s=WINDOW_S, max_spot_from_twap_log_bps=200 + BOUND_TICKS
    )
    assert "it brings" in bench.refusal(intent).detail, (
        "and where the file's bound is wide the simulation says so"
    )


@pytest.mark.parametrize("up", [1, -1])
@pytest.mark.parametrize("name", POOLS)
def test_after_a_jump_nothing_is_signed_until_the_mean_has_followed(
    defaults: Bench, name: str, up: int
) -> None:
    bench, pool = defaults, defaults.world.pool(name)
    sold, bought, amount = sale(bench, pool, of_weth=True)
    mean_x96 = sqrt_price_at_tick(slot0(bench.chain, pool).tick)
    push(bench, pool, up * JUMP_TICKS)
    honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=name))
    stale = minimum_out(amount, mean_x96, 500, 100, zero_for_one=sold == pool.token0)
    for least in (stale, least_of_quote(honest, TOLERANCE_BPS), honest):
        refusal = bench.refusal(bench.swap(sold, amount, least, pool=name))
        assert refusal.reason in {"market", "limits", "simulation"}
    assert bench.refusal(mint(bench, pool, around(bench, pool))).reason in {"market", "limits"}


@pytest.mark.parametrize("off", [-BOUND_TICKS - 3, BOUND_TICKS + 3])
@pytest.mark.parametrize("name", POOLS)
def test_spot_beyond_the_bound_is_refused_on_either_side(defaults: Bench, name: str, off: int) -> None:
    bench, pool = defaults, defaults.world.pool(name)
    sold, bought, amount = sale(bench, pool, of_weth=True)
    push(bench, pool, off)
    honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=name))
    refusal = bench.refusal(bench.swap(sold, amount, honest, pool=name))
    assert (refusal.reason, "from its own mean, at most 50" in refusal.detail) == ("market", True)


def test_our_own_waiting_swap_counts_for_where_spot_stands(defaults: Bench) -> None:
    """A first swap moves the price away from the mean; the one behind it is judged at the price that it will find."""
    bench, name = defaults, POOLS[0]
    bench.limits = limits_of(
        bench.world, twap_window_s=WINDOW_S, max_share_of_depth_bps=10_000, swap_tolerance_bps=100
    )
    weth = bench.world.weth
    first = bench.swap(weth, 125 * ETHER, 0, pool=name)
    second = bench.swap(weth, ETHER, 1, pool=name)
    refusal = bench.refusal(second, waiting=(first,))
    assert refusal.reason == "limits", "its minimum is too low by itself"
    least = brings(bench, bench.world.usdc_low, second)
    close = bench.swap(weth, ETHER, least * 992 // 1_000, pool=name)
    refusal = bench.refusal(close, waiting=(first,))
    assert (refusal.reason, "ticks from its own mean" in refusal.detail) == ("market", True), refusal.detail


@pytest.mark.parametrize("name", POOLS)
def test_a_mint_that_is_met_far_from_the_reference_is_refused(defaults: Bench, name: str) -> None:
    """Over a wide range a price that is 10 % off costs less than `max_loss`; so the price itself is held to the reference."""
    bench, pool = defaults, defaults.world.pool(name)
    wide = around(bench, pool, 40_000)
    bench.judge(mint(bench, pool, wide, slack_bps=40))
    refusal = bench.refusal(mint(bench, pool, wide, slack_bps=600))
    assert (refusal.reason, "the mint's minimums are met" in refusal.detail) == ("limits", True)


def test_a_mint_beside_the_price_counts_from_the_end_that_is_nearer(defaults: Bench) -> None:
    bench, pool = defaults, defaults.world.pool(POOLS[0])
    tick = slot0(bench.chain, pool).tick // 10 * 10
    above = (tick + 100, tick + 700)
    dollars = (3_000 * DOLLAR, 0)
    bench.judge(mint(bench, pool, above, slack_bps=50, wanted=dollars))
    assert "limits" in bench.refusal(mint(bench, pool, above, least=(0, 0), wanted=dollars)).reason


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("half_width", [60, 600, 6_000])
@pytest.mark.parametrize("name", POOLS)
def test_a_sandwich_of_a_mint_takes_no_more_than_max_loss(
    defaults: Bench, name: str, half_width: int, up: bool
) -> None:
    """With the loosest minimums that are signed, found by trying: over a narrow range, a usual one, a wide one."""
    bench, pool = defaults, defaults.world.pool(name)
    push(bench, pool, 40)
    ticks = around(bench, pool, half_width)
    loosest = 0
    for step_bps in (4_096, 2_048, 1_024, 512, 256, 128, 64, 32, 16, 8, 4):
        try:
            bench.judge(mint(bench, pool, ticks, slack_bps=loosest + step_bps))
        except Refusal:
            continue
        loosest += step_bps
    assert loosest
    went_in, lost = sandwiched_mint(bench, pool, mint(bench, pool, ticks, slack_bps=loosest), up=up)
    assert lost * 10_000 <= 100 * went_in


def test_each_swap_of_a_multicall_is_held_against_its_own_output(defaults: Bench) -> None:
    bench, pool = defaults, defaults.world.pool(POOLS[0])
    weth, usdc = bench.world.weth, bench.world.usdc_of(pool)
    first, second = 2_995 * DOLLAR, 2_994 * DOLLAR

    def together(*least: int) -> SubmitTransaction:
        parts = []
        for minimum in least:
            terms = (weth, usdc, pool.fee_pips, bench.owner, ETHER, minimum, 0)
            parts.append(function(ROUTER, "exactInputSingle").encode(terms))
        data = "0x5ae401dc" + encode(("uint256", "bytes[]"), (bench.head().timestamp_s + 600, parts)).hex()
        return bench.intent(bench.world.router, data, gas_limit=700_000)

    bench.judge(together(first, second))
    assert "so at least" in bench.refusal(together(first, second - 10 * DOLLAR)).detail
    assert "so at least" in bench.refusal(together(first - 10 * DOLLAR, second)).detail


@pytest.mark.parametrize("name", POOLS)
def test_a_limit_that_a_later_head_breaks_is_laid_on_the_market(defaults: Bench, name: str) -> None:
    """The price moves in our favour behind the plan's block: at that block's head the same intent is signed."""
    bench, pool = defaults, defaults.world.pool(name)
    sold, bought, amount = sale(bench, pool, of_weth=True)
    least = least_of_quote(brings(bench, bought, bench.swap(sold, amount, 0, pool=name)), TOLERANCE_BPS)
    intent = bench.swap(sold, amount, least, pool=name)
    bench.judge(intent)
    push(bench, pool, 20 * rising(pool, sold))
    refusal = bench.refusal(intent)
    assert (refusal.reason, "it brings" in refusal.detail) == ("market", True)
    too_little = bench.swap(sold, amount, least, pool=name)
    assert bench.refusal(too_little).reason == "limits", "made on this head"
