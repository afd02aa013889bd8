"""`make chaos-streams`: a number of runs, each on its own deployment, with faults drawn from one seeded deck."""

import asyncio
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign import arguments, say
from chaos.faults import FAULTS
from chaos.house import House, opened
from chaos.log_faults import state_truncated
from chaos.rules import MUST_FIRE

TABLES = Path(".evenkeel") / "chaos"
_ACTS = 8
_AWAY_S = 70.0
"""So long the broker is away at most."""
_TOGETHER_SHARE = 0.4
_TRUNCATED = "state topic truncated"


@dataclass
class Tally:
    """What became of one fault over all runs."""

    runs: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    recovered_s: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        times = (
            f"{statistics.median(self.recovered_s):8.1f} {max(self.recovered_s):6.1f}"
            if self.recovered_s
            else ""
        )
        return f"{name:45} {self.runs:5} {self.lost:5} {self.doubled:8} {self.failed:7} {times}"

    def figures(self) -> dict[str, float]:
        """Say the same as numbers."""
        found: dict[str, float] = {
            "runs": self.runs,
            "lost": self.lost,
            "doubled": self.doubled,
            "failed": self.failed,
        }
        if self.recovered_s:
            found["median_s"] = round(statistics.median(self.recovered_s), 2)
            found["most_s"] = round(max(self.recovered_s), 2)
        return found


@dataclass
class Report:
    """All runs together."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    most_rss_bytes: int = 0

    def tally(self, name: str) -> Tally:
        return self.tallies.setdefault(name, Tally())

    @property
    def never_fired(self) -> list[str]:
        """The rules that no run called upon, if every fault has struck."""
        all_struck = {*FAULTS, _TRUNCATED} <= self.tallies.keys()
        return [rule for rule in MUST_FIRE if not self.rules[rule]] if all_struck else []

    def lines(self) -> Iterator[str]:
        yield f"{'fault':45} {'runs':>5} {'lost':>5} {'doubled':>8} {'failed':>7} {'median s':>8} {'max s':>6}"
        yield from (self.tallies[name].row(name) for name in (*FAULTS, _TRUNCATED) if name in self.tallies)
        yield ""
        yield from (f"{rule:55} {count:8}" for rule, count in sorted(self.rules.items()))
        yield ""
        yield from (f"compared: {what:45} {count:8}" for what, count in sorted(self.compared.items()))
        yield from (f"said: {what:49} {count:8}" for what, count in sorted(self.said.items()))
        yield f"{'most memory of one process, MB':55} {self.most_rss_bytes // 10**6:8}"
        yield ""
        yield from (f"WRONG: {wrong}" for wrong in self.wrong)
        yield from (f"NEVER FIRED: {rule}" for rule in self.never_fired)

    def figures(self) -> dict[str, Any]:
        """Say the same as numbers."""
        return {
            "faults": {name: tally.figures() for name, tally in sorted(self.tallies.items())},
            "rules": dict(sorted(self.rules.items())),
            "compared": dict(sorted(self.compared.items())),
            "said": dict(sorted(self.said.items())),
            "most_rss_bytes": self.most_rss_bytes,
            "wrong": self.wrong,
            "never_fired": self.never_fired,
        }


# ------------------------------------------------------------------ one run
async def play(house: House, acts: Sequence[Sequence[str]], report: Report) -> None:
    """Let act follow on act, with order flow going on, and look at everything after each."""
    for act in acts:
        say(f"  {' + '.join(act)}")
        for name in act:
            report.tally(name).runs += 1
        try:
            took_s = await _strike(house, act, report)
        except BaseException:
            for name in act:
                report.tally(name).failed += 1
            raise
        for name in act:
            report.tally(name).recovered_s.append(took_s)
        await house.blocks(house.dice.randrange(2, 8))
    report.tally(_TRUNCATED).runs += 1
    await state_truncated(house)
    house.count_said()


async def _strike(house: House, act: Sequence[str], report: Report) -> float:
    """Strike, wait until all is well again, and compare. Returns how long recovery took from the fault's end."""
    await asyncio.gather(*(FAULTS[name].strike(house) for name in act))
    over_s = time.monotonic()
    await house.recovered()
    took_s = time.monotonic() - over_s
    finding = await house.verdict()
    report.compared += finding.compared
    report.wrong += [f"after {' + '.join(act)}: {wrong}" for wrong in finding.wrong]
    for name in act:
        report.tally(name).lost += finding.lost
        report.tally(name).doubled += finding.doubled
        report.tally(name).failed += bool(finding.wrong)
    return took_s


