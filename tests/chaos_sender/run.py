"""`make chaos-sender`: deaths of processes between plan and settlement of a live book, on seeded deployments, as a table.

Each run has a deployment of its own and some of the deaths; all of them are dealt before any comes again.
"""

import asyncio
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Container, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from campaign import arguments, say
from chaos_sender.absence import LONG_BLOCKS, is_away
from chaos_sender.faults import FAULTS, Found, play
from chaos_sender.hedged import HEDGED_POOL, HedgedBook
from chaos_sender.house import House, opened
from chaos_sender.judged import MARGIN_BPS
from chaos_sender.legs import LEGS, LEGS_AT, comes_to
from chaos_sender.market import MARKETS, turns
from chaos_sender.mints import MOST_DEPTH, mint_is_taken_away
from chaos_sender.orders import ORDERS, RATIOS, comes_to_rest
from chaos_sender.robbery import is_robbed
from chaos_sender.setting import POOLS, RerangedBook
from perp_house import PerpHouse
from perp_house import opened as opened_by_orders
from worlds.toy_perp.registered import register

from pipeline.messages.outcomes import AnyPlanOutcome
from streams.outcome_words import outcome_text

RERANGED: Mapping[str, partial[Coroutine[Any, Any, Found]]] = {
    **{name: partial(play, name=name) for name in FAULTS},
    **{name: partial(turns, name=name) for name in MARKETS},
    **{
        f"mint: a reorg, {depth} deep": partial(mint_is_taken_away, depth=depth)
        for depth in range(1, MOST_DEPTH + 1)
    },
    f"worker and signer miss {LONG_BLOCKS:,} blocks": partial(is_away, blocks=LONG_BLOCKS),
}
ACTS = {**RERANGED, **LEGS, **ORDERS}
_ACTS_EACH = 8
_ROUNDS, _RECORDS = 8, 30
"""Of forgeries, at the end of each run."""
RESULT = Path(__file__).parents[2] / ".evenkeel" / "chaos" / "sender.json"


@dataclass
class Tally:
    """What became of one fault over all runs."""

    runs: int = 0
    fired: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    recovered_s: list[float] = field(default_factory=list)

    def cells(self) -> dict[str, Any]:
        times = self.recovered_s
        return {
            "runs": self.runs,
            "fired": self.fired,
            "lost": self.lost,
            "doubled": self.doubled,
            "failed": self.failed,
            "median_s": round(statistics.median(times), 1) if times else None,
            "max_s": round(max(times), 1) if times else None,
        }


