"""A watcher or a worker as `evenkeel watch` and `evenkeel work` run it, only sooner out of patience."""

import asyncio
import sys

import streams.keepers
from streams.chain.pace import Pace
from streams.chain.watch import run_watch
from streams.cli.console import settings_for
from streams.cli.running import work

HURRIED_STALL_S = 6.0
HURRIED_WATCHDOG_S = 20.0


def watch() -> None:
    settings = settings_for("watch", serving=True)
    pace = Pace(stall_after_s=HURRIED_STALL_S, retry_most_s=2.0)
    asyncio.run(
        run_watch(
            bootstrap=settings.bootstrap,
            chain_id=settings.chain,
            partitions=settings.partitions,
            rpc_url=settings.rpc_urls[0],
            instance=settings.instance,
            pace=pace,
        )
    )


if __name__ == "__main__":
    streams.keepers.STALLED_S = HURRIED_WATCHDOG_S
    {"watch": watch, "work": work}[sys.argv[1]]()
