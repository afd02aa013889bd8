"""In a quiet market the signer signs every drafted mint, for any range, price, ratio and units; no distant price meets the minimums of a signed one."""

import random
from collections import Counter
from types import SimpleNamespace

import pytest
from depth import examples
from quiet_market import asked_for

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.ticks import MAX_TICK, sqrt_price_at_tick, tick_at_sqrt_price
from streams.submit.venues.port import KnownCall
from streams.submit.venues.uniswap_v3.depth import Near
from streams.submit.venues.uniswap_v3.minimums import check_minimums_of_calls
from streams.submit.venues.uniswap_v3.prices import Priced, Prices
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, PricedPool, UniswapV3Terms
from streams.submit.venues.uniswap_v3.value import Valuation
from streams.submit.verdict import Refusal

FEE_OF_SPACING = {1: 100, 10: 500, 60: 3_000, 200: 10_000}
WIDTHS = 1, 2, 3, 10, 60, 600, 4_000
"""In spacings."""
LEAST_UNITS = 10**6
"""What a book has is worth as many raw units of either token at least: of far fewer, one is more than the bound lets a mint go."""
SHARES = 0, 1, 5, 50, 95, 99, 100
"""How much of the value is token0 before the mint, in percent."""
PLACES = "below", "at_lower", "above_lower", "inside", "below_upper", "at_upper", "above"
MAX_LOSSES_BPS = 5, 30, 100, 300
EXAMPLES, FORGED = 3_000, 1_500


def signed(
    prices: Prices,
    ticks: tuple[int, int],
    amounts: tuple[int, int],
    least: tuple[int, int],
    max_loss_bps: int,
) -> str:
    """Ask the signer's own checks; the reason where it refuses."""
    arguments = (prices.pool.token0, prices.pool.token1, prices.pool.fee_pips, *ticks, *amounts, *least)
    call = KnownCall(to="0x" + "11" * 20, function="mint", arguments=(*arguments, "", 0))
    here = ListedDeployment(router="", position_manager=call.to, pools=(prices.pool,))
    judged = SimpleNamespace(calls=(call,), effect=SimpleNamespace(logs=()))
    try:
        Valuation(calls=(call,), prices=prices, max_loss_bps=max_loss_bps, deployments=(here,)).check_worst()
        check_minimums_of_calls(
            judged, prices, here, UniswapV3Terms(deployments=(here,)), max_loss_bps=max_loss_bps
        )
    except Refusal as refusal:
        return refusal.detail
    return ""


def quiet(price_x96: int, fee_pips: int) -> Prices:
    """A pool whose mean is its price."""
    tick = tick_at_sqrt_price(price_x96)
    pool = PricedPool(
        address="0x" + "e1" * 20, token0="0x" + "a1" * 20, token1="0x" + "a2" * 20, fee_pips=fee_pips
    )
    near = Near(sqrt_price_x96=price_x96, tick=tick, liquidity=0, nets={}, mean_liquidity=None)
    mean = Priced(pool=pool, sqrt_price_x96=sqrt_price_at_tick(tick), name="its own mean")
    return Prices(pool=pool, references=(mean,), near=near, deepest=near)


