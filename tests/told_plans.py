"""Plans as they are told on decisions.v1: how one begins and ends, with round costs in dollars."""

from pipeline.messages.base import BlockRef, Cause
from pipeline.messages.costs import ForeseenCost, RealCost
from pipeline.messages.decisions import PlanClosed, PlanOpened

DOLLAR = 10**6
FORESEEN = ForeseenCost(
    gas_expected=2 * DOLLAR,
    gas_at_limits=5 * DOLLAR,
    swap_fee=3 * DOLLAR,
    impact=DOLLAR,
    way_back=DOLLAR // 2,
)
COST = RealCost(
    transactions=8,
    gas_used=10**6,
    gas_wei=5 * 10**15,
    gas_quote=3 * DOLLAR,
    swap_loss=4 * DOLLAR,
    missed_fees=DOLLAR // 4,
    blocks_outside=2,
)


def cause(number: int) -> Cause:
    at = BlockRef(number=number, hash=f"0x{number}", parent_hash="0x", timestamp_s=1_800_000_000 + number)
    return Cause(shard=0, offset=number, block=at)


def opened(number: int, *, name: str = "", book: str = "alpha") -> PlanOpened:
    plan = name or f"plan.0.{number}.0123456789abcdef"
    return PlanOpened(
        id=plan,
        because_of=cause(number),
        book=book,
        plan=plan,
        pool="0x1",
        tick_lower=-10,
        tick_upper=20,
        notional_quote=150_000 * DOLLAR,
        trigger="out_of_range",
        foreseen=FORESEEN,
        share_before_bps=6_500,
        share_after_bps=5_010,
        deviation_bps=1_500,
    )


def closed(number: int, begun: PlanOpened, outcome: str = "done") -> PlanClosed:
    return PlanClosed(
        id=f"plan.0.{number}.ff",
        because_of=cause(number),
        book=begun.book,
        plan=begun.plan,
        outcome=outcome,
        cost=COST,
        foreseen=FORESEEN,
        over_foreseen=COST.paid - FORESEEN.expected,
        deviation_before_bps=1_500,
        deviation_after_bps=-12,
    )
