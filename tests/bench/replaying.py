"""Replay a pool from its logs, compared with a plain port of the contract and with degenbot: equal swaps and equal final states.

Alone it prints its rows as JSON: `make bench` lets another interpreter do so where BENCH_PEERS names one that has degenbot.
"""

import copy
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from degenbot_peer import by_degenbot, version
from flows import Flow, flows, move
from rows import Absent, Row
from turns import ROUNDS, by_turns

from pipeline.units import Liquidity
from pipeline.venues.uniswap_v3 import LivePool, quote
from pipeline.venues.uniswap_v3.forms.facts import Swapped

MUST = {"0.5": (12, None), "0.6": (4, None)}
"""Against degenbot, by version."""
_NAME = "a swap's log -> the pool after it"

port: Any = importlib.import_module("pipeline.venues.uniswap_v3.quote")
"""The module of `quote`, which its package hides by the function's name."""

Ends = list[tuple[int, ...]]


def by_replay(pool: LivePool, flow: Flow) -> Ends:
    """Move the pool as the product does: fees, observations, and every log checked."""
    ends: Ends = []
    for fact, at_s, asked in flow.moves:
        if asked is None:
            move(pool, fact, at_s)
        else:
            pool.apply(fact, at_s)
            ends.append((pool.sqrt_price_x96, pool.liquidity, pool.tick))
    return ends


@contextmanager
def forgetful() -> Iterator[None]:
    """Let the port compute a tick's price at each step, as the contract does and as a plain port would."""
    kept = port.sqrt_price_at_tick
    port.sqrt_price_at_tick = kept.__wrapped__
    try:
        yield
    finally:
        port.sqrt_price_at_tick = kept


def by_plain_port(pool: LivePool, flow: Flow) -> Ends:
    """Swap as `by_port` does, without remembering the prices of ticks."""
    with forgetful():
        return by_port(pool, flow)


def by_port(pool: LivePool, flow: Flow) -> Ends:
    """Swap as the contract does, from the amount that went in; it keeps no fees and no observations."""
    ends: Ends = []
    for fact, at_s, asked in flow.moves:
        if asked is None:
            move(pool, fact, at_s)
            continue
        end = quote(pool, asked.amount, zero_for_one=asked.down, limit_x96=asked.limit_x96)
        pool.sqrt_price_x96, pool.liquidity, pool.tick = (
            end.sqrt_price_x96,
            Liquidity(end.liquidity),
            end.tick,
        )
        ends.append((end.sqrt_price_x96, end.liquidity, end.tick))
    return ends


def rows(rounds: int) -> list[Row | Absent]:
    """Measure the ways per swap, of each flow."""
    made: list[Row | Absent] = [row for flow in flows() for row in _rows(flow, rounds)]
    peers = os.environ.get("BENCH_PEERS")
    if version() is not None:
        return made
    if peers is None:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        why = f"it needs Python 3.12, this is {running}; BENCH_PEERS may name an interpreter that has it"
        return [*made, Absent(_NAME, "degenbot", why)]
    return [*made, *_elsewhere(peers, rounds)]


def _rows(flow: Flow, rounds: int) -> list[Row]:
    swapped = [(f.sqrt_price_x96, f.liquidity, f.tick) for f, _, _ in flow.moves if isinstance(f, Swapped)]
    ready: dict[str, Callable[[], Any]] = {
        "ours": lambda: by_replay(copy.deepcopy(flow.pool), flow),
        "plain port": lambda: by_plain_port(copy.deepcopy(flow.pool), flow),
        "port": lambda: by_port(copy.deepcopy(flow.pool), flow),
    }
    if version() is not None and flow.swaps == len(flow.moves):
        ready["degenbot"] = by_degenbot(flow)
    for name, run in ready.items():
        assert run() == swapped, f"{name} comes to another end"
    ready["copy"] = lambda: copy.deepcopy(flow.pool)
    took = by_turns(ready, rounds)
    us = {name: seconds * 1e6 / flow.swaps for name, seconds in took.items()}
    ours = us["ours"] - us["copy"]
    note = f"{flow.multi_step:.1%} of {flow.swaps:,} swaps take several steps; the peer keeps no fees and no observations"
    name = f"{_NAME}, {flow.name}"
    found = [
        Row(name, "a plain port of the contract", ours, us["plain port"] - us["copy"], 6, 10, note),
        Row(name, "the port, prices of ticks remembered", ours, us["port"] - us["copy"], None, None, note),
    ]
    if "degenbot" in ready:
        installed = str(version())
        must, aim = MUST.get(installed[:3], (None, None))
        found.append(Row(name, f"degenbot {installed}", ours, us["degenbot"], must, aim, note))
    return found


def _elsewhere(python: str, rounds: int) -> list[Row | Absent]:
    """Let another interpreter measure the same; only what it says of degenbot is taken, with its own measure of ours."""
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [python, __file__, str(rounds)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode:
        return [
            Absent(_NAME, "degenbot", f"the interpreter that BENCH_PEERS names ended with {run.returncode}")
        ]
    said = [Row(**row) for row in json.loads(run.stdout)]
    found: list[Row | Absent] = [row for row in said if row.peer.startswith("degenbot")]
    return found or [Absent(_NAME, "degenbot", f"{python} does not have it")]


if __name__ == "__main__":
    asked = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    print(json.dumps([row._asdict() for flow in flows() for row in _rows(flow, asked)]))
