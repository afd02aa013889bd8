"""The demo's table of a hedged book and its unhedged twin: each figure is right."""

import pytest

from streams.cli.demo.hedged import Compared, PairAt

DOLLAR = 10**6


def at(hedged: float, twin: float, *, inside: bool = True, health: float | None = 2.0) -> PairAt:
    return PairAt(
        hedged=int(hedged * DOLLAR),
        twin=int(twin * DOLLAR),
        inside_band=inside,
        health=health,
        carry=0.5 * DOLLAR,
    )


def test_nothing_is_compared_before_the_hedge_was_first_in_its_band_and_owed():
    compared = Compared()
    compared.add(at(1_000, 1_000, health=None))
    compared.add(at(1_000, 1_000, inside=False))
    assert compared.at == []
    compared.add(at(1_000, 1_000))
    compared.add(at(1_000, 1_000, inside=False, health=None))
    assert len(compared.at) == 2


def test_the_tables_figures_are_those_of_the_changes_from_block_to_block():
    compared = Compared(trading_cost=7 * DOLLAR)
    # the twin loses 30 once, 20 once, and gains 1 in the other blocks; the hedged book a tenth of that
    changes = [-30.0, -20.0, *[1.0] * 38]
    value = 10_000.0
    compared.add(at(value / 10, value, health=1.9))
    for number, change in enumerate(changes):
        value += change
        compared.add(at(value / 10, value, inside=number >= 4, health=1.5 if number == 7 else 2.5))
    mean = sum(changes) / len(changes)
    spread = (sum((each - mean) ** 2 for each in changes) / len(changes)) ** 0.5
    assert compared.spread("twin") == pytest.approx(spread * DOLLAR)
    assert compared.spread("hedged") == pytest.approx(spread * DOLLAR / 10)
    assert compared.rows() == [
        (
            "standard deviation of a block's change of equity",
            f"{spread / 10:.2f} USDC",
            f"{spread:.2f} USDC",
        ),
        ("mean of the worst 5 % of these changes", "-2.50 USDC", "-25.00 USDC"),
        ("interest earned less interest due", f"{41 * 0.5:.4f} USDC", ""),
        ("gas and swap loss of the hedge's plans", "7.00 USDC", ""),
        ("blocks whose end was inside the band", "37 of 41", ""),
        ("smallest health factor", "1.500", ""),
    ]


def test_so_many_blocks_are_enough_to_compare():
    compared = Compared()
    for _ in range(19):
        compared.add(at(1, 1))
    assert not compared.is_enough
    compared.add(at(1, 1))
    assert compared.is_enough