@dataclass
class Report:
    """All runs together."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in ACTS})
    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    courses: dict[str, list[str]] = field(default_factory=dict)
    """By run and plan, what happened in it, where the signer refused something by its limits or a plan was stuck."""
    over_bps: list[int] = field(default_factory=list)
    """Of each plan that was judged, what it paid beyond what was foreseen, in bps of its notional."""

    @property
    def never_fired(self) -> list[str]:
        """The deaths that no run died, if every one was dealt."""
        dealt_all = all(tally.runs for tally in self.tallies.values())
        return [name for name, tally in self.tallies.items() if not tally.fired] if dealt_all else []

    @property
    def dear(self) -> list[str]:
        """What is wrong with the costs of all plans together: 99 in 100 must stay within the foreseen."""
        far = [over for over in self.over_bps if over > MARGIN_BPS]
        return (
            [f"{len(far)} of {len(self.over_bps)} plans were dearer: {far}"]
            if len(far) * 100 > len(self.over_bps)
            else []
        )

    def as_json(self) -> dict[str, Any]:
        faults = {name: tally.cells() for name, tally in self.tallies.items() if tally.runs}
        return {
            "faults": faults,
            "counted": dict(sorted(self.counted.items())),
            "wrong": self.wrong,
            "over_bps": sorted(self.over_bps),
            "courses": self.courses,
            "never_fired": self.never_fired,
        }

    def lines(self) -> Iterator[str]:
        names = list(Tally().cells())
        wide = max(map(len, self.tallies))
        yield f"{'fault':{wide}}" + "".join(f"{name:>10}" for name in names)
        for name, tally in self.tallies.items():
            if tally.runs:
                cells = ("" if cell is None else cell for cell in tally.cells().values())
                yield f"{name:{wide}}" + "".join(f"{cell:>10}" for cell in cells)
        yield ""
        yield from (f"{what:76} {count:8}" for what, count in sorted(self.counted.items()))
        if self.over_bps:
            yield f"paid beyond the foreseen, bps of notional, by plan: {sorted(self.over_bps)}"
        for plan, course in self.courses.items():
            yield from (f"to be read: {plan}", *(f"    {line}" for line in course))
        yield from (f"WRONG: {wrong}" for wrong in self.wrong)
        yield from (f"NEVER FIRED: {name}" for name in self.never_fired)


async def act_out(house: House, name: str, report: Report) -> None:
    """Let one fault strike, and take down what came of it."""
    tally = report.tallies[name]
    tally.runs += 1
    try:
        found = await ACTS[name](house)
    except BaseException:
        tally.failed += 1
        raise
    tally.fired += 1
    tally.lost += len(found.lost)
    tally.doubled += len(found.doubled)
    tally.failed += bool(found.all_wrong)
    tally.recovered_s.append(found.took_s)
    report.wrong += [f"after {name}: {wrong}" for wrong in found.all_wrong]


def deal(dice: random.Random, runs: int, names: Sequence[str]) -> Iterator[list[str]]:
    """Deal every act before any comes again."""
    deck: list[str] = []
    for _ in range(runs):
        while len(deck) < _ACTS_EACH:
            deck += dice.sample(names, len(names))
        yield deck[:_ACTS_EACH]
        del deck[:_ACTS_EACH]


class Run(NamedTuple):
    """A deployment with one book, and what strikes it."""

    pool: str
    acts: list[str]
    version: str = ""
    """Of Aave, where the book is hedged there."""

    @property
    def has_orders(self) -> bool:
        """Whether the book is hedged by orders."""
        return self.acts[0] in ORDERS

    def opened(self, place: Path, seed: int) -> AbstractAsyncContextManager[House]:
        """Start a deployment with the book on a devnet of its own."""
        if self.has_orders:
            return opened_by_orders(place, seed)
        book = partial(HedgedBook, version=self.version) if self.version else RerangedBook
        return opened(place, seed, self.pool, book=book)


def runs_of(runs: int, seed: int, names: Sequence[str]) -> Iterator[Run]:
    """Choose each run's book and acts: half of the books re-range, of the others every second is hedged by orders, as far as acts of all three are among the names."""
    drawn = {
        kind: kind(runs, seed, chosen)
        for kind, acts in _KINDS.items()
        if (chosen := [name for name in names if name in acts])
    }
    turns = [drawn[kind] for kind in (_reranged, _by_orders, _reranged, _at_aave) if kind in drawn]
    for kind in itertools.islice(itertools.cycle(turns), runs):
        yield next(kind)


def _reranged(runs: int, seed: int, names: Sequence[str]) -> Iterator[Run]:
    for number, acts in enumerate(deal(random.Random(seed), runs, names)):
        yield Run(POOLS[(seed + number) % len(POOLS)], acts)


def _by_orders(runs: int, seed: int, names: Sequence[str]) -> Iterator[Run]:
    for acts in deal(random.Random(f"{seed}/orders"), runs, names):
        yield Run(HEDGED_POOL, acts)


def _at_aave(runs: int, seed: int, names: Sequence[str]) -> Iterator[Run]:
    """Choose acts at each version of Aave before any comes again, those of each version from a deck of its own."""
    dice = random.Random(f"{seed}/versions")
    decks = {
        version: deal(random.Random(f"{seed}/legs/{version}"), runs, chosen)
        for version, legs in LEGS_AT.items()
        if (chosen := [name for name in names if name in legs])
    }
    for _ in range(runs):
        for version in dice.sample(list(decks), len(decks)):
            yield Run(HEDGED_POOL, next(decks[version]), version)


_KINDS: Mapping[Callable[[int, int, Sequence[str]], Iterator[Run]], Container[str]] = {
    _reranged: RERANGED,
    _by_orders: ORDERS,
    _at_aave: LEGS,
}
"""Books, and the acts that strike them."""


