"""The signer's limits in the policy: a plan within them passes the signer's own checks."""

import pytest
from builders import POOL, ROOMY_SIGNER
from desk import Desk, live
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.math.ticks import tick_at_sqrt_price
from pipeline.math.value import value_in_token1
from pipeline.messages.decisions import PlanClosed, PlanRevised, PlanStalled, StepRefused
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.policy import Policy, Rerange
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.act.actions import UniswapV3Actions
from pipeline.venues.uniswap_v3.act.depth import depth_in_token1
from pipeline.venues.uniswap_v3.act.drafts import describe_limit, draft, size_swap
from pipeline.venues.uniswap_v3.act.market import read_market
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.calldata import read_calls
from pipeline.venues.uniswap_v3.pools import need_pool
from streams.submit.venues.uniswap_v3 import depth as signers_depth
from streams.submit.venues.uniswap_v3.value import Offer


def signed_by(book: Policy | None = None, **changes: int) -> Policy:
    book = book or live()
    return replace(book, limits=replace(book.limits, signer=replace(ROOMY_SIGNER, **changes)))


def pushed(book: Policy, *, depth: int = 10**23, blocks: int = 8) -> Desk:
    desk = Desk(book, depth=depth)
    desk.block(push=True)
    for _ in range(blocks):
        desk.block()
    return desk


def near_of(shard: Shard) -> signers_depth.Near:
    """The pool as the signer reads it, whatever stood in it before."""
    pool = need_pool(shard, POOL)
    ticks = signers_depth.ticks_near(pool.sqrt_price_x96, pool.tick_spacing)
    nets = {tick: pool.ticks[tick].liquidity_net for tick in ticks if tick in pool.ticks}
    return signers_depth.Near(
        sqrt_price_x96=pool.sqrt_price_x96,
        tick=pool.tick,
        liquidity=pool.liquidity,
        nets=nets,
        mean_liquidity=None,
    )


# ------------------------------------------------------------------ depth
@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(-120, 119), st.integers(1, 100)), max_size=4))
@settings(max_examples=40, deadline=None)
def test_the_depth_is_what_the_signer_measures(seed, ranges):
    desk = Desk(live(), seed=seed % 7)
    chain, spacing = desk.watcher.chain, desk.watcher.chain.pool.tick_spacing
    for lower, width in ranges:
        chain.mine(0)
        chain.mint("0x" + "77" * 20, lower * spacing, (lower + width) * spacing, 10**22)
        desk.watcher.tell(())
    desk.take()
    ours = depth_in_token1(need_pool(desk.shard, POOL), 2**127)
    theirs = signers_depth.depth_in_token1(near_of(desk.shard))
    assert abs(ours - theirs) <= 10 + ours // 10**9


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("way", ["split", "private"])
def test_a_swap_sells_no_more_of_the_depth_than_the_signer_lets_it(down, way):
    book = signed_by(live(action=Rerange(large_swaps=way)), max_share_of_depth_bps=3)
    desk = Desk(book)
    pool, head = need_pool(desk.shard, POOL), desk.watcher.chain.head
    market = read_market(desk.shard, book, head.timestamp_s, 10**9)
    amounts = (2 * 10**18, 0) if down else (0, 2 * 10**18)
    lower = pool.tick // pool.tick_spacing * pool.tick_spacing
    goal = PoolRange(pool=POOL, tick_lower=lower - 100, tick_upper=lower + 100, withdraw=())
    swap = size_swap(pool, amounts, book, goal, market)
    assert swap.limited
    assert swap.beyond_depth
    assert not swap.pays_sandwich
    assert "max_share_of_depth" in describe_limit(swap)
    sold = value_in_token1(swap.amount_in, pool.sqrt_price_x96) if down else swap.amount_in
    most = signers_depth.depth_in_token1(near_of(desk.shard)) * 3 // 10_000
    assert most * 8 < sold * 10 <= most * 10
    whole = size_swap(pool, amounts, signed_by(live(action=Rerange(large_swaps=way))), goal, market)
    assert whole.amount_in > 2 * swap.amount_in


def test_a_mint_that_the_depth_does_not_take_is_refused_before_anything_moves():
    desk = pushed(signed_by(max_share_of_depth_bps=20), blocks=0)
    (refused,) = desk.said(StepRefused)
    assert refused.reason == "depth"
    assert "would fit max_share_of_depth" in refused.detail
    assert not desk.said(SubmitTransaction)


