"""A book that is hedged at a lending market of the toy chain: its net exposure reaches its target, and the debt stays secured."""

import itertools
from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER, topic
from msgspec.structs import replace
from worlds.lending.chain import IDS, KEEPS, LENDING, LendingDesk, hedge_only

from pipeline.advance.books import stock_of
from pipeline.hedge.aim import HedgeAim
from pipeline.hedge.port import HedgePosition
from pipeline.hedge.target import centre_of, target_of
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.goals import HedgeGoal
from pipeline.messages.hedge import Hedge
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.policy import Policy, StallPolicy, version_of
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount, Seconds, ShardId
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3 import logs

UNIT = 10**18


def desk_at(policy: Policy, **world: Any) -> LendingDesk:
    desk = LendingDesk(policy, **world)
    settle(desk)
    return desk


def settle(desk: LendingDesk, most: int = 20) -> None:
    """Go on until a plan has ended and the next block opens none."""
    for _ in range(most):
        desk.block()


def net_of(desk: LendingDesk, policy: Policy) -> tuple[int, int]:
    """The net exposure, and all base."""
    net = stock_of(desk.shard, policy).base_amount
    return net, net + desk.chain.debt[BASE]


def steps(desk: LendingDesk) -> list[str]:
    return [each.step for each in desk.signer.done]


# ------------------------------------------------------------------ up
def test_a_hedge_supplies_borrows_and_sells_until_the_net_exposure_is_at_its_target():
    policy = hedge_only()
    desk = desk_at(policy)
    assert steps(desk) == ["approve", "supply", "borrow", "approve", "sell"]
    (opened,) = desk.said(PlanOpened)
    assert isinstance(opened.goal, HedgeGoal)
    assert opened.trigger == "net_outside_band"
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    net, long = net_of(desk, policy)
    off = net - centre_of(policy.hedge, long)
    assert 0 < off <= long * 210 // 10_000, "it is left at the near edge of where a step ends"
    assert desk.chain.health >= 1.1 * 1.3
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)


def test_a_target_that_is_reached_leads_to_nothing():
    desk = desk_at(hedge_only())
    done = len(desk.signer.done)
    settle(desk, 30)
    assert len(desk.signer.done) == done


def test_collateral_that_does_not_suffice_makes_a_step_of_it():
    policy = hedge_only(action=replace(KEEPS, reserve_quote=RawAmount(7 * UNIT)))
    desk = desk_at(policy, more_quote=UNIT)
    opened = desk.said(PlanOpened)[0]
    assert "can be borrowed" in opened.cut_short
    assert 0 < desk.chain.debt[BASE] < 3 * UNIT
    assert desk.chain.health >= 1.1 * 1.3


def test_the_wallets_own_base_is_sold_before_any_is_borrowed():
    policy = hedge_only(action=replace(KEEPS, reserve_base=RawAmount(0)))
    desk = desk_at(policy)
    assert steps(desk)[-1] == "sell"
    sold = desk.said(PlanOpened)[0].notional_quote
    assert 0 < desk.chain.debt[BASE] < sold * 51 // 100, "some half came out of the wallet"


def test_a_largest_step_is_gone_in_paces_and_a_largest_debt_is_kept():
    policy = hedge_only({"largest_step": RawAmount(UNIT), "largest_debt": RawAmount(2 * UNIT)})
    desk = desk_at(policy)
    assert len(desk.said(PlanOpened)) >= 2
    assert desk.said(PlanOpened)[0].cut_short
    settle(desk, 30)
    assert desk.chain.debt[BASE] <= 2 * UNIT
    assert desk.chain.debt[BASE] > 3 * UNIT // 2


# ------------------------------------------------------------------ down, and to the end
def test_a_ratio_that_falls_buys_and_repays_and_takes_collateral_back():
    policy = hedge_only()
    desk = desk_at(policy)
    owed, secured = desk.chain.debt[BASE], desk.chain.collateral[QUOTE]
    less = replace(policy, hedge=replace(policy.hedge, ratio_bps=Bps(3_000)))
    desk.set_policy(replace(less, policy_version=version_of(less)))
    before = len(desk.signer.done)
    settle(desk)
    assert [step for step in steps(desk)[before:] if step not in {"approve", "reset"}] == [
        "buy",
        "repay",
        "withdraw",
    ]
    assert desk.chain.debt[BASE] < owed
    assert desk.chain.collateral[QUOTE] < secured
    net, long = net_of(desk, less)
    assert abs(net - centre_of(less.hedge, long)) <= long * 500 // 10_000
    assert desk.chain.health >= 1.1 * 1.3


