"""Liquidity is worth least at the price that values it: withdrawn at any other price, it is worth no less."""

from random import Random

from pipeline.math.amounts import amounts_of_liquidity
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.math.value import value_in_token1
from pipeline.units import Liquidity, Tick

EXAMPLES = 4_000
_Q96 = 1 << 96


def test_what_is_taken_out_at_a_pushed_price_is_worth_no_less_at_the_true_one() -> None:
    """L * (sqrt(s) - sqrt(p))^2 / sqrt(s) more in token1, both prices clamped to the range; what roundings take is a raw unit of each token."""
    dice, gains = Random(3), 0
    for _ in range(EXAMPLES):
        lower, width = Tick(dice.randint(-200_000, 200_000)), dice.choice([1, 60, 600, 20_000])
        upper, liquidity = Tick(lower + width), Liquidity(dice.randint(1, 10 ** dice.randint(1, 24)))
        true = Tick(lower + dice.randint(-width // 4 - 1, width + width // 4 + 1))
        pushed = Tick(true + dice.choice([1, -1]) * dice.randint(1, dice.choice([50, 900, 60_000])))
        true_x96, pushed_x96 = sqrt_price_at_tick(true), sqrt_price_at_tick(pushed)
        paid, kept = (amounts_of_liquidity(each, lower, upper, liquidity) for each in (pushed_x96, true_x96))
        worth_paid, worth_kept = (value_in_token1(each[0], true_x96) + each[1] for each in (paid, kept))
        rounding = 2 + -(-true_x96 * true_x96 // (1 << 192))
        assert worth_paid >= worth_kept - rounding, (lower, width, liquidity, true, pushed)
        s, p = (
            min(max(each, sqrt_price_at_tick(lower)), sqrt_price_at_tick(upper))
            for each in (pushed_x96, true_x96)
        )
        if lower <= true < upper:  # beside the range the true price is not the clamped one
            gain = liquidity * (s - p) ** 2 // (s * _Q96)
            assert abs(worth_paid - worth_kept - gain) <= rounding + 1
            gains += gain > rounding
    assert gains > EXAMPLES // 4
