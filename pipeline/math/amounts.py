"""How much of each token a piece of liquidity is."""

from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick


def amounts_of_liquidity(
    sqrt_price_x96: SqrtPriceX96, tick_lower: Tick, tick_upper: Tick, liquidity: Liquidity
) -> tuple[RawAmount, RawAmount]:
    """Measure what a burn of `liquidity` would pay. Rounds: down."""
    raise NotImplementedError