def test_a_ratio_of_nothing_leaves_no_debt_no_collateral_and_nothing_allowed():
    policy = hedge_only()
    desk = desk_at(policy)
    none = replace(policy, hedge=replace(policy.hedge, ratio_bps=Bps(0)))
    desk.set_policy(replace(none, policy_version=version_of(none)))
    settle(desk)
    assert [each.trigger for each in desk.said(PlanOpened)][-1] == "unwind"
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0
    assert not any(desk.chain.allowances.values())
    done = len(desk.signer.done)
    settle(desk)
    assert len(desk.signer.done) == done, "nothing is left to be unwound"


def test_an_end_waits_for_no_cooldown_of_a_step_before_and_a_rest_of_it_for_its_pace_alone():
    policy = hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(60)})
    desk = desk_at(policy)
    assert desk.chain.debt[BASE] > UNIT
    chain = desk.chain
    chain.mine(0)
    chain.move(QUOTE, OWNER, STRANGER, chain.balances[OWNER, QUOTE] - UNIT)
    chain.move(BASE, OWNER, STRANGER, chain.balances[OWNER, BASE])
    desk.watcher.tell()
    desk.take()
    ending = replace(policy, hedge=replace(policy.hedge, unwound=True))
    desk.set_policy(replace(ending, policy_version=version_of(ending)))
    opened = len(desk.said(PlanOpened))
    settle(desk, 90)
    assert len(desk.said(PlanOpened)) > opened + 1, "its wallet does not end it in one plan"
    assert {each.trigger for each in desk.said(PlanOpened)[opened:]} <= {"unwind", "health_low"}
    assert chain.debt[BASE] == chain.collateral[QUOTE] == 0


# ------------------------------------------------------------------ low health
def test_low_health_is_secured_at_once_out_of_the_wallet_and_never_falls_on_the_way():
    policy = hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)})
    desk = desk_at(policy)
    desk.chain.price_percent = 122
    desk.block()
    assert desk.chain.health < 1.2
    assert desk.said(PlanOpened)[-1].trigger == "health_low"
    seen = [desk.chain.health]
    for _ in range(6):
        desk.block()
        seen.append(desk.chain.health)
    assert desk.chain.health >= 1.1 * 1.3 - 0.01
    assert all(after >= before - 0.002 for before, after in itertools.pairwise(seen))


def test_with_an_empty_wallet_and_no_range_collateral_is_taken_out_to_repay_until_health_is_well():
    desk = low_desk(121, base=0, quote=0, ranges=0)
    owed, low = desk.chain.debt[BASE], desk.chain.health
    settle(desk, 60)
    assert "deleverage" in moves(desk)
    assert desk.chain.debt[BASE] < owed
    assert desk.chain.health > low
    assert desk.chain.health >= 1.2


def low_desk(percent: int, hedge: dict[str, Any] | None = None, **kept: int) -> LendingDesk:
    """A book on its target, whose price has jumped to so many percent, and of which so much is left."""
    desk = desk_at(hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6), **(hedge or {})}))
    desk.chain.price_percent = percent
    desk.keep(**kept)
    assert desk.chain.health < 1.2
    return desk


def moves(desk: LendingDesk) -> list[str]:
    return [str(each.goal.terms["move"]) for each in desk.said(PlanOpened)]


@pytest.mark.parametrize(
    ("percent", "kept", "move", "used"),
    [
        (122, {}, "secure", ["repay"]),
        (122, {"base": 5}, "secure", ["repay", "supply"]),
        (122, {"quote": 0}, "secure", ["repay"]),
        (122, {"base": 0}, "secure", ["supply"]),
        (136, {"base": 5, "quote": 0}, "secure_from_range", ["free", "repay"]),
        (122, {"base": 0, "quote": 0}, "secure_from_range", ["free", "repay"]),
        (136, {"base": 0, "quote": 0, "ranges": 3}, "secure_from_range", ["free", "repay", "supply"]),
        (121, {"base": 0, "quote": 0, "ranges": 0}, "deleverage", ["withdraw", "buy", "repay"]),
    ],
)
def test_low_health_is_secured_by_the_first_source_that_comes_to_something(
    percent: int, kept: dict[str, int], move: str, used: list[str]
):
    desk = low_desk(percent, **kept)
    done = len(desk.signer.done)
    assert moves(desk)[1:] == [move]
    for _ in range(5):
        desk.block()
    assert [step for step in steps(desk)[done:] if step not in {"approve", "reset"}][: len(used)] == used


