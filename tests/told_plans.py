"""Published messages of plans on decisions.v1, with round costs in dollars."""

from pipeline.messages.base import BlockRef, Cause
from pipeline.messages.costs import ForeseenCost, RealCost
from pipeline.messages.decisions import PlanClosed, PlanOpened
from pipeline.messages.outcomes import AnyPlanOutcome, Done
from pipeline.units import (
    Address,
    BlockNumber,
    BookId,
    Bps,
    Hash,
    Offset,
    RawAmount,
    Seconds,
    ShardId,
    Tick,
    TokenId,
    Wei,
)
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange, goal_of

_DONE = Done()
DOLLAR = RawAmount(10**6)
FORESEEN = ForeseenCost(
    gas_expected=RawAmount(2 * DOLLAR),
    gas_at_limits=RawAmount(5 * DOLLAR),
    swap_fee=RawAmount(3 * DOLLAR),
    impact=DOLLAR,
    way_back=RawAmount(DOLLAR // 2),
)
COST = RealCost(
    transactions=8,
    gas_used=10**6,
    gas_wei=Wei(5 * 10**15),
    gas_quote=RawAmount(3 * DOLLAR),
    swap_loss=RawAmount(4 * DOLLAR),
    missed_fees=RawAmount(DOLLAR // 4),
    blocks_outside=2,
)


def cause(number: int) -> Cause:
    at = BlockRef(
        number=BlockNumber(number),
        hash=Hash(f"0x{number}"),
        parent_hash=Hash("0x"),
        timestamp_s=Seconds(1_800_000_000 + number),
    )
    return Cause(shard=ShardId(0), offset=Offset(number), block=at)


def opened(number: int, *, name: str = "", book: str = "alpha") -> PlanOpened:
    plan = name or f"plan.0.{number}.0123456789abcdef"
    return PlanOpened(
        id=plan,
        because_of=cause(number),
        book=BookId(book),
        plan=plan,
        goal=goal_of(
            PoolRange(pool=Address("0x1"), tick_lower=Tick(-10), tick_upper=Tick(20), withdraw=(TokenId(1),))
        ),
        notional_quote=RawAmount(150_000 * DOLLAR),
        trigger="out_of_range",
        foreseen=FORESEEN,
        share_before_bps=Bps(6_500),
        share_after_bps=Bps(5_010),
        deviation_bps=Bps(1_500),
    )


def closed(number: int, begun: PlanOpened, outcome: AnyPlanOutcome = _DONE) -> PlanClosed:
    return PlanClosed(
        id=f"plan.0.{number}.ff",
        because_of=cause(number),
        book=begun.book,
        plan=begun.plan,
        outcome=outcome,
        cost=COST,
        foreseen=FORESEEN,
        over_foreseen=None if COST.paid is None else RawAmount(COST.paid - FORESEEN.expected),
        deviation_before_bps=Bps(1_500),
        deviation_after_bps=Bps(-12),
    )
