"""`make chaos-backfill`: histories of quiet and busy blocks are backfilled with kills, and the results are printed as a table."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from campaign import say
from chaos_backfill.past import Built
from chaos_backfill.play import Found, Size, kills_of, play

from streams.devnet.broker import start_broker
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import start_chain
from streams.devnet.deploy import build_world
from streams.devnet.setup import prepare

RESULT = Path(__file__).parents[2] / ".evenkeel" / "chaos" / "backfill.json"
LOG = RESULT.with_suffix(".log")
MOST_BLOCKS = 4_400
"""Of one chain: anvil keeps the state of each in memory, half a megabyte each."""


def deal(quiet: int, busy: int) -> list[Size]:
    """Cut a past into as few chains as anvil's memory allows, all of nearly the same size."""
    count = max(1, -(-(quiet + busy) // MOST_BLOCKS))
    return [Size(_share(quiet, count, at), _share(busy, count, at)) for at in range(count)]


def _share(total: int, count: int, at: int) -> int:
    return total * (at + 1) // count - total * at // count


class Report(msgspec.Struct, kw_only=True):
    """All runs together."""

    seed: int
    dealt: list[Size]
    found: list[Found] = msgspec.field(default_factory=list)
    broken: list[str] = msgspec.field(default_factory=list)
    took_s: int = 0

    @property
    def wrong(self) -> list[str]:
        return [*(wrong for each in self.found for wrong in each.wrong), *self.broken]

    def lines(self) -> Iterator[str]:
        judged = [each.judged for each in self.found]
        quiet, busy = (sum(getattr(each.size, name) for each in self.found) for name in ("quiet", "busy"))
        said, compared = Counter[str](), Counter[str]()
        for each in judged:
            said += each.said
            compared += each.compared
        backfill_s = sum(each.backfill_s for each in self.found)
        yield f"{len(self.found)} pasts: {quiet:,} quiet and {busy:,} busy blocks; {kills_of(self.found)} kills, {sum(each.missed for each in self.found)} drawn too late"
        yield (
            f"held against the chain: {sum(each.blocks for each in judged):,} blocks of all shards, {sum(each.passed for each in judged):,} of them in runs, "
            f"{sum(each.logs for each in judged):,} logs; {_listed(compared)}"
        )
        yield f"said in runs as block by block: {_listed(said)}"
        yield (
            f"backfills took {backfill_s:,.0f} s with {len(self.found) + kills_of(self.found)} starts, {(quiet + busy) / max(backfill_s, 1e-9):,.0f} blocks/s; "
            f"highest memory {max((each.highest_mib for each in self.found), default=0):,.0f} MiB; all took {self.took_s:,} s"
        )
        yield from (f"WRONG: {wrong}" for wrong in self.wrong)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


async def run_all(built: Built, bootstrap: str, folder: Path, sizes: Sequence[Size], seed: int) -> Report:
    """Play every past, one after the other."""
    report, begun_s = Report(seed=seed, dealt=list(sizes)), time.monotonic()
    for place, size in enumerate(sizes):
        own = seed * 1_000 + place
        try:
            found = await play(built, bootstrap, folder / str(own), size, own)
        except Exception as error:  # noqa: BLE001 - the other runs go on
            say(traceback.format_exc())
            report.broken.append(f"seed {own}: {type(error).__name__}: {error}")
            continue
        report.found.append(found)
        report.took_s = round(time.monotonic() - begun_s)
        say(
            f"past {place + 1} of {len(sizes)}: killed behind {found.kills} blocks: {'; '.join(found.wrong) or 'well'}"
        )
    return report


def built_in(folder: Path, cache: Path) -> Built:
    """Build the world once, and keep the state of its chain on file."""
    with start_chain(folder, cache=cache) as chain:
        world = build_world(chain, cache=cache)
        chain.dump(folder / "state.json")
    return Built(world, folder / "state.json", cache)


def campaign(quiet: int, busy: int, seed: int) -> Report:
    """Start a broker, and play all pasts on it."""
    prepare(cache=DEFAULT_CACHE)
    with tempfile.TemporaryDirectory(prefix="evenkeel-chaos-backfill-") as place:
        folder = Path(place)
        built = built_in(folder / "built", DEFAULT_CACHE)
        with start_broker(folder / "broker", cache=DEFAULT_CACHE) as broker:
            return asyncio.run(run_all(built, broker.bootstrap_servers, folder, deal(quiet, busy), seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("quiet", "busy", "seed"):
        parser.add_argument(name, type=int)
    chosen = parser.parse_args()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("w") as log:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(log))
        report = campaign(chosen.quiet, chosen.busy, chosen.seed)
    for line in report.lines():
        say(line)
    RESULT.write_text(json.dumps(msgspec.to_builtins(report) | {"wrong": report.wrong}, indent=2) + "\n")
    if report.wrong or len(report.found) < len(report.dealt):
        say("the campaign FAILED")
        sys.exit(1)
    say("every past came to equal its chain, and led to what its blocks lead to one by one")


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
