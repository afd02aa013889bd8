"""Compute one step of a swap: from a price towards a target within one range of liquidity."""

import msgspec

from pipeline.math.fixed_point import PIPS
from pipeline.math.prices import price_after_input, price_after_output
from pipeline.units import Liquidity, Pips, RawAmount, SqrtPriceX96


class SwapStep(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one swap step. The trader pays `amount_in` and `fee`."""

    sqrt_price_x96: SqrtPriceX96
    amount_in: RawAmount
    amount_out: RawAmount
    fee: RawAmount


def fee_on(amount_in: RawAmount, fee_pips: Pips) -> RawAmount:
    """Return the fee on top of an input that reaches the curve.

    amount_in * fee / (1 - fee)

    Rounds: up.
    """
    return RawAmount(-(-amount_in * fee_pips // (PIPS - fee_pips)))


def less_fee(amount: RawAmount, fee_pips: Pips) -> RawAmount:
    """Return how much of an offered input reaches the curve. Rounds: down."""
    return RawAmount(amount * (PIPS - fee_pips) // PIPS)


def amounts_between(
    start_x96: SqrtPriceX96, end_x96: SqrtPriceX96, liquidity: Liquidity
) -> tuple[RawAmount, RawAmount]:
    """Compute what a step from one price to another takes in and gives out; the two prices tell the direction.

    `amount0_delta` and `amount1_delta` in one, without their checks: every replayed swap comes through here.

    Units:  raw (amount in without fee, amount out).
    Rounds: in up, out down.
    """
    if end_x96 <= start_x96:
        spread = liquidity * (start_x96 - end_x96)
        return RawAmount(-(-(spread << 96) // (start_x96 * end_x96))), RawAmount(spread >> 96)
    spread = liquidity * (end_x96 - start_x96)
    return RawAmount(-(-spread >> 96)), RawAmount((spread << 96) // (start_x96 * end_x96))


def step_with_input(
    start_x96: SqrtPriceX96,
    target_x96: SqrtPriceX96,
    liquidity: Liquidity,
    remaining: RawAmount,
    fee_pips: Pips,
) -> SwapStep:
    """Spend up to `remaining`, no further than the target price.

    Rounds: for the pool.
    Source: v3-core SwapMath.computeSwapStep, exact input
    """
    budget = less_fee(remaining, fee_pips)
    amount_in, amount_out = amounts_between(start_x96, target_x96, liquidity)
    if budget >= amount_in:
        return SwapStep(
            sqrt_price_x96=target_x96,
            amount_in=amount_in,
            amount_out=amount_out,
            fee=fee_on(amount_in, fee_pips),
        )
    end_x96 = price_after_input(start_x96, liquidity, budget, zero_for_one=target_x96 <= start_x96)
    amount_in, amount_out = amounts_between(start_x96, end_x96, liquidity)
    return SwapStep(
        sqrt_price_x96=end_x96,
        amount_in=amount_in,
        amount_out=amount_out,
        fee=RawAmount(remaining - amount_in),  # what is too little to move the price is fee
    )


def step_with_output(
    start_x96: SqrtPriceX96,
    target_x96: SqrtPriceX96,
    liquidity: Liquidity,
    remaining: RawAmount,
    fee_pips: Pips,
) -> SwapStep:
    """Buy up to `remaining`, no further than the target price.

    Rounds: for the pool.
    Source: v3-core SwapMath.computeSwapStep, exact output
    """
    end_x96 = target_x96
    if remaining < amounts_between(start_x96, target_x96, liquidity)[1]:
        end_x96 = price_after_output(start_x96, liquidity, remaining, zero_for_one=target_x96 <= start_x96)
    amount_in, amount_out = amounts_between(start_x96, end_x96, liquidity)
    return SwapStep(
        sqrt_price_x96=end_x96,
        amount_in=amount_in,
        amount_out=min(amount_out, remaining),
        fee=fee_on(amount_in, fee_pips),
    )