def test_all_sources_follow_each_other_until_health_is_at_the_floor():
    """The wallet first; of the range no more than is missing then."""
    desk = low_desk(136, base=5, quote=0)
    liquidity, first = sum(each.liquidity for each in desk.liquid()), desk.chain.health
    settle(desk, 20)
    left = sum(each.liquidity for each in desk.liquid())
    assert 0 < left < liquidity, "what its fees and a part of it come to suffices"
    assert desk.chain.health >= 1.1 * 1.3 - 0.0002 > first
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()] * 2
    assert not any(desk.chain.allowances.values())
    settle(desk, 20)
    assert len(desk.said(PlanOpened)) == 2, "once it is well nothing more is taken out"


def test_collateral_that_health_does_not_rest_on_repays_before_the_range_does():
    """The owner's base is collateral instead, and its quote does not count any more."""
    desk = desk_at(hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}))
    chain, owed, liquid = desk.chain, desk.chain.debt[BASE], desk.liquid()
    chain.mine(0)
    chain.move(BASE, STRANGER, OWNER, 10 * UNIT)
    chain.supply(BASE, owed * 11 // 8)
    chain.flags = bits.with_collateral(chain.flags, IDS[QUOTE], on=False)
    chain.log(LENDING, [logs.COLLATERAL_DISABLED, topic(QUOTE), topic(OWNER)])
    for token in (BASE, QUOTE):
        chain.move(token, OWNER, STRANGER, chain.balances[OWNER, token])
    desk.watcher.tell()
    desk.take()
    assert 1.09 < chain.health < 1.11
    seen = [chain.health]
    for _ in range(6):
        desk.block()
        seen.append(chain.health)
    assert moves(desk)[1:] == ["deleverage_free"]
    assert chain.debt[BASE] < owed // 2
    assert all(after >= before - 0.0002 for before, after in itertools.pairwise(seen))
    assert desk.liquid() == liquid, "the range is left alone"


# ------------------------------------------------------------------ reasons not to act
@pytest.mark.parametrize(
    ("world", "reasons"),
    [
        ({"price_percent": 75}, {"oracle"}),
        ({"price_age_s": 100_000}, {"oracle_stale"}),
        ({"frozen": BASE}, {"reserve_frozen"}),
        ({"frozen": QUOTE}, {"reserve_frozen"}),
        ({"paused": {BASE}}, {"reserve_paused"}),
        ({"paused": {QUOTE}}, {"reserve_paused"}),
        ({"debt_ceiling": {QUOTE: 1}}, {"reserve_isolated"}),
        ({"borrow_cap": {BASE: 500}, "others_debt": {BASE: 500 * UNIT, QUOTE: 0}}, {"borrow_cap"}),
        ({"supply_cap": {QUOTE: 1}}, {"supply_cap"}),
        ({"others_debt": {BASE: 1_000 * UNIT, QUOTE: 0}}, {"liquidity"}),
        ({"others_debt": {BASE: 850 * UNIT, QUOTE: 0}}, {"carry"}),
    ],
)
def test_a_hedge_does_not_begin(world: dict[str, Any], reasons: set[str]):
    desk = LendingDesk(hedge_only(), **world)
    settle(desk, 4)
    assert {each.reason for each in desk.said(StepRefused)} == reasons
    assert not desk.signer.done


@pytest.mark.parametrize(
    ("world", "says"),
    [
        ({"borrow_cap": {BASE: 502}, "others_debt": {BASE: 500 * UNIT, QUOTE: 0}}, "exceed its cap"),
        ({"others_supply": {BASE: 2 * UNIT, QUOTE: UNIT}}, "hedge.most_carry"),
        ({"others_debt": {BASE: 975 * UNIT, QUOTE: 0}}, "hedge.most_carry"),
    ],
)
def test_where_a_part_can_be_had_the_part_is_borrowed_and_the_step_says_why(world: dict[str, Any], says: str):
    whole = desk_at(hedge_only())
    policy = hedge_only({"most_carry_bps": Bps(27_000)})
    desk = desk_at(policy, **world)
    opened = desk.said(PlanOpened)[0]
    assert says in opened.cut_short
    assert 0 < desk.chain.debt[BASE] < whole.chain.debt[BASE] * 9 // 10
    assert desk.chain.health >= 1.1 * 1.3
    chain = desk.chain
    assert chain.debt[BASE] + chain.others_debt[BASE] <= min(
        chain.others_supply[BASE], chain.borrow_cap.get(BASE, 10**9) * UNIT
    )
    assert not desk.said(Quarantined)


@pytest.mark.parametrize(
    ("changed", "reason", "leg"),
    [
        ({"frozen": {BASE}}, "reserve_frozen", "borrow"),
        ({"paused": {BASE}}, "reserve_paused", "borrow"),
        ({"borrow_cap": {BASE: 1}, "others_debt": {BASE: UNIT, QUOTE: 0}}, "borrow_cap", "borrow"),
        ({"others_debt": {BASE: 900 * UNIT, QUOTE: 0}}, "carry", "borrow"),
        ({"price_age_s": 100_000}, "oracle_stale", "borrow"),
        ({"price_percent": 70}, "oracle", "borrow"),
    ],
)
def test_what_changes_between_two_legs_holds_the_next_one_back_until_it_is_well_again(
    changed: dict[str, Any], reason: str, leg: str
):
    policy = hedge_only(action=replace(KEEPS, stall_after_s=Seconds(10_000)))
    desk = LendingDesk(hedge_only(mode="watch", action=policy.action))
    desk.set_policy(policy)
    while not any(each.step == "supply" for each in desk.pending):
        desk.block()
    desk.fails = {leg}
    usual = {name: getattr(desk.chain, name) for name in changed}
    for name, value in changed.items():
        setattr(desk.chain, name, value)
    desk.chain.configure(BASE)
    for _ in range(4):
        desk.block()
    refused = desk.said(StepRefused)
    assert {(each.phase, each.reason) for each in refused} == {(leg, reason)}
    assert desk.chain.debt[BASE] == 0
    for name, value in usual.items():
        setattr(desk.chain, name, value)
    desk.chain.configure(BASE)
    desk.fails = set()
    settle(desk)
    assert desk.chain.debt[BASE] > 0
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert not desk.said(Quarantined)


# ------------------------------------------------------------------ legs that fail, restarts, reorgs
@pytest.mark.parametrize("leg", ["supply", "borrow", "sell"])
def test_a_leg_that_fails_is_made_again_and_the_target_is_reached_once(leg: str):
    policy = hedge_only()
    desk = LendingDesk(policy)
    desk.fails = {leg}
    settle(desk, 3)
    desk.fails = set()
    settle(desk, 30)
    net, long = net_of(desk, policy)
    assert abs(net - centre_of(policy.hedge, long)) <= long * 500 // 10_000
    assert not desk.said(Quarantined)
    assert desk.chain.balances[OWNER, BASE] < 4 * UNIT, "what was borrowed was sold"


def test_a_restart_between_any_two_blocks_changes_nothing():
    whole, loaded = LendingDesk(hedge_only()), LendingDesk(hedge_only())
    for _ in range(8):
        whole.block()
        loaded.shard = Shard(ShardId(0), dict(loaded.shard.tables.entries()))
        loaded.block()
    assert steps(loaded) == steps(whole) == ["approve", "supply", "borrow", "approve", "sell"]
    assert [each.id for each in loaded.outputs] == [each.id for each in whole.outputs]


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_reorg_that_takes_legs_away_and_brings_them_again_leaves_one_hedge(blocks: int):
    policy = hedge_only()
    desk = LendingDesk(hedge_only(mode="watch"))
    desk.set_policy(policy)
    desk.block()
    assert desk.pending, "the plan has begun, and nothing of it is mined"
    branch = desk.watcher.fork("other")
    for _ in range(blocks):
        desk.block()
    orphaned = desk.signer.done[:]
    desk.watcher.revert_to(branch)
    desk.take()
    desk.chain.mine(0)
    desk.watcher.tell(tuple(desk.signer.execute(desk.chain, each) for each in orphaned))
    desk.take()
    settle(desk)
    net, long = net_of(desk, policy)
    assert abs(net - centre_of(policy.hedge, long)) <= long * 500 // 10_000
    assert desk.chain.debt[BASE] < 4 * UNIT, "nothing was borrowed twice"
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)


