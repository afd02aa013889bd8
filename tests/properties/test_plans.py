"""For any book, limits and push: a plan that is opened resolves its trigger, and no tokens are lost."""

from builders import BASE, MANAGER, OWNER, QUOTE, ROOMY_SIGNER, ROUTER
from depth import examples
from desk import Desk, live
from hypothesis import event, given, settings
from hypothesis import strategies as st
from toy_signer import whale

from pipeline.messages.decisions import PlanClosed, PlanOpened, PlanStalled, Quarantined, RebalanceProposed
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand
from pipeline.messages.views import BookView

ETHER = 10**18


@st.composite
def books(draw: st.DrawFn) -> Policy:
    """Any target, band and range that the file would take, reserves or not, the base on either side."""
    target = draw(st.integers(1_000, 9_000))
    band = draw(st.integers(100, max(target, 10_000 - target) - 1))
    reserves = st.sampled_from([0, ETHER, 4 * ETHER])
    tokens = draw(st.sampled_from([{}, {"base": QUOTE, "quote": BASE}]))
    return live(
        **tokens,
        strategy=TargetBand(
            target_share_bps=target,
            band_bps=band,
            hysteresis_bps=draw(st.integers(0, band - 1)),
            hold_out_of_range_s=60,
            cooldown_s=48,
        ),
        limits=Limits(
            twap_window_s=24,
            max_spot_from_twap_log_bps=2_000,
            max_cost_bps=1_000,
            max_daily_cost_bps=10_000,
            max_daily_gas_bps=10_000,
            max_actions_per_day=1_000,
            max_slippage_bps=2_000,
            signer=ROOMY_SIGNER,
        ),
        action=Rerange(
            half_width_log_bps=draw(st.sampled_from([5, 20, 100, 300, 600])),
            reserve_base=draw(reserves),
            reserve_quote=draw(reserves),
            stall_after_s=60,
            large_swaps="private",
        ),
    )


@given(books(), st.booleans(), st.sampled_from([1, 10, 100, 300]), st.integers(0, 3))
@settings(deadline=None, max_examples=examples(50))
def test_a_plan_that_is_opened_ends_what_began_it(
    book: Policy, down: bool, ether: int, allowance: int
) -> None:
    desk = Desk(book, depth=10**22)
    rest(desk)
    chain = desk.watcher.chain
    for spender in (ROUTER, MANAGER)[: allowance % 3]:
        chain.allowances[OWNER, BASE, spender] = chain.allowances[OWNER, QUOTE, spender] = allowance
    chain.mine(0)
    whale(chain, down=down, amount=ether * ETHER)
    desk.watcher.tell()
    desk.take()
    if rest(desk):
        assert not any(chain.allowances.values())


def rest(desk: Desk) -> int:
    """Keep the market still, and return how many plans opened and ended in that time."""
    before = len(desk.said(PlanClosed))
    for _ in range(24):
        desk.block()
    while len(desk.said(PlanClosed)) < len(desk.said(PlanOpened)):
        desk.block()
    plans = desk.said(PlanOpened)[before:]
    opened, steps = len(plans), sum(bool(plan.cut_short) for plan in plans)
    event(f"{opened} opened, {steps} of them steps, of {len(desk.said(RebalanceProposed))} proposed")
    assert opened - steps <= 1, "or it would come again and again"
    assert all(plan.cut_short for plan in plans[:-1]), "nothing follows the whole way"
    assert [o.outcome for o in desk.said(PlanClosed)][before:] == [Done()] * opened
    assert not desk.said(Quarantined)
    assert not desk.said(PlanStalled)
    if opened:
        assert len(desk.liquid()) == 1
    if opened > steps:
        band = desk.shard.tables.need("policy/alpha", Policy).strategy
        last = desk.said(BookView)[-1].base_share_bps
        assert abs(last - band.target_share_bps) <= band.band_bps - band.hysteresis_bps + 1
    return opened
