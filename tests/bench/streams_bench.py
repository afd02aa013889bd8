"""The throughput, latency and memory of one worker on a real broker on this machine; docs/performance.md explains each figure.

BENCH_BLOCKS, BENCH_ROUNDS and BENCH_SECONDS make a run shorter or longer.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from machine import machine
from streams_latency import latencies
from streams_memory import memory
from streams_opening import opening
from streams_quiet import quiet
from streams_rates import rates
from streams_sending import sending

from streams.devnet.broker import start_broker
from streams.devnet.cache import DEFAULT_CACHE

BLOCKS = int(os.environ.get("BENCH_BLOCKS", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
RESULT = Path(__file__).parents[2] / ".evenkeel" / "bench" / "streams.json"

MUST_RATIO = 0.5
MUST_GROWTH = 0.10
MUST_QUIET_BLOCKS = 50 * 1_075
"""Per second of processor time: fifty times what a worker did where each quiet block had a record of its own."""
MAX_SPREAD = 0.25
"""If the bare loop itself varies by more, the machine is busy and its ratio says nothing."""


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table(title: str, rows: list[dict[str, float]]) -> None:
    """Print rows under the names of their fields, in two lines where a name is long."""
    say(f"\n{title}")
    names = [name.replace("_", " ") for name in rows[0]]
    width = max(map(len, names))
    for name, key in zip(names, rows[0], strict=True):
        say(f"  {name:<{width}}" + "".join(f"{row[key]:>12,}" for row in rows))


async def measure(bootstrap: str, folder: Path, result: dict[str, Any]) -> None:
    """Measure one thing after another, and keep each before the next."""
    for name, title, rows in (
        ("rates", "one worker and a bare loop, the same log by turns", rates(bootstrap, folder, ROUNDS)),
        (
            "quiet",
            "quiet blocks, in the records of a watcher that catches up",
            quiet(bootstrap, folder, 2 * BLOCKS, ROUNDS),
        ),
        ("latency", "block appended -> decision readable", latencies(bootstrap, folder, SECONDS)),
        ("opening", "opening a shard", opening(bootstrap, folder)),
        ("sending", "block appended -> transaction sent", sending(folder, SECONDS)),
        ("memory", "resident memory of one worker, at rest", memory(bootstrap, folder, BLOCKS)),
    ):
        result[name] = await rows
        result["load_after"] = round(os.getloadavg()[0], 2)
        table(title, result[name])
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


def missed(result: dict[str, Any]) -> list[str]:
    """List the targets that were not reached."""
    wrong = []
    densest = result["rates"][-1]
    if densest["bare_spread"] > MAX_SPREAD:
        say(f"\nthe bare loop varied by {densest['bare_spread']:.0%}: its ratio is not judged")
    elif densest["ratio"] < MUST_RATIO:
        wrong.append(f"{densest['ratio']} of the bare loop, must be {MUST_RATIO}")
    resting = max(row["blocks_per_cpu_s"] for row in result["quiet"])  # of a book that hardly ever reports
    if resting < MUST_QUIET_BLOCKS:
        wrong.append(f"{resting:,} quiet blocks per second of processor time, must be {MUST_QUIET_BLOCKS:,}")
    if result["memory"][-1]["growth"] > MUST_GROWTH:
        wrong.append(f"memory grew by {result['memory'][-1]['growth']:.1%}, at most {MUST_GROWTH:.0%}")
    return wrong


def main() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new topic has no leader for a moment
    result: dict[str, Any] = {"machine": machine(), "rounds": ROUNDS}
    say(json.dumps(result["machine"]))
    cache = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
    with (
        tempfile.TemporaryDirectory() as scratch,
        start_broker(Path(scratch) / "broker", cache=cache) as broker,
    ):
        asyncio.run(measure(broker.bootstrap_servers, Path(scratch), result))
    say(f"\nwritten to {RESULT}")
    wrong = missed(result)
    if wrong:
        sys.exit("missed: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