def begun(failing: set[str], hedge: dict[str, Any] | None = None, **action: Any) -> LendingDesk:
    """A book whose hedge begins now, and of which such transactions fail."""
    made = replace(KEEPS, **action)
    desk = LendingDesk(hedge_only(hedge, mode="watch", action=made))
    desk.set_policy(hedge_only(hedge, action=made))
    desk.fails = failing
    return desk


COMPENSATES: dict[str, Any] = {"compensate_after_s": Seconds(60), "cooldown_s": Seconds(600)}


@pytest.mark.parametrize("on_stall", ["wait", "hold_and_alert"])
def test_what_was_borrowed_and_cannot_be_sold_is_repaid_after_its_time(on_stall: StallPolicy):
    desk = begun({"sell"}, COMPENSATES, stall_after_s=Seconds(3_000), on_stall=on_stall)
    for _ in range(6):
        desk.block()
        if desk.chain.debt[BASE]:
            break
    borrowed_at, wallet = desk.chain.head.number, desk.chain.balances[OWNER, BASE]
    for _ in range(20):
        desk.block()
        if not desk.chain.debt[BASE]:
            break
    assert desk.chain.debt[BASE] == 0
    assert 5 <= desk.chain.head.number - borrowed_at <= 12, (
        "60 s, and a block each for what goes before and behind"
    )
    assert desk.chain.balances[OWNER, BASE] < wallet
    settle(desk, 10)
    stalled, done = (each.outcome for each in desk.said(PlanClosed))
    assert (stalled, done) == (Stalled(phase="sell", reason="step_failed"), Done())
    assert moves(desk) == ["up", "take_back"]
    assert desk.said(PlanOpened)[-1].trigger == "leg_failed"
    assert not any(desk.chain.allowances.values())
    assert "withdraw" not in steps(desk), "the next attempt needs the collateral"
    desk.fails = set()
    settle(desk, 70)
    assert moves(desk) == ["up", "take_back", "up"], "after a cooldown it is tried again"
    assert desk.chain.debt[BASE]
    assert not desk.said(Quarantined)


