"""Quiet blocks per second of one worker that catches up with records of many quiet blocks and an idle book."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import cast

from builders import policy, started
from kafka_logs import entries_of, read_committed
from msgspec.structs import replace
from streams_house import House

from pipeline import keys
from pipeline.messages.entries import Head
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import TargetBand
from pipeline.units import BlockNumber, Bps, Seconds
from streams.kafka.codec import encode
from streams.kafka.topics import STATE
from streams.watch.passed_blocks import in_runs
from streams.watch.timing import Timing

REPORT_EVERY_BLOCKS = (50, 7_200)
"""A portfolio's default, and once a day where a block takes 12 s."""
_CALM = TargetBand(band_bps=Bps(9_000), hysteresis_bps=Bps(10), cooldown_s=Seconds(3_600))
"""Nothing is proposed: the book rests, but for its reports."""
_RECORD_BLOCKS = Timing().batch_blocks


def quiet_log(blocks: int) -> tuple[dict[int, list[bytes]], list[bytes], BlockNumber]:
    """Make the log before the quiet blocks, for a report interval, the quiet blocks as the watcher's records, and the last block's number."""
    before: dict[int, list[bytes]] = {}
    for report_every in REPORT_EVERY_BLOCKS:
        chain = replace(policy().chain, report_every_blocks=report_every)
        watcher = started(7, policy(strategy=_CALM, chain=chain))
        watcher.coins_change = False
        watcher.block(0)
        before[report_every] = [encode(event) for event in watcher.log]
    records: list[bytes] = []
    for first in range(0, blocks, _RECORD_BLOCKS):
        watcher.log.clear()
        for _ in range(min(_RECORD_BLOCKS, blocks - first)):
            watcher.chain.mine(0)
            watcher.tell()
        seen = [event for event in watcher.log if isinstance(event, BlockSeen)]
        assert len(seen) == len(watcher.log), "nothing but blocks"
        records += [encode(event) for event in in_runs(seen)]
    return before, records, watcher.chain.head.number


async def quiet(bootstrap: str, folder: Path, blocks: int, rounds: int) -> list[dict[str, float]]:
    """Let a worker take the same quiet blocks in, by turns, at each rate of reports: medians over the rounds."""
    before, records, last = quiet_log(blocks)
    runs: dict[int, list[tuple[float, float]]] = {each: [] for each in before}
    for _ in range(rounds):
        for report_every, first in before.items():
            runs[report_every].append(await _run(bootstrap, folder, first, records, last))
    return [
        {
            "report_every_blocks": report_every,
            "blocks": blocks,
            "bytes_per_block": round(sum(map(len, records)) / blocks),
            "blocks_per_s": round(blocks / median(took_s for took_s, _ in done)),
            "blocks_per_cpu_s": round(blocks / median(cpu_s for _, cpu_s in done)),
        }
        for report_every, done in runs.items()
    ]


async def _run(
    bootstrap: str, folder: Path, before: Sequence[bytes], records: Sequence[bytes], last: BlockNumber
) -> tuple[float, float]:
    """Return the seconds that a worker takes from the records' append to their last commit, and those of its processor."""
    async with House(bootstrap, folder) as house:
        await house.append(0, before)
        house.start("worker")
        await house.commits(0, len(before) - 1)
        begun_s, cpu_s = time.time(), house.cpu_s()
        await house.append(0, records)
        commits = await house.commits(0, len(before) + len(records) - 1)
        took = commits[-1].at_s - begun_s, house.cpu_s() - cpu_s
        house.end()
        state = entries_of(await read_committed(bootstrap, STATE.on(house.chain_id), 0))
    assert cast("Head", state[keys.HEAD]).block.number == last, "each block has been taken in"
    return took
