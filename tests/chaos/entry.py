"""A watcher or a worker as `evenkeel watch` and `evenkeel work` run it, with shorter timeouts."""

import asyncio
import sys

import streams.work.keepers
from streams.cli.console import settings_for
from streams.cli.running import work
from streams.watch.timing import Timing
from streams.watch.watcher import run_watch

STAND_BY_S = 20.0
HURRIED_STALL_S = 6.0
HURRIED_STAND_BY_S = 7.0
HURRIED_WATCHDOG_S = 20.0


def watch(*, hurried: bool) -> None:
    settings = settings_for("watch", serving=True)
    usual = Timing(stand_by_s=STAND_BY_S)
    timing = Timing(stall_after_s=HURRIED_STALL_S, retry_most_s=2.0, stand_by_s=HURRIED_STAND_BY_S)
    asyncio.run(
        run_watch(
            kafka=settings.kafka,
            chain_id=settings.chain,
            partitions=settings.partitions,
            rpc_urls=settings.rpc_urls,
            instance=settings.instance,
            timing=timing if hurried else usual,
            stands_by=True,
        )
    )


def main() -> None:
    kind, patience = sys.argv[1:]
    hurried = patience == "hurried"
    if kind == "watch":
        watch(hurried=hurried)
    else:
        streams.work.keepers.STALLED_S = HURRIED_WATCHDOG_S if hurried else streams.work.keepers.STALLED_S
        work()


if __name__ == "__main__":
    main()
