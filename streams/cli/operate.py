"""`pause` and `resume`: append an operator's command to the log."""

import getpass
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline import keys
from pipeline.errors import SettingsError
from pipeline.messages.events import Paused, Resumed
from pipeline.units import Address, ShardId
from pipeline.venues.registry import held_kinds
from streams.cli.completing import scopes
from streams.cli.console import run, say, settings_for
from streams.cli.holdings import no_such_book
from streams.kafka.readers import reading
from streams.kafka.topics import shard_of
from streams.policy_rollout import append, appending, policies_in_force
from streams.present_books import shards_now
from streams.settings import Settings
from streams.submit.stop_file import remove_stop_file, stop_file_of

_ADDRESS = Address("0x[0-9a-f]{40}")
_ITEMS = {
    keys.pool.family: re.compile(keys.pool(_ADDRESS)),
    keys.position.family: re.compile(keys.position.under(_ADDRESS) + "/(0|[1-9][0-9]{0,77})"),
    keys.balance.family: re.compile(keys.balance(_ADDRESS, _ADDRESS)),
}
"""How the items are written that people write out of an address and a number. Other venues' items are taken as the screens name them."""

Reason = Annotated[str, typer.Option("--reason", help="The reason, for readers of the log.")]


def confirm(question: str, refusal: str, *, yes: bool) -> None:
    """Ask the operator before something is done, unless `yes`. Raises: SettingsError saying the refusal where nobody is at a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(refusal)
    typer.confirm(question, abort=True, err=True)


def pause(
    scope: Annotated[str, typer.Argument(help="all, or book/ID.", autocompletion=scopes)] = keys.ALL,
    *,
    reason: Reason = "by hand",
) -> None:
    """Stop decisions for a book, or for all, until resumed. The chain is still followed."""
    settings = settings_for("pause")
    if scope != keys.ALL and not keys.book.matches(scope):
        raise SettingsError(f"{scope} cannot be paused: all, or book/ID")
    run(_append(settings, scope, Paused(scope=scope, reason=reason, by=who())))


def resume(
    scope: Annotated[
        str,
        typer.Argument(
            help="all, book/ID, shard/N after a halt, or an item in quarantine, as `evenkeel inventory` names it: "
            "pool/P, position/M/ID, balance/ACCOUNT/TOKEN, or an item of another venue.",
            autocompletion=scopes,
        ),
    ] = keys.ALL,
    *,
    reason: Reason = "by hand",
    local: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Remove the stop file of this signer's file, and do nothing else."),
    ] = None,
) -> None:
    """End a pause, a quarantine or a halt. What was in quarantine or halted is read from the chain again."""
    if local:
        _resume_here(local)
        return
    settings = settings_for("resume")
    scope = scope if keys.book.matches(scope) else scope.lower()
    if scope != keys.ALL and _kind(scope) not in {keys.book.family, keys.shard.family, *held_kinds()}:
        items = "pool/P, position/M/ID, balance/ACCOUNT/TOKEN or another venue's item"
        raise SettingsError(f"{scope} cannot be resumed: all, book/ID, shard/N, {items}")
    if _kind(scope) in _ITEMS and not _ITEMS[_kind(scope)].fullmatch(scope):
        raise SettingsError(
            f"{scope} is not the name of an item: write pool/P, position/M/ID or balance/ACCOUNT/TOKEN"
        )
    told = keys.SHARD if keys.shard.matches(scope) else scope
    run(_append(settings, scope, Resumed(scope=told, reason=reason, by=who())))


def _resume_here(signer_files: Sequence[Path]) -> None:
    for signer_file in signer_files:
        path = stop_file_of(signer_file, say)
        say(
            f"{path} is removed"
            if remove_stop_file(path)
            else f"{path} is not there: nothing was stopped by it"
        )


async def _append(settings: Settings, scope: str, event: Paused | Resumed) -> None:
    shards = await _shards(settings, scope)
    async with appending(settings.kafka) as producer:
        for shard in shards:
            offset = await append(producer, settings.chain, shard, event)
            say(f"{type(event).__name__} {scope}: shard {shard}, offset {offset}")


async def _shards(settings: Settings, scope: str) -> list[ShardId]:
    """Name the shards that a scope concerns: a book's own, those that follow an item, else all of them."""
    if keys.shard.matches(scope):
        return [shard_number(scope, settings.partitions)]
    if _kind(scope) in held_kinds():
        return await _followers(settings, scope)
    if not keys.book.matches(scope):
        return [ShardId(shard) for shard in range(settings.partitions)]
    book = keys.book.parse(scope)[0]
    async with reading(settings.kafka) as reader:
        books = await policies_in_force(reader, settings.chain)
    if book not in books:
        raise SettingsError(no_such_book(book, books))
    return [shard_of(book, settings.partitions)]


async def _followers(settings: Settings, item: str) -> list[ShardId]:
    """Find the shards that follow an item or hold it in quarantine. Raises: SettingsError where none does."""
    async with reading(settings.kafka) as reader:
        shards = await shards_now(reader, settings.chain, settings.partitions)
    held_under = (keys.route(item), keys.quarantine(item), keys.checked(item))
    found = [
        each.shard.id for each in shards if any(key in each.shard.tables.entries() for key in held_under)
    ]
    if not found:
        raise SettingsError(
            f"no shard follows {item}: nothing to resume (`evenkeel inventory` names what is held)"
        )
    return found


def shard_number(scope: str, partitions: int) -> ShardId:
    """Take the number out of shard/N. Raises: SettingsError."""
    name = keys.item_of(scope)
    if not name.isdigit() or int(name) >= partitions:
        raise SettingsError(f"{scope} is not a shard: 0 to {partitions - 1}")
    return ShardId(int(name))


def _kind(scope: str) -> str:
    return keys.family(scope) if keys.item_of(scope) else ""


def who() -> str:
    """Name who gives an operator's word."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
