"""The best swap before a mint by exhaustive search, which the closed form and the search must equal."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.errors import OutOfRangeError
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.units import RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3 import LivePool, SwapPlan, quote, swap_to_ratio
from pipeline.venues.uniswap_v3.swap_to_ratio import HIGHEST_LIMIT_X96, LOWEST_LIMIT_X96


@dataclass(frozen=True)
class Task:
    """Holdings that are to go into a range."""

    live: LivePool
    amounts: tuple[RawAmount, RawAmount]
    ticks: tuple[Tick, Tick]
    window_x96: tuple[SqrtPriceX96, SqrtPriceX96] = (LOWEST_LIMIT_X96, HIGHEST_LIMIT_X96)

    def plan(self) -> SwapPlan:
        return swap_to_ratio(self.live, *self.amounts, *self.ticks, window_x96=self.window_x96)

    def minted(self, amount_in: int, *, down: bool) -> int:
        """Swap an amount, mint what is then held; nothing where either reverts."""
        live, (held0, held1) = self.live, map(int, self.amounts)
        price_x96 = live.sqrt_price_x96
        try:
            if amount_in:
                limit_x96 = SqrtPriceX96(self.window_x96[0 if down else 1])
                swap = quote(live, RawAmount(amount_in), zero_for_one=down, limit_x96=limit_x96)
                price_x96 = swap.sqrt_price_x96
                held0, held1 = held0 - swap.amount0_delta, held1 - swap.amount1_delta
            return liquidity_for_amounts(
                price_x96, Tick(self.ticks[0]), Tick(self.ticks[1]), RawAmount(held0), RawAmount(held1)
            )
        except OutOfRangeError:
            return 0

    def check_best(self, plan: SwapPlan, inputs: Iterable[int]) -> None:
        """No input makes more liquidity than the plan, and no lesser one as much."""
        most = self.amounts[0 if plan.zero_for_one else 1]
        assert 0 <= plan.amount_in <= most
        assert self.minted(plan.amount_in, down=plan.zero_for_one) == plan.liquidity
        for amount_in in inputs:
            if 0 <= amount_in <= most:
                minted = self.minted(amount_in, down=plan.zero_for_one)
                assert minted <= plan.liquidity, amount_in
                assert minted < plan.liquidity or amount_in >= plan.amount_in, amount_in
