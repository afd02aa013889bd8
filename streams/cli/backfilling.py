"""`backfill`: follow the chain from a past block to its head."""

import sys
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text

from pipeline.errors import SettingsError
from pipeline.units import BlockNumber, ShardId
from streams.cli.chain_code import check_contracts
from streams.cli.console import HIGHEST_BLOCK, run, say, settings_for
from streams.cli.portfolios import DEFAULT_FILE
from streams.watch.backfill import Reached, run_backfill


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} blocks/s")


class _Bar:
    """Shows on a terminal how far it has come, how fast, and how long it will take; elsewhere nothing."""

    def __init__(self, first_block: BlockNumber) -> None:
        self._first = first_block
        columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        self.progress = Progress(*columns, disable=not sys.stderr.isatty())
        self._task = self.progress.add_task("blocks", total=None)
        self.reached: Reached | None = None

    def tell(self, reached: Reached) -> None:
        self.reached = reached
        if reached.lowest is not None and reached.newest is not None:
            self.progress.update(
                self._task, total=reached.newest - self._first, completed=reached.lowest - self._first
            )


def backfill(
    from_block: Annotated[
        int,
        typer.Option(
            "--from", min=0, max=HIGHEST_BLOCK, help="The block at which books without blocks begin."
        ),
    ],
) -> None:
    """Write the blocks from a past block to the head for new books, then end; `evenkeel watch` goes on without a gap.

    The node must have the state after that block. If it is ended in the middle, the same command continues there.
    """
    settings = settings_for("backfill")
    first_block = BlockNumber(from_block)
    bar = _Bar(first_block)

    async def checked_backfill() -> dict[ShardId, str]:
        await check_contracts(settings, DEFAULT_FILE)
        return await run_backfill(
            kafka=settings.kafka,
            chain_id=settings.chain,
            partitions=settings.partitions,
            rpc_urls=settings.rpc_urls,
            rpc_quorum=settings.quorum,
            rpc_limits=settings.rpc_limits,
            instance=settings.instance,
            first_block=first_block,
            tell=bar.tell,
        )

    with bar.progress:
        halted = run(checked_backfill())
    if halted:
        raise SettingsError("; ".join(f"shard {shard} is {why}" for shard, why in sorted(halted.items())))
    if bar.reached is None or not bar.reached.is_up:
        say("ended before the chain's head: the same command goes on from there")
        raise typer.Exit(1)
    say(f"up with the chain at block {bar.reached.newest}: `evenkeel watch` goes on from there")
