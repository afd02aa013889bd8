"""Properties of Aave's arithmetic for all inputs: one rounding each, and scaled balances that follow exactly from logs."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ImpossibleFactError, OutOfRangeError
from pipeline.units import Bps, RawAmount, Seconds
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3 import rays, v3_0, v3_6
from pipeline.venues.aave_v3.interest import YEAR_S, compounded_by_second, compounded_continuously, linear
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.aave_v3.rules import (
    NO_DEBT_HEALTH,
    CollateralTerms,
    EmodeTerms,
    ReserveHolding,
    VersionRules,
)

RAY = rays.RAY
VERSIONS: list[VersionRules] = [v3_0, v3_6]

amounts = st.one_of(
    st.integers(0, 5), st.integers(0, 2**100), st.sampled_from([RAY - 1, RAY, RAY + 1, RAY // 2])
)
indices = st.one_of(st.integers(RAY, RAY + 3), st.integers(RAY, 3 * RAY), st.integers(RAY, 1000 * RAY))
rates = st.one_of(st.integers(0, 5), st.integers(0, 10 * RAY))
spans = st.one_of(st.integers(0, 3), st.integers(0, 3 * YEAR_S)).map(Seconds)
shares = st.one_of(st.integers(0, 10_000), st.sampled_from([0, 1, 9_999, 10_000])).map(Bps)


def half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))


# ------------------------------------------------------------------ one rounding each
@given(amounts, indices)
def test_a_product_with_a_ray_is_rounded_once(a: int, b: int) -> None:
    exact = Fraction(a * b, RAY)
    assert rays.ray_mul(a, b) == half_up(exact)
    assert rays.ray_mul_floor(a, b) == math.floor(exact)
    assert rays.ray_mul_ceil(a, b) == math.ceil(exact)


@given(amounts, amounts.filter(bool))
def test_a_quotient_is_rounded_once(a: int, b: int) -> None:
    exact = Fraction(a * RAY, b)
    assert rays.ray_div(a, b) == half_up(exact)
    assert rays.ray_div_floor(a, b) == math.floor(exact)
    assert rays.ray_div_ceil(a, b) == math.ceil(exact)
    assert rays.mul_div_ceil(a, RAY, b) == math.ceil(exact)


@given(amounts, shares)
def test_a_percentage_is_rounded_once(a: int, bps: Bps) -> None:
    exact = Fraction(a * bps, 10_000)
    assert rays.percent_mul(a, bps) == half_up(exact)
    assert rays.percent_mul_floor(a, bps) == math.floor(exact)


@pytest.mark.parametrize("divide", [rays.ray_div, rays.ray_div_floor, rays.ray_div_ceil, rays.wad_div])
def test_what_reverts_on_chain_raises(divide) -> None:
    with pytest.raises(OutOfRangeError):
        divide(1, 0)
    with pytest.raises(OutOfRangeError):
        divide(2**255, 1)


# ------------------------------------------------------------------ interest
@given(rates, spans)
def test_continuous_compounding_is_its_series_within_its_cuts(rate: int, span: Seconds) -> None:
    x = Fraction(rate * span // YEAR_S, RAY)
    series = 1 + x + x**2 / 2 + x**3 / 6
    assert abs(compounded_continuously(rate, span) - series * RAY) <= x**2 + x + 1
    assert linear(rate, span) == RAY + math.floor(Fraction(rate * span, YEAR_S))


@given(rates, spans)
def test_compounding_by_the_second_is_its_series_within_its_cuts(rate: int, span: Seconds) -> None:
    """Each power is cut to a whole ray before it is multiplied: that lowers it, and rounding to the nearest hardly lifts it."""
    second, pairs = Fraction(rate, RAY * YEAR_S), span * (span - 1)
    triples = pairs * max(span - 2, 0)
    series = 1 + span * second + pairs * second**2 / 2 + triples * second**3 / 6
    short = series * RAY - compounded_by_second(rate, span)
    assert -3 - Fraction(pairs + triples, YEAR_S) <= short <= 3 + Fraction(pairs, 2) + Fraction(triples, 3)


@given(rates, spans)
def test_a_debt_grows_no_slower_than_its_linear_interest(rate: int, span: Seconds) -> None:
    for rules in VERSIONS:
        assert rules.compounded(rate, span) >= linear(rate, span)
        assert rules.compounded(rate, Seconds(0)) == RAY


# ------------------------------------------------------------------ logs give scaled balances back
@given(amounts, amounts, indices)
def test_v3_6_the_displayed_change_gives_the_scaled_balance_back(before: int, after: int, index: int) -> None:
    shown = v3_6.collateral_balance(after, index) - v3_6.collateral_balance(before, index)
    assert v3_6.collateral_after(before, shown, index) == after
    owed = v3_6.debt_balance(after, index) - v3_6.debt_balance(before, index)
    assert v3_6.debt_after(before, owed, index) == after
    if after < before:
        assert v3_6.still_borrowing(before, owed, index) == (after != 0)


@given(amounts, amounts, indices)
def test_v3_0_the_amount_gives_the_scaled_change_back(before: int, amount: int, index: int) -> None:
    minted = rays.ray_div(amount, index)
    assert v3_0.collateral_after(before, amount, index) == before + minted
    assert v3_0.debt_after(before + minted, -amount, index) == before


@given(amounts, indices)
def test_paying_all_that_is_displayed_leaves_nothing(scaled: int, index: int) -> None:
    for rules in VERSIONS:
        owed = rules.debt_balance(scaled, index)
        assert rules.debt_after(scaled, -owed, index) == 0
        assert not rules.still_borrowing(scaled, -owed, index)
        assert rules.collateral_after(scaled, -rules.collateral_balance(scaled, index), index) == 0


def test_v3_0_a_repay_of_all_but_one_unit_may_leave_the_flag_alone() -> None:
    index = 2 * RAY
    assert v3_0.debt_balance(5, index) == 10
    assert v3_0.debt_after(5, -9, index) == 0  # 4.5 rounds to 5
    assert v3_0.still_borrowing(5, -9, index)
    assert v3_6.debt_after(5, -8, index) == 1
    assert v3_6.still_borrowing(5, -8, index)


def test_v3_6_a_debt_of_one_scaled_unit_shows_as_two() -> None:
    assert v3_6.debt_balance(1, RAY + 1) == 2
    assert v3_6.collateral_balance(1, RAY + 1) == 1


def test_more_than_there_is_cannot_burn() -> None:
    for rules in VERSIONS:
        with pytest.raises(ImpossibleFactError):
            rules.collateral_after(10, -40, RAY)
        with pytest.raises(ImpossibleFactError):
            rules.debt_after(10, -40, RAY)


# ------------------------------------------------------------------ an account
holdings = st.builds(
    ReserveHolding,
    price=st.integers(1, 10**13),
    unit=st.sampled_from([10**6, 10**8, 10**18]),
    collateral=st.integers(0, 10**24).map(RawAmount),
    terms=st.one_of(st.none(), st.builds(CollateralTerms, shares, shares)),
    debt=st.one_of(st.just(0), st.integers(0, 10**24)).map(RawAmount),
)


@given(st.lists(holdings, max_size=4))
def test_an_account_is_its_exact_value_within_its_cuts(held: list[ReserveHolding]) -> None:
    exact = [(Fraction(each.collateral * each.price, each.unit), each.terms) for each in held]
    debt = sum((Fraction(each.debt * each.price, each.unit) for each in held), Fraction(0))
    for rules in VERSIONS:
        data = rules.account_data(held)
        secured = [(value, terms) for value, terms in exact if terms is not None]
        total = sum((value for value, _ in secured), Fraction(0))
        assert 0 <= total - data.collateral_base < max(len(held), 1)
        low, high = (0, len(held)) if rules is v3_0 else (-len(held), 0)
        assert low <= debt - data.debt_base <= high
        assert (data.health_wad == NO_DEBT_HEALTH) == (data.debt_base == 0)
        assert data.available_base >= 0
        if secured and data.collateral_base:
            bounds = [terms.threshold_bps for _, terms in secured]
            assert 0 <= data.threshold_bps <= max(bounds)


def test_v3_0_cuts_the_mean_threshold_before_it_is_used_and_v3_6_does_not() -> None:
    """One at 80.01 % and two at 77 % are 78.0033 %."""
    one, two = CollateralTerms(Bps(7_000), Bps(8_001)), CollateralTerms(Bps(7_000), Bps(7_700))
    held = [
        ReserveHolding(price=10**8, unit=1, collateral=RawAmount(1), terms=one, debt=RawAmount(0)),
        ReserveHolding(price=10**8, unit=1, collateral=RawAmount(2), terms=two, debt=RawAmount(1)),
    ]
    assert v3_0.account_data(held).threshold_bps == v3_6.account_data(held).threshold_bps == 7_800
    assert v3_0.account_data(held).health_wad == 2_340_000_000_000_000_000
    assert v3_6.account_data(held).health_wad == 2_340_100_000_000_000_000


def test_a_debt_of_a_fraction_of_a_base_unit_counts_in_v3_6_alone() -> None:
    dust = ReserveHolding(price=100, unit=10**18, collateral=RawAmount(0), terms=None, debt=RawAmount(1))
    assert v3_0.account_data([dust]).debt_base == 0
    assert v3_6.account_data([dust]).debt_base == 1


# ------------------------------------------------------------------ e-modes
WORD = 7_500 | 8_000 << 16 | 18 << 48 | 3 << 168


def test_an_emode_holds_for_the_reserves_of_its_category() -> None:
    emode = EmodeTerms(category=3, ltv_bps=Bps(9_000), threshold_bps=Bps(9_300), collateral_map=0b100)
    other = EmodeTerms(category=2, ltv_bps=Bps(9_000), threshold_bps=Bps(9_300), collateral_map=0b1000)
    for rules in VERSIONS:
        assert rules.terms(WORD, 2, None) == CollateralTerms(Bps(7_500), Bps(8_000))
        assert rules.terms(WORD, 2, emode) == CollateralTerms(Bps(9_000), Bps(9_300))
        assert rules.terms(WORD, 2, other) == CollateralTerms(Bps(7_500), Bps(8_000))


def test_nothing_can_be_borrowed_on_what_has_no_ltv() -> None:
    v3_0_emode = EmodeTerms(category=3, ltv_bps=Bps(9_000), threshold_bps=Bps(9_300))
    assert v3_0.terms(WORD - 7_500, 2, v3_0_emode) == CollateralTerms(Bps(0), Bps(9_300))
    v3_6_emode = EmodeTerms(
        category=3, ltv_bps=Bps(9_000), threshold_bps=Bps(9_300), collateral_map=4, ltv_zero_map=4
    )
    assert v3_6.terms(WORD, 2, v3_6_emode) == CollateralTerms(Bps(0), Bps(9_300))


def test_v3_0_counts_no_collateral_without_a_threshold_of_its_own() -> None:
    emode = EmodeTerms(category=3, ltv_bps=Bps(9_000), threshold_bps=Bps(9_300), collateral_map=4)
    assert v3_0.terms(18 << 48 | 3 << 168, 2, emode) is None
    assert v3_6.terms(18 << 48, 2, None) == CollateralTerms(Bps(0), Bps(0))


# ------------------------------------------------------------------ words
@given(st.integers(0, 127), st.integers(0, 2**256 - 1))
def test_a_flag_is_set_and_taken_back_alone(reserve_id: int, flags: int) -> None:
    borrowing = bits.with_borrowing(flags, reserve_id, on=True)
    assert bits.is_borrowing(borrowing, reserve_id)
    assert bits.is_collateral(borrowing, reserve_id) == bits.is_collateral(flags, reserve_id)
    both = bits.with_collateral(borrowing, reserve_id, on=True)
    assert bits.is_collateral(both, reserve_id)
    assert reserve_id in bits.flagged_reserves(both)
    assert bits.flagged_reserves(bits.with_borrowing(0, reserve_id, on=True)) == [reserve_id]
    neither = bits.with_collateral(bits.with_borrowing(both, reserve_id, on=False), reserve_id, on=False)
    assert reserve_id not in bits.flagged_reserves(neither)
    assert neither == flags & ~(0b11 << 2 * reserve_id)


def test_a_pool_of_another_revision_is_refused() -> None:
    assert rules_of(1) is v3_0
    assert rules_of(10) is v3_6
    with pytest.raises(ImpossibleFactError, match="revision 9 is not followed, only of 1, 10"):
        rules_of(9)
