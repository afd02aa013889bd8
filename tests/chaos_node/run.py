"""`make chaos-node`: faults of a node on seeded deployments with a live book, as a table.

Each run has a deployment of its own and some of the troubles; all of them are dealt before any comes again.
"""

import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from campaign import arguments, say
from chaos_node.cases import CASES
from chaos_node.play import play, ward
from chaos_sender.setting import POOLS

_ACTS = 5
RESULT = Path(__file__).parents[2] / ".evenkeel" / "chaos" / "node.json"


class Report:
    """All runs together."""

    def __init__(self) -> None:
        self.recovered_s: dict[str, list[float]] = defaultdict(list)
        self.wrong: list[str] = []

    def lines(self) -> Iterator[str]:
        yield f"{'trouble':36}{'runs':>6}{'median_s':>10}{'max_s':>8}"
        for name, times in self.recovered_s.items():
            yield f"{name:36}{len(times):>6}{sorted(times)[len(times) // 2]:>10.1f}{max(times):>8.1f}"
        yield from (f"WRONG: {wrong}" for wrong in self.wrong)


def deal(dice: random.Random, runs: int, names: Sequence[str]) -> Iterator[list[str]]:
    """Deal every trouble before any comes again."""
    deck: list[str] = []
    for _ in range(runs):
        while len(deck) < _ACTS:
            deck += dice.sample(names, len(names))
        yield deck[:_ACTS]
        del deck[:_ACTS]


async def run_all(runs: int, seed: int, folder: Path, names: Sequence[str]) -> Report:
    """Play every run, on a fresh deployment each."""
    report = Report()
    for number, acts in enumerate(deal(random.Random(seed), runs, names)):
        say(f"run {number + 1} of {runs}")
        place = folder / f"run-{number + 1}"
        place.mkdir()
        try:
            await _run(place, seed * 1_000 + number, POOLS[number % len(POOLS)], acts, report)
        except Exception as error:  # noqa: BLE001 - the other runs go on
            say(traceback.format_exc())
            report.wrong.append(f"run {number + 1}: {type(error).__name__}: {error} (logs in {place})")
        else:
            shutil.rmtree(place)
    return report


async def _run(place: Path, seed: int, pool: str, acts: Sequence[str], report: Report) -> None:
    async with ward(place, seed, pool) as opened:
        for name in acts:
            say(f"  {name}")
            found = await play(opened, name)
            report.recovered_s[name].append(found.took_s)
            report.wrong += [f"after {name}: {wrong}" for wrong in found.all_wrong]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", action="append", choices=list(CASES), help="These troubles alone.")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-chaos-node-"))
    began_s = time.monotonic()
    report = asyncio.run(run_all(chosen.runs, chosen.seed, folder, chosen.only or list(CASES)))
    for line in report.lines():
        say(line)
    told = {"runs": chosen.runs, "seed": chosen.seed, "took_s": round(time.monotonic() - began_s)}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps(told | {"recovered_s": report.recovered_s, "wrong": report.wrong}, indent=2) + "\n"
    )
    if report.wrong:
        say(f"the run FAILED; logs in {folder}")
        sys.exit(1)
    folder.rmdir()
    say(
        "the state is the chain's, nothing stood still in silence, no fee was raised for bytes that no node had"
    )


if __name__ == "__main__":
    main()
