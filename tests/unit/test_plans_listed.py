"""`evenkeel plans`: the messages on decisions.v1 become a list with totals, for any screen width and for programs."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator

import pytest
from any_message import structs
from builders import policy
from hypothesis import given, settings
from hypothesis import strategies as st
from told_plans import COST, DOLLAR, FORESEEN, cause, closed, opened

from pipeline.messages.costs import ForeseenCost, RealCost
from pipeline.messages.decisions import PlanClosed, PlanOpened, PlanStalled
from pipeline.messages.outcomes import Stalled
from pipeline.messages.views import Rewound
from streams.cli import plans as command
from streams.cli.cost_words import foreseen_text, real_text
from streams.kafka.codec import decode_output, encode
from streams.kafka.readers import Record
from streams.plan_reports import PlanTold, fold_plans


def rewound(number: int) -> Rewound:
    return Rewound(id="rewound.0.9.a", because_of=cause(number), to=cause(number).block)


def told(*said: object) -> list[PlanTold]:
    async def records() -> AsyncIterator[Record]:
        for offset, each in enumerate(said):
            yield Record("decisions.v1", 0, offset, b"book/alpha", encode(each), 0)

    return asyncio.run(fold_plans(records()))


def test_an_end_is_told_with_its_beginning():
    plan = opened(1)
    assert told(plan, closed(5, plan)) == [PlanTold(opened=plan, closed=closed(5, plan))]


def test_a_plan_is_open_until_its_end_is_told_and_again_once_a_reorg_has_taken_that():
    plan = opened(1)
    assert told(plan)[0].closed is None
    assert told(plan, closed(5, plan), rewound(4))[0].closed is None
    assert told(plan, closed(5, plan), rewound(5))[0].closed is not None
    assert told(plan, closed(5, plan), rewound(4), closed(6, plan))[0].closed == closed(6, plan)


def test_an_end_that_is_no_success_stays_however_the_chain_turns():
    plan, why = opened(1), Stalled(phase="swap", reason="gas_price")
    assert told(plan, closed(5, plan, why), rewound(2))[0].closed == closed(5, plan, why)


def held(number: int, begun: PlanOpened, phase: str, reason: str, detail: str) -> PlanStalled:
    where = {"id": f"stall.0.{number}.ee", "because_of": cause(number)}
    return PlanStalled(**where, book=begun.book, plan=begun.plan, phase=phase, reason=reason, detail=detail)


def test_an_open_plan_is_told_with_what_it_was_last_held_back_by():
    plan, stranger = opened(1), opened(2)
    gas, swap = (
        held(3, plan, "swap", "gas_price", "9"),
        held(4, plan, "mint", "step_failed", "mint: reverted"),
    )
    (found,) = told(plan, gas, held(3, stranger, "mint", "depth", "1"))
    assert found.held == gas, "of another plan, that was not told to begin, nothing is kept"
    assert told(plan, gas, swap)[0].held == swap
    assert told(plan, gas, closed(5, plan))[0].held is None
    assert told(plan, gas, closed(5, plan), rewound(4))[0].held is None, "what it was held by is over"
    assert told(plan, gas, rewound(2))[0].held == gas


@given(st.lists(st.tuples(structs(RealCost), structs(ForeseenCost)), max_size=6))
@settings(max_examples=50, deadline=None)
def test_what_is_told_comes_back_from_its_bytes(pairs):
    for cost, foreseen in pairs:
        plan = opened(1)
        assert (
            decode_output(encode(PlanClosed(**_fields(closed(5, plan), cost=cost, foreseen=foreseen)))).cost
            == cost
        )


def _fields(said: PlanClosed, **changes: object) -> dict[str, object]:
    return {name: getattr(said, name) for name in said.__struct_fields__} | changes


# ------------------------------------------------------------------ on a screen
@pytest.fixture
def listed(monkeypatch):
    """The command with these plans in place of a broker's."""

    def run(*found: PlanTold, columns: int, **options) -> None:
        async def read(_: object):
            return list(found), {"alpha": policy()}

        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(command, "_read", read)
        monkeypatch.setattr(command, "settings_for", lambda _: None)
        command.plans(**options)

    return run


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_nothing_is_cut_off_and_no_line_is_too_wide(listed, capsys, columns):
    plan, open_one = opened(1), opened(900)
    listed(PlanTold(opened=plan, closed=closed(5, plan)), PlanTold(opened=open_one), columns=columns)
    text = capsys.readouterr().out
    for part in (
        plan.plan,
        open_one.plan,
        "150,000.00",
        "6.00",
        "7.00",
        "1.00",
        "0.25",
        "15% -> -0.12%",
        "open",
    ):
        assert part in text, part
    assert "0.5 bps" in text
    assert "0.005000" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= columns


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_what_holds_an_open_plan_back_is_in_its_row(listed, capsys, columns):
    waits, over = opened(1), opened(2)
    why = held(3, waits, "swap", "swap_limited", "the price limit 79 lets only 12 be sold")
    listed(
        PlanTold(opened=waits, held=why),
        PlanTold(opened=over, closed=closed(5, over)),
        PlanTold(opened=opened(4)),
        columns=columns,
    )
    text = " ".join(capsys.readouterr().out.split())
    assert "open; last held at swap: swap_limited: the price limit 79 lets only 12 be sold" in text
    assert text.count("last held") == 1
    listed(PlanTold(opened=waits, held=why), PlanTold(opened=opened(4)), columns=columns, as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["held"]["phase"], first["held"]["reason"]) == ("swap", why.reason)
    assert second["held"] is None


def test_the_totals_are_the_sums_of_what_is_known(listed, capsys):
    plans = [opened(number) for number in (1, 2, 3)]
    before = PlanOpened(**_fields(opened(4), foreseen=None))
    listed(
        *(PlanTold(opened=each, closed=closed(9, each)) for each in plans[:2]),
        PlanTold(opened=plans[2]),
        PlanTold(
            opened=before, closed=PlanClosed(**_fields(closed(9, before), cost=None, over_foreseen=None))
        ),
        columns=200,
    )
    total = capsys.readouterr().out.splitlines()[-1].split()
    assert total[1:] == [
        "4",
        "3",
        "2",
        "300,000.00",
        "12.00",
        "14.00",
        "0.5",
        "bps",
        "2.00",
        "0.50",
        "0.010000",
    ]


def test_programs_get_raw_integers(listed, capsys):
    plan = opened(1)
    found = PlanTold(opened=plan, closed=closed(5, plan))
    listed(found, columns=80, as_csv=True)
    heading, row = csv.reader(capsys.readouterr().out.splitlines())
    fields = dict(zip(heading, row, strict=True))
    assert int(fields["cost_gas_wei"]) == COST.gas_wei
    assert int(fields["over_foreseen"]) == DOLLAR
    assert int(fields["foreseen_way_back"]) == FORESEEN.way_back
    listed(found, PlanTold(opened=plan), columns=80, as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["closed"]["cost"]["gas_wei"] == str(COST.gas_wei)
    assert second["closed"] is None


def test_the_sentences_name_every_part():
    plan = opened(1)
    begins, ends = foreseen_text(plan, policy()), real_text(closed(5, plan), policy())
    for part in (
        "out_of_range",
        "65%",
        "50.1%",
        "6.0000",
        "gas 2.0000",
        "fee 3.0000",
        "impact 1.0000",
        "9.5000",
    ):
        assert part in begins, part
    for part in (
        "8 transactions",
        "7.0000",
        "0.005000 coin",
        "swap 4.0000",
        "1.0000",
        "more than expected",
        "15%",
    ):
        assert part in ends, part
