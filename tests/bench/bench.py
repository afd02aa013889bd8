"""Measure everything that docs/performance.md compares without a broker: each row beside its peer in one run, after a check that results are equal.

Prints the rows and growth tables, and writes them as JSON to `.evenkeel/bench/bench.json`, with the rows that other runs have left there.
BENCH_NFTS ("100 10000") and BENCH_BOOKS name other sizes, BENCH_ROUNDS another number of rounds, BENCH_PEERS a Python that has degenbot.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import decoding
import fold
import growth_tables
import kept_rows
import replaying
import shard_memory
import usual_way
from machine import machine
from rows import Absent, Row, as_json, say
from turns import ROUNDS

RESULT = Path(__file__).parents[2] / ".evenkeel" / "bench" / "bench.json"

BOOKS = (1, 10, 100, 300)
"""A thousand take minutes: a worker that takes books over looks at all it has for each."""


def _sizes(name: str, usual: tuple[int, ...]) -> tuple[int, ...]:
    stated = os.environ.get(name)
    return tuple(map(int, stated.split())) if stated else usual


def main() -> None:
    """Measure one thing after another, and keep each before the next."""
    rounds = int(os.environ.get("BENCH_ROUNDS", str(ROUNDS)))
    result: dict[str, Any] = {"machine": machine(), "rounds": rounds, "rows": [], "growth": {}}
    sys.stdout.write(json.dumps(result["machine"]) + "\n")
    result["memory"] = (
        shard_memory.table()
    )  # first: what the process shares, such as its table of interned strings, grows later
    nfts = _sizes("BENCH_NFTS", usual_way.NFTS)
    begun_s = time.monotonic()
    measured: list[Callable[[], Sequence[Row | Absent]]] = [
        lambda: decoding.rows(rounds),
        lambda: replaying.rows(rounds),
        lambda: usual_way.rows(nfts),
    ]
    for measure in measured:
        rows = measure()
        say(rows)
        result["rows"] += map(as_json, rows)
        _keep(result)
    result["fold"] = fold.table()
    _keep(result)
    books = _sizes("BENCH_BOOKS", BOOKS)
    for name, table in growth_tables.tables((1, 10, *nfts), books):
        result["growth"][name] = table
        _keep(result)
    result["memory"] = _in_its_own_process(shard_memory.table)
    result["other runs"] = kept_rows.tables()
    result["took_s"] = round(time.monotonic() - begun_s)
    _keep(result)
    sys.stdout.write(f"written to {RESULT}\n")


def _in_its_own_process(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Measure where nothing else has filled what a process shares, such as its table of interned strings."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure).result()


def _keep(result: dict[str, Any]) -> None:
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
