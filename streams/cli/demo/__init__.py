"""`demo`: run the whole system on this machine, with faults, and a verdict at the end.

stage -> story (faults, reorg) -> checks (each decision, at its block) -> verdict (everything, at the end)
"""

import asyncio
import shutil
import time
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from pipeline.errors import DevnetError
from pipeline.units import ChainId
from streams.cli.console import print_table, run, say
from streams.cli.demo import hedged
from streams.cli.demo.checks import Checks
from streams.cli.demo.screen import Screen
from streams.cli.demo.second_opinion import HEDGE_TRIGGERS
from streams.cli.demo.stage import LIVE_BOOK, Stage, staged
from streams.cli.demo.story import BEFORE, Story, Told
from streams.cli.demo.verdict import judge
from streams.cli.demo.witness import Witness, witnessing
from streams.devnet.cache import DEFAULT_CACHE
from streams.kafka.topics import ensure_topics
from streams.settings import DEFAULT_FOLDER, DEFAULT_PARTITIONS
from streams.telemetry import configure_log
from streams.verify import Verdict

_READY_S = 180.0
_RERANGE_TRIGGERS = frozenset({"share_outside_band", "out_of_range"})
_LEAST_GAIN = 3
"""So much less the hedged book's equity must move from block to block than its twin's."""


def demo(
    seed: Annotated[int, typer.Option(help="Of the order flow: the same seed, the same prices.")] = 3,
    folder: Annotated[Path, typer.Option(help="Where the run keeps its files.")] = DEFAULT_FOLDER / "demo",
    cache: Annotated[Path, typer.Option(help="Where downloads are kept.")] = DEFAULT_CACHE,
) -> None:
    """Run 200 blocks on a broker and a chain of this machine, with faults on the way, and judge the result."""
    configure_log(level="warning")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun_s = time.monotonic()
    with staged(folder.resolve(), cache, seed, say) as stage:
        story, checks, verdict = run(_play(stage))
    _print(story, checks, verdict, time.monotonic() - begun_s, folder)
    raise typer.Exit(1 if _failures(story, checks, verdict) else 0)


async def _play(stage: Stage) -> tuple[Told, Checks, Verdict]:
    say(f"{BEFORE} blocks of order flow before Evenkeel starts")
    for _ in range(BEFORE):
        stage.devnet.flow.block()
    kafka, chain_id = stage.devnet.kafka, ChainId(stage.world.chain_id)
    await ensure_topics(kafka, chain_id, DEFAULT_PARTITIONS)
    stage.live = frozenset({LIVE_BOOK, hedged.BOOK})
    stage.start_up(stage.write_portfolio())
    for book in sorted(stage.live):
        stage.start_submit(book)
    async with witnessing(kafka, chain_id) as witness:
        with Screen() as screen:
            screen.say("evenkeel up: a watcher and a worker; the books are read from the chain")
            await _ready(stage, witness)
            checks = Checks(stage)
            story = Story(stage, witness, checks, screen)
            await story.run()
            screen.say("the story is over: comparing everything")
        stage.stop_up()
        return story.told, checks, await judge(stage, kafka, DEFAULT_PARTITIONS)


async def _ready(stage: Stage, witness: Witness) -> None:
    """Wait until both shards stand somewhere. Raises: DevnetError."""
    ready = asyncio.ensure_future(
        witness.until(lambda: len(witness.heads) == len(stage.shards(DEFAULT_PARTITIONS)), _READY_S)
    )
    while not ready.done():
        await asyncio.sleep(0.1)
        if stage.up is not None and stage.up.poll() is not None:
            ready.cancel()
            raise DevnetError(f"`evenkeel up` has ended: see {stage.folder / 'up.log'}")
    if not ready.result():
        raise DevnetError(f"the books were not read within {_READY_S:.0f} s: see {stage.folder / 'up.log'}")


def _failures(told: Told, checks: Checks, verdict: Verdict) -> list[str]:
    """List every reason why the demo has failed."""
    proposals = sum(checks.checked[trigger] for trigger in _RERANGE_TRIGGERS)
    declines = len(checks.checked.keys() - _RERANGE_TRIGGERS - HEDGE_TRIGGERS)
    failures = [*checks.objections, *verdict.wrong]
    if proposals < 2:
        failures.append(f"only {proposals} proposals")
    if declines < 2:
        failures.append(f"only {declines} kinds of refusal")
    if len(told.done) < 2:
        failures.append(f"only {len(told.done)} rebalances mined")
    failures += _failures_of_the_hedge(told)
    failures += [f"an allowance of {n} is left: {what}" for what, n in told.allowances.items() if n]
    failures += [f"a dry-run is {each}" for each in _strange_dry_runs(told)]
    if not any(_brings_nearer(each) for each in told.dry_runs):
        failures.append("no dry-run that was done brought its book nearer to its target")
    if told.untried:
        failures.append(f"{told.untried} proposals were not tried")
    if not told.branch_proposals:
        failures.append("no proposal on the branch that went away")
    return failures