def drawn(chance: random.Random) -> tuple[str, tuple[int, int], int, int, tuple[int, int]]:
    """Draw where the price is, a range, the price, the spacing, and what is held."""
    spacing = chance.choice(list(FEE_OF_SPACING))
    most = MAX_TICK // spacing
    width = min(chance.choice(WIDTHS), 2 * most)
    lowest = chance.choice((0, -276_325, 276_324, 69_081, -345_405)) // spacing + chance.randrange(-500, 500)
    lowest = max(min(lowest, most - width - 2), 2 - most)
    lower, upper = lowest * spacing, (lowest + width) * spacing
    place = chance.choice(PLACES)
    ends = sqrt_price_at_tick(lower), sqrt_price_at_tick(upper)
    hair = max(ends[0] // 10 ** chance.randrange(4, 20), 1)
    price_x96 = {
        "below": sqrt_price_at_tick(lower - chance.randrange(1, 2 * spacing)),
        "at_lower": ends[0],
        "above_lower": min(ends[0] + hair, ends[1] - 1),
        "inside": chance.randrange(ends[0] + 1, ends[1]),
        "below_upper": max(ends[1] - hair, ends[0] + 1),
        "at_upper": ends[1],
        "above": sqrt_price_at_tick(upper + chance.randrange(1, 2 * spacing)),
    }[place]
    worth1 = 10 ** chance.randrange(6, 27)
    worth0 = (worth1 << 192) // price_x96**2
    if worth0 < LEAST_UNITS:
        worth0, worth1 = LEAST_UNITS, LEAST_UNITS * price_x96**2 >> 192
    share = chance.choice(SHARES)
    return place, (lower, upper), price_x96, spacing, (worth0 * share // 100, worth1 * (100 - share) // 100)


def minted(
    price_x96: int, ticks: tuple[int, int], amounts: tuple[int, int]
) -> tuple[int, tuple[int, int]] | None:
    """What the contracts do at a price: the liquidity, and what it takes; None where the manager reverts."""
    try:
        liquidity = liquidity_for_amounts(price_x96, *ticks, *amounts)
    except OutOfRangeError:
        return None
    return liquidity, range_amounts(price_x96, *ticks, liquidity, round_up=True)


@pytest.mark.parametrize("seed", range(3))
def test_every_mint_is_signed_in_a_quiet_market(seed: int) -> None:
    chance, reached = random.Random(seed), Counter[object]()
    for _ in range(examples(EXAMPLES)):
        place, ticks, price_x96, spacing, held = drawn(chance)
        if not (there := minted(price_x96, ticks, held)) or not there[0]:
            continue  # the range takes none of what is held, or the manager itself reverts
        max_loss_bps = chance.choice(MAX_LOSSES_BPS)
        amounts, least = asked_for(price_x96, ticks, held, max_loss_bps)
        _, taken = minted(price_x96, ticks, amounts) or (0, (0, 0))
        assert taken[0] >= least[0], (place, ticks, amounts, least)
        assert taken[1] >= least[1], (place, ticks, amounts, least)
        assert 0 not in amounts or sum(least) * 1_000 >= sum(amounts) * 999, "of one token alone, all of it"
        prices = quiet(price_x96, FEE_OF_SPACING[spacing])
        why = signed(prices, ticks, amounts, least, max_loss_bps)
        assert not why, (why, place, ticks, amounts, least)
        reached[place] += 1
        reached[spacing] += 1
        reached["one token alone" if 0 in amounts else "both tokens"] += 1
    assert min(reached[each] for each in (*PLACES, *FEE_OF_SPACING)) >= examples(EXAMPLES) // 20, reached
    assert min(reached["one token alone"], reached["both tokens"]) >= examples(EXAMPLES) // 5, reached


@pytest.mark.parametrize("seed", range(3))
def test_minimums_that_are_met_far_from_the_mean_are_not_signed(seed: int) -> None:
    """Whoever wrote them: where the signer signs, nothing is minted further off than its bound, whichever tick is tried."""
    chance, reached = random.Random(seed), Counter[str]()
    for _ in range(examples(FORGED)):
        _, ticks, price_x96, spacing, held = drawn(chance)
        if not (there := minted(price_x96, ticks, held)) or not there[0]:
            continue
        max_loss_bps = chance.choice(MAX_LOSSES_BPS)
        amounts, honest = asked_for(price_x96, ticks, held, max_loss_bps)
        offered = chance.choice((amounts, held))
        parts = chance.choice((0, 50, 90, 99, 100)), chance.choice((0, 50, 90, 99, 100))
        least = honest[0] * parts[0] // 100, honest[1] * parts[1] // 100
        prices = quiet(price_x96, FEE_OF_SPACING[spacing])
        mean = min(max(prices.near.tick, ticks[0]), ticks[1])
        off = max_loss_bps + 3
        tried = (mean - off, mean + off, mean - 2 * off, mean + 2 * off, *ticks, sum(ticks) // 2)
        far = [each for each in tried if ticks[0] <= each <= ticks[1] and abs(each - mean) >= off]
        there = [minted(sqrt_price_at_tick(each), ticks, offered) for each in far]
        met = [
            each for each in there if each and each[0] and each[1][0] >= least[0] and each[1][1] >= least[1]
        ]
        is_signed = not signed(prices, ticks, offered, least, max_loss_bps)
        assert not (is_signed and met), (ticks, offered, least, mean, max_loss_bps)
        reached["refused" if met else "signed" if is_signed else "refused though none of those is met"] += 1
    assert min(reached["refused"], reached["signed"]) >= examples(FORGED) // 20, reached
