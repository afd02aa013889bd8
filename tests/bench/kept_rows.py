"""Rows of the benchmark that other runs measure: those that need a broker, and the fold compared with an older commit."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / ".evenkeel" / "bench"
COMPARED = FOLDER / "compare.json"


def tables() -> dict[str, Any]:
    """Say each row with its must; without a run, say that there was none."""
    return {
        "streams": _table("make bench-streams", FOLDER / "streams.json", _streams),
        "fold against an older commit": _table("make bench-compare OLD=COMMIT", COMPARED, _compared),
    }


def _table(run: str, file: Path, rows_of: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> dict[str, Any]:
    if not file.exists():
        sys.stdout.write(f"not measured: `{run}` has not been run here\n")
        return {"absent": True, "why": f"{run} has not been run here"}
    told = json.loads(file.read_text())
    rows = rows_of(told)
    for row in rows:
        sys.stdout.write(f"{row['name']:44}{row['value']:>12}   must {row['must']}, {_verdict(row)}\n")
    sys.stdout.write(f"  of `{run}`, {told['machine']['at']}\n")
    return {"run": run, "machine": told["machine"], "rows": rows}


def _compared(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _least(f"fold against {told['old']}, {swaps} swaps a block", told["ratios"][swaps], must)
        for swaps, must in (("1", 1.6), ("100", 1.8), ("400", 1.8))
        if swaps in told["ratios"]
    ]


def _verdict(row: dict[str, Any]) -> str:
    return "reached" if row["reached"] else "missed"


def _streams(told: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    if "rates" in told:
        rows.append(_least("worker / bare loop, 400 logs a record", told["rates"][-1]["ratio"], 0.8))
    for each, must in zip(told.get("latency", ()), (15, 30), strict=False):
        name = f"append -> decision p99, {each['shards']} shards, ms"
        rows.append(_most(name, each["p99_ms"], must))
    for each, name, must in zip(
        told.get("sending", ()), ("first of a phase", "every transaction"), (80, 150), strict=False
    ):
        rows.append(_most(f"block -> sent p99, {name}, ms", each["p99_ms"], must))
    opening = told.get("opening")
    if opening:
        rows.append(_most("opening 300,000 entries, s", opening[0]["open_s"], 2))
    return rows


def _least(name: str, value: float, must: float) -> dict[str, Any]:
    return {"name": name, "value": value, "must": must, "reached": value >= must}


def _most(name: str, value: float, must: float) -> dict[str, Any]:
    return {"name": name, "value": value, "must": must, "reached": value <= must}