def thin_at_the_mint(share_bps: int) -> Desk:
    """A plan that was opened when the pool was deep enough, and whose mint is due when it is not."""
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=120)))
    desk.block(push=True)
    while desk.pending[-1].step != "swap":
        desk.block()
    desk.set_policy(
        signed_by(
            live(policy_version="v2", action=Rerange(half_width_log_bps=100, stall_after_s=120)),
            max_share_of_depth_bps=share_bps,
        )
    )
    return desk


def test_a_mint_in_the_middle_waits_for_depth_then_takes_the_part_that_fits():
    desk = thin_at_the_mint(100)
    for _ in range(16):
        desk.block()
    (stalled,) = desk.said(PlanStalled)
    assert stalled.reason == "depth"
    assert stalled.detail.startswith("the mint is worth")
    waited_s = desk.said(PlanRevised)[0].because_of.block.timestamp_s - stalled.because_of.block.timestamp_s
    assert waited_s == 120, "so long as the policy says, where no fees are missed"
    assert "the rest stays in the wallet" in desk.said(PlanRevised)[0].reason
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    (mint,) = [o for o in desk.said(SubmitTransaction) if o.step == "mint"]
    price_x96 = need_pool(desk.shard, POOL).sqrt_price_x96
    amount0, amount1 = (-each.delta for each in mint.minimums)
    assert 0 < value_in_token1(amount0, price_x96) + amount1 < 5 * 10**18


def test_a_plan_does_not_wait_for_depth_longer_than_another_mint_would_cost(monkeypatch):
    monkeypatch.setattr(UniswapV3Actions, "missed_fees", lambda *_: RawAmount(10**18))
    desk = thin_at_the_mint(100)
    for _ in range(6):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    assert "the rest stays in the wallet" in desk.said(PlanRevised)[0].reason


def test_of_too_little_depth_no_mint_is_made_at_all():
    desk = thin_at_the_mint(10)
    for _ in range(16):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)][:1] == [Stalled(phase="mint", reason="depth")]


# ------------------------------------------------------------------ the window of a mint
@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize(("half", "max_loss_bps"), [(100, 60), (600, 60), (6_000, 60), (6_000, 300)])
def test_a_mints_minimums_are_met_where_the_signer_wants_them(push, half, max_loss_bps):
    """The policy's own slippage is far wider. Other means than the policy's count for the signer."""
    action = Rerange(half_width_log_bps=half, stall_after_s=60)
    book = signed_by(live(action=action), max_loss_bps=max_loss_bps, twap_window_s=48)
    desk = Desk(book)
    desk.block(push=push)
    found = 0
    for _ in range(14):
        market = read_market(desk.shard, book, desk.watcher.chain.head.timestamp_s, 10**9)
        for intent in desk.pending:
            if intent.step == "mint":
                found += 1
                arguments = read_calls(intent.call.data)[0].arguments
                lower, upper, *amounts = arguments[3:9]
                offer = Offer(lower=lower, upper=upper, desired=tuple(amounts[:2]), least=tuple(amounts[2:]))
                mean = min(max(tick_at_sqrt_price(market.signers_x96), lower), upper)
                assert all(abs(end - mean) <= max_loss_bps + 1 for end in offer.accepted())
        desk.block()
    assert found


@pytest.mark.parametrize(
    ("below", "above"), [(6_000, 9_000), (-10, 1_200), (1_200, 0), (10, 1_190), (1_190, 20)]
)
def test_an_excess_of_one_token_is_not_offered(below, above):
    """With it the minimums would be met wherever the other one is all taken, far beyond the window; beside the price one token is all."""
    book = signed_by(live(), max_loss_bps=60)
    desk = Desk(book)
    pool, head = need_pool(desk.shard, POOL), desk.watcher.chain.head
    market = read_market(desk.shard, book, head.timestamp_s, 10**9)
    lower = pool.tick // pool.tick_spacing * pool.tick_spacing
    goal = PoolRange(pool=POOL, tick_lower=lower - below, tick_upper=lower + above, withdraw=())
    (mint,) = [each for each in draft("mint", desk.shard, book, goal, market) if each.step == "mint"]
    lower, upper, *amounts = read_calls(mint.call.data)[0].arguments[3:9]
    offer = Offer(lower=lower, upper=upper, desired=tuple(amounts[:2]), least=tuple(amounts[2:]))
    mean = min(max(tick_at_sqrt_price(market.signers_x96), lower), upper)
    assert any(offer.least)
    assert all(abs(end - mean) <= 61 for end in offer.accepted()), offer.accepted()