# ------------------------------------------------------------------ the deck
def deal(dice: random.Random, runs: int, among: Sequence[str] = tuple(FAULTS)) -> list[list[list[str]]]:
    """Deal every fault before any comes again; some of them two at a time."""
    deck = Deck(dice, among)
    dealt = []
    for _ in range(runs):
        acts = []
        for _ in range(min(_ACTS, len(among))):
            act = [deck.draw()]
            if not FAULTS[act[0]].alone and dice.random() < _TOGETHER_SHARE:
                act += deck.draw_beside(act[0])
            acts.append(act)
        dealt.append(acts)
    return dealt


class Deck:
    """Faults in a shuffled order, and again once all were drawn."""

    def __init__(self, dice: random.Random, among: Sequence[str]) -> None:
        self._dice, self._among = dice, sorted(among)
        self._cards: list[str] = []

    def draw(self) -> str:
        """Take the next."""
        if not self._cards:
            self._shuffle_in()
        return self._cards.pop(0)

    def draw_beside(self, first: str) -> list[str]:
        """Take the next that goes with another, if any does."""
        fitting = self._fitting(first)
        if not fitting:
            self._shuffle_in()
            fitting = self._fitting(first)
        for name in fitting[:1]:
            self._cards.remove(name)
        return fitting[:1]

    def _fitting(self, first: str) -> list[str]:
        return [
            name for name in self._cards if not FAULTS[name].alone and FAULTS[name].of != FAULTS[first].of
        ]

    def _shuffle_in(self) -> None:
        self._cards += self._dice.sample(self._among, len(self._among))


async def run_all(runs: int, seed: int, folder: Path, among: Sequence[str], *, hurried: bool) -> Report:
    """Play every run, on a fresh deployment each."""
    report = Report()
    for number, acts in enumerate(deal(random.Random(seed), runs, among)):
        began_s = time.monotonic()
        say(f"run {number + 1} of {runs}")
        place = folder / f"run-{number + 1}"
        place.mkdir()
        try:
            async with opened(place, seed * 1_000 + number, hurried=hurried) as house:
                house.longest_away_s = _AWAY_S
                try:
                    await play(house, acts, report)
                finally:
                    report.rules += house.rules
                    report.said += house.audit.said
                    report.most_rss_bytes = max(report.most_rss_bytes, house.most_rss_bytes)
        except Exception as error:  # noqa: BLE001 - the other runs go on
            say(traceback.format_exc())
            report.wrong.append(f"run {number + 1}: {type(error).__name__}: {error} (logs in {place})")
        else:
            shutil.rmtree(place)
        say(f"  {time.monotonic() - began_s:.0f} s")
    return report


def _keep(report: Report, runs: int, seed: int) -> None:
    TABLES.mkdir(parents=True, exist_ok=True)
    table = TABLES / f"runs-{runs}-seed-{seed}.json"
    table.write_text(json.dumps(report.figures(), indent=2) + "\n")
    say(f"the table: {table}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--patient",
        action="store_true",
        help="with processes as patient as in production: takes twice as long",
    )
    parser.add_argument(
        "--only", nargs="+", choices=FAULTS, default=list(FAULTS), help="deal these faults alone"
    )
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-chaos-"))
    report = asyncio.run(run_all(chosen.runs, chosen.seed, folder, chosen.only, hurried=not chosen.patient))
    for line in report.lines():
        say(line)
    _keep(report, chosen.runs, chosen.seed)
    if report.wrong or report.never_fired:
        say(f"the run FAILED; logs in {folder}")
        sys.exit(1)
    folder.rmdir()
    say("nothing lost, nothing doubled; state and outputs are those of an undisturbed fold, and the chain's")


if __name__ == "__main__":
    main()
