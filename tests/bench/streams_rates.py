"""Logs per second of one worker and of a bare loop, by turns, on the same log."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from streams_house import Commit, House, Kind
from streams_loads import Load, load_of

BLOCKS = {1: 6_000, 10: 4_000, 100: 800, 400: 300}
"""So many blocks by logs a block: a few seconds' work each, and too much for one commit."""
_WARM_SHARE = 0.1


class Run(NamedTuple):
    """One process, from its start to the log's end."""

    logs_per_s: float
    blocks_per_s: float
    """From the process's start, its opening of the shard and its place in the group included."""
    records_per_commit: float
    cpu_us_per_log: float
    """Of the process alone: what others do on the machine hardly moves it."""


async def rate_of(kind: Kind, load: Load, bootstrap: str, folder: Path) -> tuple[Run, str]:
    """Let a process fold an existing log, and return its rate with a digest of outputs and state."""
    async with House(bootstrap, folder) as house:
        await house.append(0, load.records)
        begun_s = time.time()
        house.start(kind)
        commits = await house.commits(0, len(load.records) - 1)
        house.end()
        return _run(load, commits, begun_s), await house.digest(0)


def _run(load: Load, commits: Sequence[Commit], begun_s: float) -> Run:
    """Count from the first commit after the warm-up to the last."""
    first = next(i for i, c in enumerate(commits) if c.offset >= len(load.records) * _WARM_SHARE)
    warm, last = commits[first], commits[-1]
    blocks = last.offset - warm.offset
    return Run(
        logs_per_s=blocks * load.swaps_per_block / (last.at_s - warm.at_s),
        blocks_per_s=load.blocks / (last.at_s - begun_s),
        records_per_commit=blocks / (len(commits) - 1 - first),
        cpu_us_per_log=1e6 * (last.cpu_s - warm.cpu_s) / (blocks * load.swaps_per_block),
    )


async def rates(bootstrap: str, folder: Path, rounds: int) -> list[dict[str, float]]:
    """Compare at each number of logs a record: medians over the rounds, and the bare loop's spread."""
    return [await _compare(load_of(n, blocks), bootstrap, folder, rounds) for n, blocks in BLOCKS.items()]


async def _compare(load: Load, bootstrap: str, folder: Path, rounds: int) -> dict[str, float]:
    runs: dict[Kind, list[Run]] = {"worker": [], "bare": []}
    digests = set()
    for _ in range(rounds):
        for kind, done in runs.items():
            run, digest = await rate_of(kind, load, bootstrap, folder)
            done.append(run)
            digests.add(digest)
    assert len(digests) == 1, "the worker and the bare loop do not say the same"
    worker, bare = ([run.logs_per_s for run in runs[kind]] for kind in ("worker", "bare"))
    worker_us, bare_us = ([run.cpu_us_per_log for run in runs[kind]] for kind in ("worker", "bare"))
    return {
        "logs_per_record": load.swaps_per_block,
        "blocks": load.blocks,
        "bytes_per_record": round(load.mean_bytes),
        "several_steps_share": round(load.several_steps_share, 4),
        "worker_logs_per_s": round(median(worker)),
        "bare_logs_per_s": round(median(bare)),
        "ratio": round(median(worker) / median(bare), 3),
        "bare_spread": round((max(bare) - min(bare)) / median(bare), 3),
        "worker_cpu_us_per_log": round(median(worker_us), 1),
        "bare_cpu_us_per_log": round(median(bare_us), 1),
        "cpu_ratio": round(median(bare_us) / median(worker_us), 3),
        "worker_blocks_per_s_with_start": round(median(run.blocks_per_s for run in runs["worker"]), 1),
        "worker_records_per_commit": round(median(run.records_per_commit for run in runs["worker"]), 1),
        "bare_records_per_commit": round(median(run.records_per_commit for run in runs["bare"]), 1),
    }
