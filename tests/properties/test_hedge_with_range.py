"""For any holdings and targets a re-range and its hedge's step fit in one plan with a monotone net exposure."""

import copy
import random
from collections import Counter
from functools import cache

from builders import BASE
from depth import examples
from msgspec.structs import replace
from worlds.lending.chain import FAR, KEEPS, LendingDesk, hedged

from pipeline.advance.books import stock_of
from pipeline.book.stock import outside_hedge
from pipeline.hedge.target import centre_of
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, RebalanceProposed
from pipeline.messages.goals import JointGoal
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, version_of
from pipeline.units import Bps, RawAmount, Seconds

UNIT = 10**18
EXAMPLES, BLOCKS = 36, 16
DUST = UNIT // 10**4
"""What a stranger's swap of a block brings the book's range."""
BAND_BPS, IMPACT_BPS = 500, 100


def book(share_bps: int, ratio_bps: int, reserve_quote: int) -> Policy:
    strategy = replace(FAR, target_share_bps=Bps(share_bps), band_bps=Bps(500))
    action = replace(
        KEEPS,
        reserve_base=RawAmount(UNIT),
        reserve_quote=RawAmount(reserve_quote),
        stall_after_s=Seconds(600),
    )
    rests = {"ratio_bps": Bps(ratio_bps), "cooldown_s": Seconds(10**6)}
    return hedged(rests, strategy=strategy, action=action)


@cache
def on_target(share_bps: int, ratio_bps: int) -> LendingDesk:
    desk = LendingDesk(book(share_bps, ratio_bps, 6 * UNIT))
    for _ in range(24):
        desk.block()
    return desk


def net_and_long(desk: LendingDesk, policy: Policy) -> tuple[int, int]:
    net = stock_of(desk.shard, policy).base_amount
    return net, net + desk.chain.debt[BASE]


def base_off_target(desk: LendingDesk, policy: Policy, plan: PlanOpened) -> int:
    """How much base the re-range has left the book away from its target share: it may end anywhere within its inner band.

    Where a reserve keeps it outside, the plan says so, and ends nearer than it began.
    """
    moved = outside_hedge(policy, stock_of(desk.shard, policy))
    off_bps = abs(moved.base_share_bps - policy.strategy.target_share_bps)
    if "reserves among it" in plan.cut_short:
        assert off_bps < abs(plan.share_before_bps - policy.strategy.target_share_bps)
    else:
        assert off_bps <= policy.strategy.inner_bps
    price = moved.base_price
    return moved.value_quote * off_bps * price.denominator // (price.numerator * 10_000)


def go(chance: random.Random, seen: Counter[str]) -> None:
    """Give a book on its target another one, and hold each block's end against where it was and where it ends."""
    desk = copy.deepcopy(on_target(*chance.choice(((4_500, 6_500), (5_500, 3_000), (5_000, 9_000)))))
    to = book(
        chance.randrange(2_000, 7_500), chance.randrange(1_000, 10_000), chance.choice((3, 6, 9)) * UNIT
    )
    desk.set_policy(replace(to, policy_version=version_of(to)))
    opened, done, owed = len(desk.said(PlanOpened)), len(desk.signer.done), desk.chain.debt[BASE]
    path = [net_and_long(desk, to)]
    closed = len(desk.said(PlanClosed))
    for _ in range(BLOCKS):
        desk.block()
        path.append(net_and_long(desk, to))
        if len(desk.said(PlanClosed)) > closed:
            break
    assert not desk.said(Quarantined)
    plans = desk.said(PlanOpened)[opened:]
    if not plans or not isinstance(plans[0].goal, JointGoal):
        seen["apart"] += 1
        return
    assert [each.outcome for each in desk.said(PlanClosed)[closed:]] == [Done()]
    nets = [net for net, _ in path]
    low, high = min(nets[0], nets[-1]) - DUST, max(nets[0], nets[-1]) + DUST
    assert all(low <= net <= high for net in nets), nets
    steps = Counter(each.step for each in desk.signer.done[done:])
    assert steps["swap"] <= 1
    assert not steps["sell"] + steps["buy"], "what the hedge sells or buys is in the range's trade"
    grows = plans[0].goal.hedge.terms["grows"] == "1"
    assert bool(steps["borrow"]) == grows
    (proposed,) = [each for each in desk.said(RebalanceProposed) if each.id == plans[0].proposal]
    assert abs(desk.chain.debt[BASE] - owed - proposed.base_to_borrow) <= DUST
    off = abs(nets[-1] - nets[0] - proposed.base_to_buy)
    assert off <= base_off_target(desk, to, plans[0]) + abs(proposed.base_to_buy) // 200 + BLOCKS * DUST
    net, long = path[-1]
    assert to.hedge
    is_short_of_collateral = grows and desk.chain.health < 1.1 * 1.3 * 1.001
    if not is_short_of_collateral:
        most = long * (BAND_BPS + IMPACT_BPS) // 10_000 + base_off_target(desk, to, plans[0])
        assert abs(net - centre_of(to.hedge, long)) <= most
        seen["on target"] += 1
    seen["borrows" if grows else "repays"] += 1


def test_the_net_exposure_goes_from_where_it_is_to_where_it_is_to_be_and_nowhere_else():
    seen: Counter[str] = Counter()
    for seed in range(examples(EXAMPLES)):
        go(random.Random(seed), seen)
    assert seen["borrows"] >= 3, seen
    assert seen["repays"] >= 6, seen
    assert seen["on target"] >= 6, seen
