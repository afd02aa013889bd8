"""Somebody pushes a price, or the price of gas, in the one block in which a book proposes."""

from itertools import pairwise

import msgspec
import pytest
from chain_desk import ACTION, LIMITS, ChainDesk, book_on
from desk import Desk, live
from msgspec.structs import replace

from pipeline.act.guards import passing_reasons
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, RebalanceProposed, StepRefused
from pipeline.messages.dry_run import DryRun
from pipeline.messages.effects import BookEffects, DryRuns
from pipeline.messages.events import DryRunEnded
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, TargetBand
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, range_around
from streams.devnet.world import World

HOUR_S, BLOCK_S, FIRST_WAIT_S = 3_600, 12, 60
BAND = TargetBand(band_bps=600, hysteresis_bps=100, hold_out_of_range_s=60, cooldown_s=HOUR_S)
ETHER, DOLLAR = 10**18, 10**6


def at_s(said: object) -> int:
    return said.because_of.block.timestamp_s


def proposed_at_s(desk: Desk | ChainDesk) -> list[int]:
    return [at_s(said) for said in desk.said(RebalanceProposed)]


def allow(desk: Desk, **changes: object) -> None:
    """Put other limits in force: what was pushed is calm again, or the other way round."""
    book = desk.shard.tables.need("policy/alpha", Policy)
    desk.set_policy(replace(book, limits=replace(book.limits, **changes), policy_version=str(changes)))


def pushed(**limits: object) -> Desk:
    """A live book with an hour's cooldown, whose share has just left its band."""
    book = live(strategy=BAND)
    desk = Desk(replace(book, limits=replace(book.limits, **limits)))
    desk.block(push=True)
    return desk


# ------------------------------------------------------------------ on a real chain
@pytest.mark.anvil
def test_a_push_of_one_block_does_not_cost_a_book_its_hour(chain: Chain, world: World) -> None:
    """The pusher sells what takes the share out of the band and the price off its mean, and buys it back."""
    pool, owner = world.pool("weth_usdc_low_500"), world.accounts.owners[0]
    ticks = range_around(chain, pool, -300, 300)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, ETHER), (world.usdc_of(pool), 3_000 * DOLLAR)):
        nowhere = "0x" + "00" * 18 + "dead"
        chain.execute(actions.transfer(token, owner, nowhere, balance(chain, token, owner) - kept))
    chain.rpc("anvil_setBalance", owner, hex(ETHER))
    limits = replace(LIMITS, max_spot_from_twap_log_bps=20)
    desk = ChainDesk(chain, world, book_on(world, pool, owner, strategy=BAND, limits=limits, action=ACTION))
    for _ in range(6):
        desk.block()
    pusher = world.accounts.traders[0]
    sell = actions.swap_exact_in(world, pusher, pool, world.weth, 130 * ETHER)
    desk.block(sell)
    assert [said.reason for said in desk.said(StepRefused)] == ["spot_from_twap"]
    for _ in range(20):  # the price stays where a market has gone: its mean follows
        desk.block()
        if desk.said(PlanOpened):
            break
    first_s, second_s = proposed_at_s(desk)[:2]
    assert FIRST_WAIT_S <= second_s - first_s < 3 * FIRST_WAIT_S


# ------------------------------------------------------------------ each reason that passes
@pytest.mark.parametrize(
    ("reason", "narrow"),
    [
        ("spot_from_twap", {"max_spot_from_twap_log_bps": 1}),
        ("swap_limited", {"max_slippage_bps": 1}),
        ("cost", {"max_cost_bps": 0}),
    ],
)
def test_a_refusal_by_the_market_costs_a_minute(reason: str, narrow: dict[str, int]) -> None:
    desk = pushed(**narrow)
    assert [said.reason for said in desk.said(StepRefused)] == [reason]
    _is_held_off_for_a_minute(desk)


def test_a_block_of_dear_gas_costs_a_minute() -> None:
    desk = Desk(live(strategy=BAND))
    desk.watcher.base_fee_wei = 10**12
    desk.block(push=True)
    assert [said.reason for said in desk.said(StepRefused)] == ["gas_price"]
    desk.watcher.base_fee_wei = 10**9
    _is_held_off_for_a_minute(desk)


