"""`make chaos-rpc`: a watcher whose nodes lie, lag, limit and fail, in seeded runs, with the results as a table."""

import asyncio
import json
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import structlog
from campaign import arguments, say
from chaos_rpc.faults import FAULTS, SETUPS
from chaos_rpc.lagging import Lagged, follow_with_one_behind
from chaos_rpc.play import Act, Found, play
from chaos_rpc.watched import Ground, grounded

from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import start_chain
from streams.devnet.deploy import build_world
from streams.devnet.setup import prepare

RESULT = Path(__file__).parents[2] / ".evenkeel" / "chaos" / "rpc.json"
LOG = RESULT.with_suffix(".log")
LAGGED_BLOCKS = 1_000
_SIDE_BY_SIDE = 4
"""Watchers on one chain at a time, each with nodes of its own."""


def deal(seed: int, runs: int, only: str | None = None) -> Iterator[Act]:
    """Deal each fault in each of its setups before any comes again, and each fault once before any comes twice."""
    dice, deck = random.Random(seed), list[tuple[str, str]]()
    for place in range(runs):
        if not deck:
            deck = _shuffled(dice, [only] if only else list(FAULTS))
        yield Act(*deck.pop(0), seed * 1_000 + place)


def _shuffled(dice: random.Random, names: Sequence[str]) -> list[tuple[str, str]]:
    left = {name: dice.sample(setups := FAULTS[name].setups or tuple(SETUPS), len(setups)) for name in names}
    acts: list[tuple[str, str]] = []
    while any(left.values()):
        round_ = [name for name in dice.sample(names, len(names)) if left[name]]
        acts += [(name, left[name].pop()) for name in round_]
    return acts


class Report(msgspec.Struct, kw_only=True):
    """All runs together."""

    seed: int
    found: list[Found] = msgspec.field(default_factory=list)
    broken: list[str] = msgspec.field(default_factory=list)
    lagged: Lagged | None = None
    took_s: int = 0

    @property
    def wrong(self) -> list[str]:
        wrong = [
            f"{each.act.fault}, {each.act.setup}, seed {each.act.seed}: {what}"
            for each in self.found
            for what in each.all_wrong
        ]
        return [*wrong, *self.broken, *([] if self.lagged is None else self.lagged.wrong)]

    def lines(self) -> Iterator[str]:
        yield f"{'fault':32}{'runs':>5}{'told':>7}{'refused':>9}{'unseen':>8}{'accused':>9}{'waited':>8}{'wrong':>7}"
        for name in FAULTS:
            rows = [each for each in self.found if each.act.fault == name]
            if rows:
                yield (
                    f"{name:32}{len(rows):>5}{sum(r.told for r in rows):>7}{sum(r.refused for r in rows):>9}"
                    f"{sum(len(r.unseen) for r in rows):>8}{sum(len(r.accused) for r in rows):>9}"
                    f"{sum(r.waited for r in rows):>8}{sum(len(r.wrong) for r in rows):>7}"
                )
        unseen, accused = (sum(len(getattr(r, name)) for r in self.found) for name in ("unseen", "accused"))
        yield (
            f"{len(self.found)} runs, {sum(r.taken for r in self.found)} answers held against the chain: "
            f"{unseen} lies unseen, {accused} false accusations; {self.took_s} s"
        )
        if self.lagged is not None:
            yield self.lagged.line()
        yield from (f"WRONG: {wrong}" for wrong in self.wrong)


async def run_all(ground: Ground, acts: Sequence[Act], lagged_blocks: int, seed: int) -> Report:
    """Play every run on one chain, some side by side, then follow a chain with one node behind."""
    report, began_s = Report(seed=seed), time.monotonic()
    for at in range(0, len(acts), _SIDE_BY_SIDE):
        together = acts[at : at + _SIDE_BY_SIDE]
        try:
            report.found += await play(ground, together)
        except Exception as error:  # noqa: BLE001 - the other runs go on
            say(traceback.format_exc())
            report.broken.append(f"{together}: {type(error).__name__}: {error}")
            continue
        for found in report.found[-len(together) :]:
            say(f"{found.act.fault}, {found.act.setup}: {'; '.join(found.all_wrong) or 'well'}")
    if lagged_blocks:
        report.lagged = await follow_with_one_behind(ground, lagged_blocks, seed)
    report.took_s = round(time.monotonic() - began_s)
    return report


async def campaign(runs: int, seed: int, lagged_blocks: int, only: str | None) -> Report:
    """Start a chain with the real contracts, and run on it."""
    prepare(cache=DEFAULT_CACHE)
    with tempfile.TemporaryDirectory(prefix="evenkeel-chaos-rpc-") as place:
        folder = Path(place)
        with start_chain(folder / "chain", cache=DEFAULT_CACHE) as chain:
            world = await asyncio.to_thread(build_world, chain, cache=DEFAULT_CACHE)
            async with grounded(chain, world, folder, DEFAULT_CACHE) as ground:
                await ground.mine(20)
                return await run_all(ground, list(deal(seed, runs, only)), lagged_blocks, seed)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=list(FAULTS), help="This fault alone.")
    parser.add_argument("--lagged", type=int, default=LAGGED_BLOCKS, help="Blocks with one node behind.")
    chosen = parser.parse_args()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("w") as log:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(log))
        report = asyncio.run(campaign(chosen.runs, chosen.seed, chosen.lagged, chosen.only))
    for line in report.lines():
        say(line)
    RESULT.write_text(json.dumps(msgspec.to_builtins(report) | {"wrong": report.wrong}, indent=2) + "\n")
    if report.wrong:
        say(f"the campaign FAILED; the watchers' log is in {LOG}")
        sys.exit(1)
    say(
        "the state is the chain's, each wait has its reason, no lie was taken for true and nobody accused for nothing"
    )


if __name__ == "__main__":
    main()