def test_what_cannot_be_sold_is_held_and_told_where_nothing_says_that_it_is_to_be_taken_back():
    desk = begun({"sell"}, stall_after_s=Seconds(60))
    settle(desk, 20)
    assert desk.chain.debt[BASE]
    assert set(moves(desk)) == {"up"}
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="sell", reason="step_failed")


def test_collateral_that_was_withdrawn_for_a_purchase_that_cannot_be_made_is_supplied_again():
    desk = low_desk(121, base=0, quote=0, ranges=0, hedge={"compensate_after_s": Seconds(60)})
    desk.fails = {"buy"}
    low = desk.chain.health
    for _ in range(12):
        desk.block()
        if moves(desk)[1:] == ["deleverage", "secure"]:
            break
    assert desk.chain.health < low - 0.02, "what is withdrawn lowers it"
    for _ in range(4):
        desk.block()
    assert desk.chain.health > low - 0.001
    assert moves(desk)[1:3] == ["deleverage", "secure"], "low health goes before, and supplies what there is"


def test_taking_back_that_fails_is_tried_again_at_its_pace():
    desk = begun({"sell", "repay"}, COMPENSATES, stall_after_s=Seconds(60))
    settle(desk, 40)
    assert moves(desk).count("take_back") >= 2
    assert desk.chain.debt[BASE]
    desk.fails = {"sell"}
    settle(desk, 12)
    assert not desk.chain.debt[BASE]
    assert not desk.said(Quarantined)


# ------------------------------------------------------------------ the law
def position(size: int, collateral: int = 0) -> HedgePosition:
    return HedgePosition(size=RawAmount(size), collateral=RawAmount(collateral), health_bps=None)


AIM = HedgeAim(ratio_bps=Bps(6_500), act_at_bps=Bps(500), back_to_bps=Bps(200))


def test_a_target_is_a_net_exposure_and_a_step_ends_where_the_band_says():
    hedge = Hedge(venue="v", ratio_bps=Bps(6_500), kept_base=RawAmount(100))
    assert centre_of(hedge, 1_100) == 450
    up = target_of(hedge, AIM, 1_100, position(0))
    assert up is not None
    assert (up.move, up.net) == ("up", 450 + 22)
    assert target_of(hedge, AIM, 472, position(628)) is None
    assert target_of(hedge, AIM, 472 + 33, position(628 - 33)) is None, "55 off is at the band's edge"
    down = target_of(hedge, AIM, 300, position(800))
    assert down is not None
    assert (down.move, down.net) == ("down", 450 - 22)


def test_what_is_left_is_taken_back_where_nothing_is_to_be_hedged():
    hedge = Hedge(venue="v", ratio_bps=Bps(0))
    assert target_of(hedge, AIM, 500, position(0)) is None
    closing = target_of(hedge, AIM, 400, position(100))
    assert closing is not None
    assert (closing.move, closing.net) == ("close", 500)
    assert target_of(hedge, AIM, 500, position(0, collateral=1)) is not None


def test_a_book_that_is_only_watched_is_not_hedged():
    desk = LendingDesk(hedge_only(mode="watch"))
    settle(desk, 3)
    assert {each.reason for each in desk.said(Declined)} == {"watch_only"}
