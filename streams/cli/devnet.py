"""`devnet up | status | down`: run a real broker and a real chain on this machine."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pipeline.errors import SettingsError
from streams.cli.command_groups import Group
from streams.cli.console import AsJson, print_json, print_table, say, settings_for
from streams.run_folder import DEVNET_FOLDER, broker_in
from streams.settings import Settings

devnet = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    help="Run a broker and a chain for tests on this machine.",
    add_completion=False,
    no_args_is_help=True,
)


@devnet.command()
def up(
    *,
    block_s: Annotated[
        float, typer.Option("--block-time", min=0.0, help="The time between blocks, in seconds.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same chain, block for block.")] = 0,
    flow: Annotated[
        bool, typer.Option("--flow/--no-flow", help="With traders and providers, or with empty blocks.")
    ] = True,
) -> None:
    """Start a broker and a chain with a world on it, mine, and end both on Ctrl-C."""
    settings = settings_for("devnet")
    if broker_in(settings.folder) is not None:
        raise SettingsError(
            f"{settings.folder} has the broker of a real chain: name another folder by EVENKEEL_FOLDER"
        )
    from streams.cli.devnet_run import keep_devnet  # noqa: PLC0415 - takes its time

    keep_devnet(folder_of(settings), cache_of(settings), seed=seed, block_s=block_s, with_flow=flow, say=say)


@devnet.command()
def status(*, as_json: AsJson = False) -> None:
    """Show what runs where. Exits with 1 if a part has ended or hangs."""
    settings = settings_for("devnet")
    from streams.devnet import net  # noqa: PLC0415 - takes its time

    parts = net.status(folder_of(settings))
    if as_json:
        for part in parts:
            print_json(msgspec.json.encode({**msgspec.to_builtins(part), "pid": str(part.pid)}))
    elif parts:
        rows = [(p.name, p.state, p.where, str(p.pid), p.note) for p in parts]
        print_table("devnet", ["part", "state", "where", ">pid", "note"], rows)
    else:
        say(f"no devnet in {folder_of(settings)}: evenkeel devnet up")
    if not parts or not all(part.is_running and part.answers for part in parts):
        raise typer.Exit(1)


@devnet.command()
def down() -> None:
    """End the devnet that runs in this folder."""
    settings = settings_for("devnet")
    from streams.devnet import net  # noqa: PLC0415 - takes its time

    done = net.down(folder_of(settings))
    if done is None or not (done.ended or done.remaining):
        say(f"no devnet runs in {folder_of(settings)}")
        return
    for name in done.killed:
        say(f"{name} hung: it did not end by itself and was killed")
    for keeper in done.remaining:
        say(f"`evenkeel devnet up` (process {keeper.pid}) hangs: it has not noticed, and is left as it is")
    say(f"ended: {', '.join(done.ended) or 'nothing'}")
    if done.remaining:
        raise typer.Exit(1)


def folder_of(settings: Settings) -> Path:
    """Where the run's devnet keeps its files."""
    return settings.folder / DEVNET_FOLDER


def cache_of(settings: Settings) -> Path:
    """Where its downloads are kept."""
    from streams.devnet.cache import DEFAULT_CACHE  # noqa: PLC0415 - with the rest of the devnet

    return settings.cache or DEFAULT_CACHE
