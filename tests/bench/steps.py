"""How well a live book keeps its target in a market that is arbitraged at the end of each block: `python tests/bench/steps.py`.

On the toy chain: the pool's integers are the real ones, blocks and mempool are not. An outside price walks without drift, 4 % a
day; noise trades, and arbitrage brings the pool back to within its fee of the outside price. Four ways are compared on the same
walks: a plan is the whole way or nothing, plans may be steps, and wider price limits.
"""

import sys
from collections import Counter
from collections.abc import Callable
from math import exp, sqrt
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import ROOMY_SIGNER, STRANGER, ToyChain
from desk import live
from lifecycle import Lifecycle, deviation

from pipeline.math.fixed_point import Q96
from pipeline.messages.decisions import PlanClosed, PlanOpened, RebalanceProposed, StepRefused
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Limits, Rerange, TargetBand
from pipeline.units import Bps, LogBps, RawAmount, Seconds, SqrtPriceX96
from pipeline.venues.uniswap_v3 import quote

BLOCKS, SEEDS, DAILY = 400, (1, 2, 3), 0.04
LIQUIDITY = 10**22
BLOCK_S = 12
NOISE = 10**16


class Flow:
    """An outside price, and those who trade because of it or for no reason."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.price = 1.0

    def __call__(self, chain: ToyChain) -> None:
        """Trade in one block."""
        self.price *= exp(self.dice.gauss(0, DAILY * sqrt(BLOCK_S / 86_400)))
        chain.swap(self.dice.randrange(1, NOISE), down=self.dice.random() < 0.5)
        fee = chain.pool.fee_pips / 10**6
        now = (chain.pool.sqrt_price_x96 / Q96) ** 2
        for down, edge in ((True, self.price * (1 + fee)), (False, self.price * (1 - fee))):
            if (now > edge) if down else (now < edge):
                self._bring(chain, int(sqrt(edge) * Q96), down=down)

    def _bring(self, chain: ToyChain, to_x96: int, *, down: bool) -> None:
        most = quote(chain.pool, RawAmount(10**30), zero_for_one=down, limit_x96=SqrtPriceX96(to_x96))
        amount = most.amount0_delta if down else most.amount1_delta
        if amount > 0:
            chain.swap(amount, down=down, trader=STRANGER)


def run(seed: int, limits: Limits, rerange: Rerange) -> Counter[str]:
    """Let a book live through a walk, and add up what became of it."""
    band = TargetBand(
        band_bps=Bps(1_000),
        hysteresis_bps=Bps(200),
        hold_out_of_range_s=Seconds(600),
        cooldown_s=Seconds(600),
    )
    life = Lifecycle(live(strategy=band, limits=limits, action=rerange), depth=LIQUIDITY)
    flow, off = Flow(seed), []
    for _ in range(BLOCKS):
        life.block(flow)
        off.append(deviation(life.chain, life.book))
    costs = [each.cost for each in life.said(PlanClosed) if each.cost is not None]
    opened = life.said(PlanOpened)
    told = Counter(f"refused {each.reason}" for each in life.said(StepRefused))
    told.update(
        proposals=len(life.said(RebalanceProposed)),
        plans=len(opened),
        steps=sum(bool(each.cut_short) for each in opened),
        done=life.outcomes().count(Done()),
        off=int(mean(off)),
        outside=sum(each > band.band_bps for each in off) * 100 // len(off),
        moved=sum(each.notional_quote for each in opened),
        cost=sum(each.paid or 0 for each in costs),
    )
    return told


def whole_way_or_nothing(measure: Callable[[], Any]) -> Any:
    """Measure as it was before plans could be steps."""
    with (
        patch("pipeline.venues.uniswap_v3.act.outlook.largest_step", lambda *_, **__: None),
        patch("pipeline.venues.uniswap_v3.act.reconsider.largest_step", lambda *_, **__: None),
    ):
        return measure()


def report(name: str, told: list[Counter[str]]) -> None:
    """Print a line for all walks together."""
    all_ = sum(told, Counter())
    plans = all_["plans"] or 1
    bps = all_["cost"] * 10_000 / (all_["moved"] or 1)
    print(
        f"{name:28} mean deviation {all_['off'] / len(told):5.0f} bps, outside {all_['outside'] / len(told):3.0f} %, "
        f"{all_['plans']} plans ({all_['steps']} steps) of {all_['proposals']} proposals = {plans / max(all_['proposals'], 1):.2f}, "
        f"cost of a plan {bps:.2f} bps of what it moves, "
        f"{ {k: v for k, v in all_.items() if k.startswith('refused')} }",
        flush=True,
    )


def main() -> None:
    """Measure all ways."""
    usual: dict[str, Any] = {
        "max_daily_cost_bps": 10_000,
        "max_daily_gas_bps": 10_000,
        "max_actions_per_day": 1_000,
        "signer": ROOMY_SIGNER,
    }
    default, wide = (
        Limits(**usual),
        Limits(**usual, max_slippage_bps=Bps(200), max_spot_from_twap_log_bps=LogBps(400)),
    )
    split, whole = (
        Rerange(half_width_log_bps=LogBps(150)),
        Rerange(half_width_log_bps=LogBps(150), large_swaps="private"),
    )
    report(
        "default limits, no steps",
        whole_way_or_nothing(lambda: [run(seed, default, whole) for seed in SEEDS]),
    )
    report("default limits", [run(seed, default, split) for seed in SEEDS])
    limits = Limits(**usual, max_slippage_bps=Bps(50))
    report("max_slippage 0.5 %", [run(seed, limits, split) for seed in SEEDS])
    report("max_slippage 2 %", [run(seed, wide, split) for seed in SEEDS])


if __name__ == "__main__":
    main()