def _failures_of_the_hedge(told: Told) -> list[str]:
    if not told.hedged:
        return ["no plan of the hedge was carried out"]
    if not told.pair.is_enough:
        return [f"the hedged book was compared with its twin at {len(told.pair.at)} blocks only"]
    if told.pair.spread("hedged") * _LEAST_GAIN > told.pair.spread("twin"):
        return [f"the hedged book's equity moves more than 1/{_LEAST_GAIN} of its twin's"]
    if told.unwound is None or not told.unwound.before.owed_weth:
        return ["there was no hedge to end"]
    return [f"`evenkeel unwind` leaves {amount} {what}" for what, amount in told.unwound.after.left.items()]


def _brings_nearer(dry_run: dict[str, Any]) -> bool:
    if dry_run["outcome"] != "done":
        return False
    before, after = (abs(int(dry_run[when]["deviation_bps"])) for when in ("before", "after"))
    return after < before


def _strange_dry_runs(told: Told) -> list[str]:
    """List dry-runs that came to something which nothing in the story explains."""
    return [
        f"{each['outcome']}: {each['reason']}"
        for each in told.dry_runs
        if each["outcome"] in {"failed", "too_old"}
        or (each["outcome"] == "done" and not each["new_positions"])
    ]


def _dry_run_rows(told: Told) -> list[tuple[str, str]]:
    outcomes = Counter(each["outcome"] for each in told.dry_runs)
    rows = [(f"dry-runs on forks: {outcome}", str(n)) for outcome, n in sorted(outcomes.items())]
    done = [each for each in told.dry_runs if each["outcome"] == "done"]
    for when in ("before", "after"):
        apart = [abs(int(each[when]["deviation_bps"])) for each in done]
        rows.append((f"mean distance from target {when} dry-runs", f"{fmean(apart or [0]) / 100:.2f} %"))
    return rows


def _print(told: Told, checks: Checks, verdict: Verdict, took_s: float, folder: Path) -> None:
    rows = [("compared with the chain and the fold: " + what, str(n)) for what, n in verdict.compared.items()]
    rows += [(f"recomputed from the chain alone: {kind}", str(n)) for kind, n in checks.checked.items()]
    rows += [(f"views held against the chain: {book}", str(n)) for book, n in checks.views.items()]
    rows += [(f"recovery: {rule}", str(n)) for rule, n in sorted(verdict.rules.items())]
    rows += [(f"recovery: kill -9 of {what}", "1") for what in told.killed]
    rows += [("proposals on the branch that went away", str(told.branch_proposals))]
    rows += [("rebalances mined", str(len(told.done))), ("plans of the hedge mined", str(len(told.hedged)))]
    rows += [
        (f"mean distance from target, {who}", f"{fmean(apart or [0]) / 100:.2f} %")
        for who, apart in (
            (f"{LIVE_BOOK}, which acts", told.live_deviation_bps),
            ("the same first ranges, left alone", told.control_deviation_bps),
        )
    ]
    rows += _dry_run_rows(told)
    print_table(f"{took_s:.0f} s", ["what", ">how often"], rows)
    if told.pair.is_enough:
        print_table(f"{len(told.pair.at)} blocks", ["what", ">hedged", ">its twin"], told.pair.rows())
    if told.unwound is not None:
        print_table(told.unwound.title(), ["what", ">before", ">after"], told.unwound.rows())
    failures = _failures(told, checks, verdict)
    for failure in failures:
        say(f"WRONG: {failure}")
    if failures:
        say(f"the demo FAILED: {len(failures)} differences; logs in {folder}")
        return
    say("everything equals the chain, and every decision equals an undisturbed fold of the log.")
    say("next: `evenkeel devnet up` in one terminal; in another: evenkeel init, evenkeel up portfolio.yaml,")
    say("      then evenkeel inventory, evenkeel positions, evenkeel topics tail decisions, evenkeel why ID.")
