"""A signer's limits at a lending market: its file's fields, and health at the worst of all references."""

from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from signer_files import LEAST

from pipeline.errors import SettingsError
from streams.submit.signer_file import load_signer_file
from streams.submit.venues.aave_v3.account import HeldAtMarket
from streams.submit.venues.aave_v3.health import worst_health

POOL, WETH, USDC = (f"0x{each * 20}" for each in ("aa", "e1", "a2"))
MARKET = {
    "name": "aave",
    "kind": "aave_v3",
    "pool": POOL,
    "tokens": {WETH: 25, USDC: 0},
    "least_health": 1.2,
    "shock": "30%",
}


# ------------------------------------------------------------------ the file
def load(folder: Path, **changes: object) -> object:
    path = folder / "signer.yaml"
    market = {name: value for name, value in (MARKET | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(LEAST | {"venues": [market]}))
    path.chmod(0o600)
    return load_signer_file(path).sections()[0]


def test_an_entry_has_the_words_of_its_kind(tmp_path: Path) -> None:
    market = load(tmp_path, emodes=[2])
    assert (market.pool, market.shock, market.max_oracle_deviation, market.emodes) == (POOL, 3_000, 200, (2,))
    assert {token: int(largest) for token, largest in market.tokens.items()} == MARKET["tokens"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tokens": {}}, "venues[0].tokens: "),
        ({"tokens": {WETH: -1}}, f"venues[0].tokens.{WETH}: "),
        ({"tokens": None}, "venues[0].tokens: missing"),
        ({"least_health": 1.0}, "venues[0].least_health: "),
        ({"least_health": None}, "venues[0].least_health: missing"),
        ({"shock": "101%"}, "venues[0].shock: must be 0% to 100%"),
        ({"shock": None}, "venues[0].shock: missing"),
        ({"max_oracle_deviation": "11%"}, "venues[0].max_oracle_deviation: must be above 0 and at most 10%"),
        ({"emodes": [0]}, "venues[0].emodes"),
        ({"pools": [POOL]}, "venues[0].pools: unknown field; did you mean pool"),
    ],
    ids=str,
)
def test_what_an_entry_may_not_say_is_named(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, **changes)
    assert says in str(refused.value)


# ------------------------------------------------------------------ health
AMOUNTS = st.integers(0, 10**24)
PRICES = st.lists(st.fractions(Fraction(1, 1_000), 1_000, max_denominator=1_000), min_size=1, max_size=3)
HOLDINGS = st.tuples(AMOUNTS, AMOUNTS, st.sampled_from((0, 7_800, 9_300)), PRICES)


def health(holdings: dict[str, HeldAtMarket], prices: tuple[Fraction, ...]) -> Fraction | None:
    priced = [*zip(holdings.values(), prices, strict=True)]
    backed = sum(held.collateral * Fraction(held.threshold_bps, 10_000) * price for held, price in priced)
    owed = sum(held.debt * price for held, price in priced)
    return backed / owed if owed else None


@given(st.lists(HOLDINGS, min_size=1, max_size=3), st.sampled_from((0, 3_000)), st.fractions("1.01", 3))
def test_it_is_below_the_floor_exactly_where_some_prices_bring_it_there(
    drawn: list[tuple[int, int, int, list[Fraction]]], shock_bps: int, least: Fraction
) -> None:
    holdings = {
        f"0x{place}": HeldAtMarket(collateral=collateral, debt=debt, price=1, threshold_bps=threshold)
        for place, (collateral, debt, threshold, _) in enumerate(drawn)
    }
    prices = {f"0x{place}": references for place, (*_, references) in enumerate(drawn)}
    moved = 1 + Fraction(shock_bps, 10_000)
    corners = [
        (references if references == [1] else [min(references) / moved, max(references) * moved])
        for references in prices.values()
    ]
    found = worst_health(holdings, prices, least, shock_bps)
    everywhere = [health(holdings, corner) for corner in product(*corners)]
    if found is None:
        assert set(everywhere) == {None}
        return
    assert found in everywhere
    assert (found < least) == (min(each for each in everywhere if each is not None) < least)


def test_the_budgets_own_token_is_what_others_are_shocked_against() -> None:
    holdings = {
        USDC: HeldAtMarket(collateral=100_000, debt=0, price=1, threshold_bps=8_000),
        WETH: HeldAtMarket(collateral=0, debt=20, price=1, threshold_bps=8_300),
    }
    prices = {USDC: [Fraction(1)], WETH: [Fraction(3_000), Fraction(3_010)]}
    assert worst_health(holdings, prices, Fraction(6, 5), 0) == Fraction(80_000, 60_200)
    assert worst_health(holdings, prices, Fraction(6, 5), 3_000) == Fraction(80_000, 78_260)
