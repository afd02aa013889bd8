"""The fault campaigns themselves: which faults they draw, and when they fail."""

import itertools
import random
from pathlib import Path

import pytest
from chaos.faults import FAULTS
from chaos.rules import MUST_FIRE
from chaos.run import _TRUNCATED, Report, deal
from chaos_sender import run as sender_run
from chaos_sender.faults import FAULTS as DEATHS
from chaos_sender.legs import LEGS, LEGS_AT
from chaos_sender.market import MARKETS
from chaos_sender.orders import ORDERS


def a_full_report() -> Report:
    report = Report()
    for name in (*FAULTS, _TRUNCATED):
        report.tally(name).runs += 1
    report.rules.update(MUST_FIRE)
    return report


@pytest.mark.parametrize("rule", MUST_FIRE)
def test_a_rule_that_never_fired_is_told(rule):
    report = a_full_report()
    assert report.never_fired == []
    del report.rules[rule]
    assert report.never_fired == [rule]
    assert f"NEVER FIRED: {rule}" in list(report.lines())
    assert report.figures()["never_fired"] == [rule]


def test_the_table_tells_each_fault_in_numbers():
    report = a_full_report()
    report.tally("worker killed").recovered_s += [1.0, 5.0, 3.0]
    assert report.figures()["faults"]["worker killed"] == {
        "runs": 1, "lost": 0, "doubled": 0, "failed": 0, "median_s": 3.0, "most_s": 5.0,
    }  # fmt: skip
    assert any(line.startswith("worker killed ") and line.endswith("3.0    5.0") for line in report.lines())


@pytest.mark.parametrize("seed", range(20))
def test_every_fault_is_dealt_before_any_comes_again(seed):
    dealt = list(itertools.chain(*itertools.chain(*deal(random.Random(seed), 20))))
    for count in (len(FAULTS), 3 * len(FAULTS)):
        times = [dealt[:count].count(name) for name in FAULTS]
        assert max(times) - min(times) <= 2
    assert set(dealt) == set(FAULTS)


@pytest.mark.parametrize("seed", range(20))
def test_what_waits_for_its_own_making_strikes_alone_and_no_two_of_a_kind_together(seed):
    for act in itertools.chain(*deal(random.Random(seed), 20)):
        assert len(act) == 1 or not any(FAULTS[name].alone for name in act)
        assert len({FAULTS[name].of for name in act}) == len(act)


@pytest.mark.parametrize("name", [*FAULTS, *MUST_FIRE])
def test_the_page_names_every_fault_and_every_rule(name):
    page = (Path(__file__).parents[2] / "docs" / "chaos.md").read_text()
    assert f"\n| {name} | " in page


def test_one_fault_alone_can_be_dealt():
    assert deal(random.Random(1), 2, ["worker killed"]) == [[["worker killed"]]] * 2


@pytest.mark.parametrize("seed", range(3))
def test_the_sender_campaign_plays_every_death_every_depth_of_a_reorg_and_every_market(seed):
    depths = {f"mint: a reorg, {depth} deep": depth for depth in range(1, 11)}
    away = "worker and signer miss 2,000 blocks"
    acts = sender_run.RERANGED
    dealt = [*itertools.chain(*sender_run.deal(random.Random(seed), 6, list(acts)))]
    assert set(dealt[: len(acts)]) == set(acts) == {*DEATHS, *depths, *MARKETS, away}
    assert {name: acts[name].keywords["depth"] for name in depths} == depths
    assert acts[away].keywords == {"blocks": 2_000}


@pytest.mark.parametrize("seed", range(3))
def test_the_sender_campaign_plays_every_leg_of_a_hedge_at_each_version_and_every_strike_at_an_order(seed):
    assert {**sender_run.RERANGED, **LEGS, **ORDERS} == sender_run.ACTS
    runs = [*sender_run.runs_of(40, seed, list(sender_run.ACTS))]
    assert [(run.has_orders, bool(run.version)) for run in runs] == 10 * [
        (False, False),
        (True, False),
        (False, False),
        (False, True),
    ]
    hedged = [run for run in runs if run.version]
    assert {name for run in hedged for name in run.acts} == set(LEGS)
    assert all(set(run.acts) <= set(LEGS_AT[run.version]) for run in hedged)
    assert {name for run in runs if run.has_orders for name in run.acts} == set(ORDERS)


def test_the_seed_draws_which_version_comes_first_and_one_alone_can_be_dealt():
    def versions(seed: int, names: list[str]) -> list[str]:
        return [run.version for run in sender_run.runs_of(2, seed, names)]

    assert {tuple(versions(seed, list(LEGS))) for seed in range(20)} == {("3.0", "3.6"), ("3.6", "3.0")}
    assert versions(1, list(LEGS_AT["3.0"])) == ["3.0", "3.0"]
    assert all(run.has_orders for run in sender_run.runs_of(2, 1, list(ORDERS)))
