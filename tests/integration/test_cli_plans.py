"""`evenkeel plans` reads the shards' messages on plans from a real broker, and adds up their costs."""

import json

import pytest
from cli_desk import PARTITIONS
from told_plans import cause, closed, opened

from pipeline.messages.decisions import PlanStalled
from streams.kafka.codec import encode
from streams.kafka.topics import DECISIONS

pytestmark = pytest.mark.kafka


def test_plans_of_all_shards_are_listed_oldest_first_with_totals(kept, desk):
    first, second, waits = (opened(number) for number in (1, 2, 3))
    held = PlanStalled(
        id="stall.0.4.ee",
        because_of=cause(4),
        book="alpha",
        plan=waits.plan,
        phase="swap",
        reason="gas_price",
        detail="9",
    )
    shard, other = kept.shard.id, (kept.shard.id + 1) % PARTITIONS
    desk.commit(other, *records(second, closed(7, second)))
    desk.commit(shard, *records(first, closed(5, first), waits, held))
    rows = [json.loads(line) for line in desk.run("plans", "--json").out.splitlines()]
    assert [row["opened"]["plan"] for row in rows] == [first.plan, second.plan, waits.plan]
    assert [row["closed"] is None for row in rows] == [False, False, True]
    assert (rows[2]["held"]["reason"], rows[2]["held"]["detail"]) == ("gas_price", "9")
    shown = " ".join(desk.run("plans").out.split())
    assert "open; last held at swap: gas_price: 9" in shown
    assert "300,000.00 12.00 14.00 0.5 bps 2.00 0.50 0.010000" in shown, "two plans with costs, summed"


def records(*said):
    return [(DECISIONS.name, f"book/{each.book}", encode(each)) for each in said]
