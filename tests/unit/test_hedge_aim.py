"""The ratio of a hedge by first-passage probability (`ratio: auto`), and its band by the costs of deviations and trades."""

import random
from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE
from msgspec.structs import replace
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline import keys
from pipeline.advance.books import stock_of
from pipeline.hedge.aim import BandInputs, Security, law_band_bps, safe_ratio_bps
from pipeline.hedge.liquidation import DebtPosition, Horizon, probability_of_liquidation
from pipeline.hedge.target import centre_of
from pipeline.messages.base import Price
from pipeline.messages.decisions import PlanOpened, Quarantined
from pipeline.messages.entries import CalibratedVolatility
from pipeline.messages.hedge import AutoRatio, LawBand
from pipeline.messages.policy import Policy
from pipeline.messages.prices import PriceHistory
from pipeline.statistics.volatility import estimate
from pipeline.units import Bps, RawAmount, Seconds
from pipeline.venues.registry import need_hedging
from streams.pool_prices import kept_pools

UNIT = 10**18
PAR = Price(numerator=1, denominator=1)
DAY_S = 86_400


# ------------------------------------------------------------------ the ratio's law
def behind(collateral_percent: int = 100, **changes: Any) -> Security:
    """A position of which half is base, with so much of its value as collateral that counts for 78 %."""
    usual = Security(
        own_quote=RawAmount(collateral_percent * UNIT // 100),
        counts_bps=Bps(7_800),
        hedged_base=RawAmount(UNIT // 2),
    )
    return usual._replace(**changes)


def chance(ratio_bps: int, at: Security, auto: AutoRatio, sigma: float) -> float:
    loan = DebtPosition(0.0, at.own_quote * at.counts_bps / 10_000, at.hedged_base * ratio_bps / 10_000, 0.0)
    return probability_of_liquidation(loan, 1.0, Horizon(sigma, auto.horizon_s / 31_557_600))


@pytest.mark.parametrize("sigma", [0.3, 0.65, 1.2])
@pytest.mark.parametrize("alpha_bps", [10, 100, 1_000])
@pytest.mark.parametrize("collateral_percent", [50, 70, 100])
def test_the_ratio_is_the_last_whole_percent_that_is_safe_enough(sigma, alpha_bps, collateral_percent):
    auto, at = AutoRatio(alpha_bps=Bps(alpha_bps)), behind(collateral_percent)
    ratio = safe_ratio_bps(auto, round(sigma * 10**6), at, PAR)
    assert ratio % 100 == 0
    assert 0 < ratio <= 10_000
    assert chance(ratio, at, auto, sigma) <= alpha_bps / 10_000
    assert ratio == 10_000 or chance(ratio + 100, at, auto, sigma) > alpha_bps / 10_000


def test_a_longer_horizon_less_collateral_or_more_volatility_makes_it_smaller():
    auto, sigma = AutoRatio(), 650_000
    usual = safe_ratio_bps(auto, sigma, behind(), PAR)
    assert 6_500 < usual < 8_000, ".3 % at a ratio of 65 %, 2.3 % at 80 %"
    assert safe_ratio_bps(replace(auto, horizon_s=Seconds(365 * DAY_S)), sigma, behind(), PAR) < usual
    assert safe_ratio_bps(auto, sigma, behind(70), PAR) < usual
    assert safe_ratio_bps(auto, 900_000, behind(), PAR) < usual
    assert safe_ratio_bps(auto, sigma, behind(), Price(numerator=11, denominator=10)) < usual


def test_nothing_to_secure_with_hedges_nothing_and_a_largest_debt_bounds_what_is_owed():
    assert safe_ratio_bps(AutoRatio(), 650_000, behind(0), PAR) == 0
    assert safe_ratio_bps(AutoRatio(), 650_000, behind(hedged_base=RawAmount(0)), PAR) == 10_000
    capped = behind(largest_debt=RawAmount(UNIT // 10))
    assert safe_ratio_bps(AutoRatio(), 650_000, capped, PAR) == 10_000


# ------------------------------------------------------------------ the band's law
LAW = LawBand(step_cost=RawAmount(20 * 10**6), trade_cost_bps=Bps(10))
WIDE = BandInputs(price=2_000.0, gamma=-0.625, value=500_000.0, base=125.0, step_cost=20.0)
"""A range of 20 % each way about 2,000, worth 500,000."""


def test_the_band_acts_at_the_outer_edge_of_the_law_and_goes_back_to_the_inner_one():
    act, back = law_band_bps(LAW, WIDE, 500)
    assert (act, back) == (int(79.7424 / 125 * 10_000), int(32.6798 / 125 * 10_000))
    dearer = law_band_bps(replace(LAW, trade_cost_bps=None), WIDE, 10_000)
    assert dearer[0] > act, "the fee of the pool counts where no cost is named"
    assert law_band_bps(replace(LAW, risk_aversion_permille=40_000), WIDE, 500)[0] < act


@pytest.mark.parametrize(
    "book",
    [
        WIDE._replace(gamma=0.0),
        WIDE._replace(value=-1.0),
        WIDE._replace(base=0.0),
        WIDE._replace(gamma=-1e-9),
    ],
)
def test_what_does_not_bend_has_the_least_band(book):
    act, back = law_band_bps(LAW, book, 500)
    assert (act, back) == (50, 0) or book.gamma
    assert act >= 50
    assert back < act


def test_an_edge_beyond_all_base_is_all_of_it():
    act, back = law_band_bps(LAW, WIDE._replace(base=1.0), 500)
    assert (act, back) == (10_000, 9_999)


# ------------------------------------------------------------------ on the toy chain
def on_target(desk: LendingDesk, policy: Policy) -> tuple[int, int]:
    """How far the net exposure is from its target, and all base."""
    stock = stock_of(desk.shard, policy)
    long = stock.base_amount + desk.chain.debt[BASE]
    aim = need_hedging(policy).aim(desk.shard, policy, stock)
    return stock.base_amount - centre_of(policy.hedge, long, aim.ratio_bps), long


def owed_chance(desk: LendingDesk, sigma: float) -> float:
    """How likely a liquidation is, were all the wallet's quote supplied but what the debt is worth."""
    chain, price = desk.chain, desk.chain.price(BASE) / desk.chain.price(QUOTE) / 10**12
    debt = chain.debt[BASE]
    own = chain.collateral[QUOTE] + chain.balances[OWNER, QUOTE] - debt * price
    loan = DebtPosition(0.0, own * 0.8, float(debt), 0.0)
    return probability_of_liquidation(loan, price, Horizon(sigma, 90 * DAY_S / 31_557_600))


def test_an_automatic_ratio_is_taken_on_and_leaves_a_liquidation_as_unlikely_as_asked():
    """17 of quote secure it: less than all of the base can be hedged at 1 %."""
    policy = hedge_only({"auto": AutoRatio(volatility_bps=12_000), "ratio_bps": Bps(0)})
    desk = LendingDesk(policy)
    for _ in range(20):
        desk.block()
    assert desk.said(PlanOpened)[0].trigger == "net_outside_band"
    off, long = on_target(desk, policy)
    assert abs(off) <= long * 500 // 10_000
    aim = need_hedging(policy).aim(desk.shard, policy, stock_of(desk.shard, policy))
    assert 2_000 < aim.ratio_bps < 10_000
    assert owed_chance(desk, 1.2) <= 0.01
    assert not desk.said(Quarantined)
    done = len(desk.signer.done)
    for _ in range(20):
        desk.block()
    assert len(desk.signer.done) == done, "what it has borrowed and sold does not make it borrow more"


def test_the_volatility_is_what_past_prices_tell_once_they_do_and_goes_back_with_a_reorg():
    policy = hedge_only(
        {"auto": AutoRatio(volatility_bps=12_000), "ratio_bps": Bps(0)},
        mode="watch",
        price_history=PriceHistory(every_s=Seconds(12), slots=200),
    )
    desk, key = LendingDesk(policy), keys.volatility(policy.book)
    dice = random.Random(3)
    chain = desk.chain
    for _ in range(60):
        desk.block(push=dice.random() < 0.5)
    assert desk.shard.tables.need(key, CalibratedVolatility).sigma_ppm is None
    stock = stock_of(desk.shard, policy)
    before = need_hedging(policy).aim(desk.shard, policy, stock)

    hour = chain.head.timestamp_s // 3_600
    while (chain.head.timestamp_s + 36) // 3_600 == hour:
        desk.block(push=dice.random() < 0.5)
    branch = desk.watcher.fork("other")
    while chain.head.timestamp_s // 3_600 == hour:
        desk.block(push=dice.random() < 0.5)
    found = desk.shard.tables.need(key, CalibratedVolatility)
    (kept,) = (each for each in kept_pools(desk.shard.tables) if each.pool == policy.reference_pool)
    assert found.sigma_ppm == estimate(kept.prices, kept.fee_pips / 10**6, 12).at.corrected_ppm
    assert found.hour == hour + 1
    stock = stock_of(desk.shard, policy)
    assert need_hedging(policy).aim(desk.shard, policy, stock).ratio_bps != before.ratio_bps

    desk.watcher.revert_to(branch)
    desk.take()
    assert desk.shard.tables.need(key, CalibratedVolatility).sigma_ppm is None


def test_a_band_by_the_law_is_kept_on_the_book_as_it_is():
    law = LawBand(step_cost=RawAmount(10**14), trade_cost_bps=Bps(1), risk_aversion_permille=100_000)
    policy = hedge_only({"band": law})
    desk = LendingDesk(policy)
    for _ in range(20):
        desk.block()
    stock = stock_of(desk.shard, policy)
    aim = need_hedging(policy).aim(desk.shard, policy, stock)
    assert aim.act_at_bps >= 50
    assert aim.back_to_bps < aim.act_at_bps
    off, long = on_target(desk, policy)
    assert desk.chain.debt[BASE] > UNIT
    assert abs(off) <= long * aim.act_at_bps // 10_000
    assert not desk.said(Quarantined)