async def run_all(runs: int, seed: int, folder: Path, names: Sequence[str]) -> Report:
    """Play every run, on a fresh deployment each."""
    report = Report()
    for number, run in enumerate(runs_of(runs, seed, names)):
        began_s, wrong_before = time.monotonic(), len(report.wrong)
        say(f"run {number + 1} of {runs}")
        place = folder / f"run-{number + 1}"
        place.mkdir()
        try:
            await _play(place, seed * 1_000 + number, run, report)
        except Exception as error:  # noqa: BLE001 - the other runs go on
            say(traceback.format_exc())
            report.wrong.append(f"run {number + 1}: {type(error).__name__}: {error} (logs in {place})")
        if len(report.wrong) == wrong_before:
            shutil.rmtree(place)
        say(f"  {time.monotonic() - began_s:.0f} s")
    return report


async def _play(place: Path, seed: int, run: Run, report: Report) -> None:
    async with run.opened(place, seed) as house:
        try:
            for name in run.acts:
                say(f"  {name}")
                await act_out(house, name, report)
            if set(run.acts) - set(MARKETS):
                say("  a forger on every topic")
                await _forge(house, report, run)
        finally:
            report.counted += house.story.seen
            report.counted += house.verdicts
            report.over_bps += house.over_bps
            report.courses |= {f"run {seed}, {plan}": house.story.course[plan] for plan in _to_read(house)}
            report.counted += Counter(
                f"plan ended: {_kind(end)}" for ends in house.story.plans.values() for end in ends
            )
            report.counted += Counter(
                f"intent ended: {e}" for ends in house.story.ends.values() for e in ends
            )
            report.counted += Counter({f"deaths of {s.kind}": s.deaths for s in house.staff.values()})


def _to_read(house: House) -> list[str]:
    """List the plans that the signer's limits refused something of, and those that were stuck or worse."""
    told = house.story.course.items()
    refused = [plan for plan, course in told if any(" refused: limits" in line for line in course)]
    return list(dict.fromkeys([*refused, *house.judged_wrong]))


async def _forge(house: House, report: Report, run: Run) -> None:
    """Let a stranger write to every topic, last of all: what it leaves of the logs is of use to nobody."""
    if run.version:
        await comes_to(house, hedged=True)  # collateral and debt are what there is to be robbed of
    if isinstance(house, PerpHouse):
        await comes_to_rest(house, RATIOS[0])
    robbery = await is_robbed(house, rounds=_ROUNDS, records=_RECORDS)
    report.counted += Counter({f"forged on {kind}": count for kind, count in robbery.written.items()})
    report.counted += Counter(
        {
            "forged records": robbery.written.total(),
            "signatures while they were written": robbery.signatures,
            "forged intents within the file that were signed": robbery.forged.total(),
            "journals set aside": robbery.halted,
            "times the signer was fenced by a stranger": robbery.fenced,
        }
    )
    report.counted += Counter(
        {
            f"forged calls of the {name} that were signed": robbery.forged[contract]
            for name, contract in house.book.spenders.items()
        }
    )
    report.counted += Counter({f"forged, {answer}": n for answer, n in robbery.answers.items()})
    report.wrong += [f"signed, and not allowed by the owner's file: {wrong}" for wrong in robbery.wrong]


def _kind(outcome: AnyPlanOutcome) -> str:
    return outcome_text(outcome)[:40]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", help="Only acts whose name begins so.")
    chosen = parser.parse_args()
    register()
    names = [name for name in ACTS if name.startswith(chosen.only)]
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-chaos-sender-"))
    began_s = time.monotonic()
    report = asyncio.run(run_all(chosen.runs, chosen.seed, folder, names))
    report.wrong += report.dear
    for line in report.lines():
        say(line)
    told = {"runs": chosen.runs, "seed": chosen.seed, "took_s": round(time.monotonic() - began_s)}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(told | report.as_json(), indent=2) + "\n")
    say(f"written to {RESULT}")
    if report.wrong or report.never_fired:
        say(f"the run FAILED; logs in {folder}")
        sys.exit(1)
    folder.rmdir()
    say(
        "one effect each, no intent lost, every end right; state and outputs are those of an undisturbed fold"
    )


if __name__ == "__main__":
    main()
