"""Somebody trades before a plan's swap or mint: its minimums are the stricter of the mean and the quote, and lie around the mean."""

import pytest
from builders import POOL, ROOMY_SIGNER
from desk import Desk, live
from msgspec.structs import replace

from pipeline.math.slippage import least_minted, least_of_quote, minimum_out, price_window_x96
from pipeline.messages.policy import Rerange
from pipeline.venues.uniswap_v3.act import drafts
from pipeline.venues.uniswap_v3.act.drafts import Draft
from pipeline.venues.uniswap_v3.act.market import Market
from pipeline.venues.uniswap_v3.calldata import read_calls
from pipeline.venues.uniswap_v3.forms.entries import Pool


class Watched:
    """A desk whose drafts and the market that they were made in are kept."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, half_width_log_bps: int = 100, **limits: object
    ) -> None:
        self.drafted: list[tuple[Draft, Market, int]] = []
        for phase in ("swap", "mint"):
            monkeypatch.setitem(drafts._DRAFTS, phase, self._kept(drafts._DRAFTS[phase]))
        book = live(action=Rerange(half_width_log_bps=half_width_log_bps, stall_after_s=60))
        self.desk = Desk(replace(book, limits=replace(book.limits, **limits)))

    def _kept(self, was):
        def drafted(shard, policy, goal, market):
            drafts = was(shard, policy, goal, market)
            spot_x96 = shard.tables.need(f"pool/{POOL}", Pool).sqrt_price_x96
            self.drafted += [(each, market, spot_x96) for each in drafts if each.step in {"swap", "mint"}]
            return drafts

        return drafted

    def run(self, *, push: bool, blocks: int = 6) -> None:
        self.desk.block(push=push)
        for _ in range(blocks):
            self.desk.block()

    def of(self, step: str) -> list[tuple[Draft, Market, int]]:
        return [kept for kept in self.drafted if kept[0].step == step]


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("tolerance_bps", [1, 15, 100, 3_000])
def test_a_swap_asks_for_the_stricter_of_the_mean_and_its_quote(monkeypatch, push, tolerance_bps):
    watched = Watched(monkeypatch, swap_tolerance_bps=tolerance_bps, max_slippage_bps=700)
    watched.run(push=push)
    assert watched.of("swap")
    for draft, market, _ in watched.of("swap"):
        *_, fee_pips, _, amount_in, asked, _ = read_calls(draft.call.data)[0].arguments
        swap = draft.swap
        by_quote = least_of_quote(swap.amount_out, tolerance_bps)
        by_mean = minimum_out(amount_in, market.reference_x96, fee_pips, 700, zero_for_one=swap.zero_for_one)
        assert asked == max(by_quote, by_mean)
        assert (asked == by_mean) == (tolerance_bps == 3_000), "each of the two was the stricter once"
        assert swap.amount_out * (10_000 - tolerance_bps) <= asked * 10_000


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize(("theirs_bps", "planned_bps"), [(15, 10), (100, 15), (1, 1)])
def test_a_minimum_is_still_taken_by_the_signer_where_the_price_has_moved_in_our_favour(
    monkeypatch, push, theirs_bps, planned_bps
):
    """By a third of what it tolerates, for it asks some blocks after the plan. The policy's own tolerance is 15 bps."""
    signer = replace(ROOMY_SIGNER, swap_tolerance_bps=theirs_bps)
    watched = Watched(monkeypatch, swap_tolerance_bps=15, signer=signer)
    watched.run(push=push)
    assert watched.of("swap")
    for draft, _, _ in watched.of("swap"):
        asked, brings = read_calls(draft.call.data)[0].arguments[5], draft.swap.amount_out
        assert asked == least_of_quote(brings, planned_bps)
        moved_bps = theirs_bps - planned_bps
        assert asked >= least_of_quote(brings * (10_000 + moved_bps) // 10_000, theirs_bps)


@pytest.mark.parametrize("push", [True, False])
def test_the_minimums_of_a_mint_stand_about_the_mean(monkeypatch, push):
    watched = Watched(monkeypatch, half_width_log_bps=6_000, max_slippage_bps=700)
    watched.run(push=push)
    assert watched.of("mint")
    for draft, market, spot_x96 in watched.of("mint"):
        arguments = read_calls(draft.call.data)[0].arguments
        lower, upper, amount0, amount1, *minimums = arguments[3:9]
        window = price_window_x96(market.reference_x96, 700)
        assert all(minimums)
        assert tuple(minimums) == least_minted(amount0, amount1, lower, upper, window)
        about_spot = least_minted(amount0, amount1, lower, upper, price_window_x96(spot_x96, 700))
        assert tuple(minimums) != about_spot
