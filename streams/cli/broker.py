"""`broker up | status | down`: run a Kafka broker on this machine for a real chain."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pipeline.errors import SettingsError
from streams.cli.command_groups import Group
from streams.cli.console import AsJson, print_json, print_table, say, settings_for
from streams.cli.devnet import cache_of
from streams.run_folder import BROKER_FOLDER, devnet_in
from streams.settings import Settings

broker = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    help="Run a broker for a real chain on this machine; its data are kept.",
    add_completion=False,
    no_args_is_help=True,
)


@broker.command()
def up(
    *,
    port: Annotated[
        int | None,
        typer.Option(
            help="The port on 127.0.0.1; by default 9092 at the first start, later the former one.",
            min=1,
            max=65_535,
        ),
    ] = None,
) -> None:
    """Start a broker and leave it running, with the data of the times before. Where one runs already, say so."""
    settings = settings_for("broker")
    if devnet_in(settings.folder) is not None:
        raise SettingsError(
            f"a devnet is in {settings.folder}: `evenkeel devnet down`, or name another folder by EVENKEEL_FOLDER"
        )
    from streams.devnet import kept_broker  # noqa: PLC0415 - takes its time

    now = kept_broker.up(folder_of(settings), port=port, cache=cache_of(settings), say=say)
    say(f"{now.bootstrap_servers} serves (process {now.pid}); its data are in {now.data}")
    if settings.broker not in {None, now.bootstrap_servers}:
        say(f"EVENKEEL_BROKER or evenkeel.yaml names another one, {settings.broker}: that is what counts")
    say("commands in this folder find it by themselves. `evenkeel broker down` ends it")


@broker.command()
def status(*, as_json: AsJson = False) -> None:
    """Show whether it runs, where, and what its data take. Exits with 1 if it does not serve."""
    settings = settings_for("broker")
    from streams.devnet import kept_broker  # noqa: PLC0415 - takes its time

    now = kept_broker.status(folder_of(settings))
    if now is None:
        say(f"no broker in {settings.folder}: evenkeel broker up")
        raise typer.Exit(1)
    pid = "-" if now.pid is None or not now.is_running else str(now.pid)
    if as_json:
        shown = {
            **msgspec.to_builtins(now),
            "pid": pid,
            "data_bytes": str(now.data_bytes),
            "state": now.state,
        }
        print_json(msgspec.json.encode(shown))
    else:
        columns = ["state", "where", ">pid", "Kafka", ">on disk", "data"]
        row = (now.state, now.bootstrap_servers, pid, now.kafka, f"{now.data_bytes // 10**6:,} MB", now.data)
        print_table("broker", columns, [row])
    if not now.answers:
        raise typer.Exit(1)


@broker.command()
def down() -> None:
    """End the broker of this folder; its data stay."""
    settings = settings_for("broker")
    from streams.devnet import kept_broker  # noqa: PLC0415 - takes its time

    ended = kept_broker.down(folder_of(settings))
    if ended is None:
        say(f"no broker runs in {settings.folder}")
    elif ended:
        say("the broker has ended; its data stay")
    else:
        say("the broker hung and was killed; its data stay, and are checked at the next start")


def folder_of(settings: Settings) -> Path:
    """Where the run's own broker keeps its files."""
    return settings.folder / BROKER_FOLDER
