"""Compute the further cost of our own swap when arbitrage takes the price back."""

from pipeline.math.fixed_point import PIPS, Q96, div_up
from pipeline.units import Liquidity, Pips, RawAmount, SqrtPriceX96


def loss_to_reversion(
    liquidity: Liquidity, before_x96: SqrtPriceX96, after_x96: SqrtPriceX96, fee_pips: Pips
) -> RawAmount:
    """Compute what newly minted liquidity loses when arbitrage undoes the swap that preceded it.

    gamma / 2 * max(0, |delta| - fee)^2, with gamma = liquidity * s / 2 and delta = 2 * (after - before) / before

    The price is taken to have been right before, and to come back as far as the fee lets it.

    Units:  raw token1; delta is of the logarithm of the price, to first order.
    Rounds: up.
    """
    moved = 2 * PIPS * abs(after_x96 - before_x96) - fee_pips * before_x96
    if moved <= 0:
        return RawAmount(0)
    return RawAmount(div_up(liquidity * moved * moved, 4 * Q96 * before_x96 * PIPS * PIPS))
