"""Every reason not to act is documented, with its meaning and what to do."""

import re
from pathlib import Path
from typing import get_args

import pytest
from builders import address
from desk import live
from msgspec.structs import replace

from pipeline.act.guards import OTHER_REASONS, guards_with
from pipeline.messages.decisions import Gate
from pipeline.messages.outcomes import RefusalReason
from pipeline.messages.policy import Limits, Rerange, TargetBand
from pipeline.venues.uniswap_v3.act.actions import UniswapV3Actions

GUARDS = guards_with(UniswapV3Actions.guards)
OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
STREAM = (Path(__file__).parents[2] / "docs" / "stream.md").read_text(encoding="utf-8")


def table_of(title: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    section = OPERATIONS.partition(f"### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", section, re.MULTILINE)
    return [list(row) for row in rows]


def test_every_reason_of_a_book_is_told_in_the_order_of_the_guards():
    rows = table_of("Why a book does not act")
    assert [row[0] for row in rows] == [*GUARDS, *OTHER_REASONS]
    assert all(len(means) > 15 and len(does) >= len("Nothing") for _, means, does in rows)


def test_every_reason_of_the_signer_is_told():
    rows = table_of("What the signer refuses")
    assert {row[0] for row in rows} == set(get_args(RefusalReason))


def test_the_guards_are_told_in_their_order():
    told = (
        STREAM.partition("- **Guards**, in this order")[2]
        .partition(";\n  `pipeline")[0]
        .partition("[what each")[0]
    )
    assert [name for name in re.findall(r"`(\w+)`", told) if name in GUARDS] == list(GUARDS)


def test_the_gates_are_told_in_their_order():
    section = STREAM.partition("### Gates\n")[2].partition("\n### ")[0]
    assert re.findall(r"^\| (\w+) \| \w+", section, re.MULTILINE)[1:] == list(get_args(Gate))


def test_the_words_of_a_plan_are_in_the_glossary():
    said = {
        word.strip()
        for row in re.findall(r"^\| ([^|]+) \|", GLOSSARY, re.MULTILINE)
        for word in row.split(",")
    }
    words = (
        "plan phase stall guard limits re-range intent dry-run goal step notional allowance journal report"
    )
    assert set(words.split()) <= said
    assert {"live book", "kill switch", "reference price"} <= said


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "dry-run"},
        {"mode": "watch"},
        {"owner": address(9)},
        {"signer": address(9)},
        {"base": address(9)},
        {"quote": address(9)},
        {"reference_pool": address(9)},
        {"chain": replace(live().chain, router=address(9))},
        {"chain": replace(live().chain, position_manager=address(9))},
    ],
    ids=str,
)
def test_what_a_plan_rests_on_may_not_change_under_it(changes):
    assert not live(**changes).carries_plans_of(live())


@pytest.mark.parametrize(
    "changes",
    [{"limits": Limits()}, {"action": Rerange()}, {"strategy": TargetBand()}, {"policy_version": "v9"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_plan_does_not_rest_on_may_change(changes):
    assert live(**changes).carries_plans_of(live())