def _is_held_off_for_a_minute(desk: Desk) -> None:
    first_s = proposed_at_s(desk)[0]
    desk.block()
    assert (desk.said(Declined)[-1].gate, desk.said(Declined)[-1].reason) == ("cooldown", "held_off")
    for _ in range(FIRST_WAIT_S // BLOCK_S):
        desk.block()
    assert proposed_at_s(desk)[1] - first_s == FIRST_WAIT_S


def test_what_the_owner_has_forbidden_costs_the_whole_cooldown() -> None:
    desk = pushed(max_notional_quote=1)
    assert [said.reason for said in desk.said(StepRefused)] == ["notional"]
    for _ in range(20):
        desk.block()
    assert len(proposed_at_s(desk)) == 1
    assert desk.said(Declined)[-1].reason == "cooling_down"


# ------------------------------------------------------------------ it is bounded
def test_the_wait_doubles_up_to_the_cooldown_and_is_short_again_after_a_plan() -> None:
    desk = pushed(max_cost_bps=0)
    while len(proposed_at_s(desk)) < 9:
        desk.block()
    apart_s = [after - before for before, after in pairwise(proposed_at_s(desk))]
    assert apart_s == [60, 120, 240, 480, 960, 1_920, HOUR_S, HOUR_S]
    allow(desk, max_cost_bps=500)
    while not desk.said(PlanClosed):
        desk.block()
    assert desk.said(PlanClosed)[-1].outcome == Done()
    effects = desk.shard.tables.need("effects/alpha", BookEffects)
    assert (effects.refused_at_s, effects.refusals_in_a_row) == (None, 0)


def test_a_refusal_long_after_the_last_is_a_first_one() -> None:
    desk = pushed(max_cost_bps=0)
    while len(proposed_at_s(desk)) < 3:
        desk.block()
    chain = desk.watcher.chain
    chain.head = msgspec.structs.replace(chain.head, timestamp_s=chain.head.timestamp_s + 3 * HOUR_S)
    for _ in range(6):
        desk.block()
    third_s, fourth_s, fifth_s = proposed_at_s(desk)[2:5]
    assert fourth_s - third_s > 2 * HOUR_S
    assert fifth_s - fourth_s == FIRST_WAIT_S


# ------------------------------------------------------------------ the signer and dry-runs
def test_a_push_between_the_plan_and_its_signature_costs_a_minute_too() -> None:
    desk = pushed()
    assert desk.said(PlanOpened)
    desk.refuse("market")
    desk.block()
    first_s = at_s(desk.said(PlanClosed)[-1])
    for _ in range(FIRST_WAIT_S // BLOCK_S):
        assert len(desk.said(PlanOpened)) == 1
        desk.block()
    assert len(desk.said(PlanOpened)) == 2
    assert at_s(desk.said(PlanOpened)[-1]) - first_s == FIRST_WAIT_S


@pytest.mark.parametrize(("reason", "wait_s"), [("spot_from_twap", FIRST_WAIT_S), ("notional", HOUR_S)])
def test_a_dry_run_waits_as_a_live_book_would(reason: str, wait_s: int) -> None:
    desk = Desk(live(mode="dry-run", strategy=BAND))
    desk.block(push=True)
    (untried,) = desk.shard.tables.need("dry-run/alpha", DryRuns).untried
    run = DryRun(outcome="refused", reason=f"{reason}: as on the fork", refusal=reason)
    desk.watcher.append(DryRunEnded(book="alpha", proposal=untried.proposal, run=run, simulated=True))
    for _ in range(wait_s // BLOCK_S):
        desk.block()
    first_s, second_s = proposed_at_s(desk)
    assert second_s - first_s == wait_s


def test_the_passing_reasons_are_those_that_a_trader_can_bring_about() -> None:
    assert {"spot_from_twap", "swap_limited", "gas_price"} < passing_reasons()
    assert not passing_reasons() & {
        "paused",
        "notional",
        "daily_notional",
        "daily_actions",
        "not_allowed",
        "deadline",
    }
