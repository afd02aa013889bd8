"""`kill` and `drain`: stop acting at once, or stop in order."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline import keys
from pipeline.errors import InfrastructureError, SettingsError
from pipeline.messages.events import Paused
from pipeline.units import ShardId
from streams.cli.console import run, say, settings_for
from streams.cli.operate import Reason, who
from streams.kafka.readers import Reader, reading
from streams.kafka.topics import EVENTS
from streams.policy_rollout import append, appending
from streams.settings import Settings
from streams.submit.intent_status import OPEN, intent_statuses, read_journals
from streams.submit.stop_file import put_stop_file, stop_file_of
from streams.verify import load_shard

_LOOK_AGAIN_S = 1.0


def kill(
    *,
    reason: Reason = "kill switch",
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Also cancel signed transactions that are not mined.")
    ] = False,
    local: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Stop the signer of this file by its stop file, on its own machine and without a broker.",
        ),
    ] = None,
) -> None:
    """Stop acting at once: nothing is proposed, submitted or signed until `resume`. What is signed may be mined."""
    if local:
        _kill_here(local, reason, cancels=cancel)
        return
    settings = settings_for("kill")
    run(_pause(settings, reason, cancels=cancel))
    if cancel:
        run(_say_what_is_cancelled(settings))


def _kill_here(signer_files: Sequence[Path], reason: str, *, cancels: bool) -> None:
    for signer_file in signer_files:
        path = stop_file_of(signer_file, say)
        put_stop_file(path, cancels=cancels, reason=f"{reason} ({who()})")
        waits = "what waits is cancelled" if cancels else "what is signed may be mined"
        say(f"{path} exists: nothing new is signed, {waits}; `evenkeel resume --local {signer_file}` ends it")
    missing = [signer_file for signer_file in signer_files if not signer_file.exists()]
    if missing:
        raise SettingsError(
            f"there is no {', '.join(map(str, missing))}: if its name is wrong, its signer has not been stopped"
        )


async def _say_what_is_cancelled(settings: Settings) -> None:
    """Name what has been signed and no block has, as the journals tell it: the signers that run cancel it now."""
    async with reading(settings.kafka) as reader:
        known = await intent_statuses(reader, settings.chain)
    for each in known:
        if each.stands in {"signed", "sent"}:
            nonce = "" if each.bound is None else f", nonce {each.bound.nonce}"
            say(f"to be cancelled: intent {each.intent.digest} of book {each.intent.book}{nonce}")
    say("a running signer cancels it at its next look: `evenkeel intents list --open` shows how far it is")


def drain(
    *,
    reason: Reason = "drained",
    within_s: Annotated[
        int, typer.Option("--within", min=1, help="The longest time to wait, in seconds.")
    ] = 600,
) -> None:
    """Pause everything, then wait until no intent is open and every record is processed: safe to stop."""
    run(_drain(settings_for("drain"), reason, within_s))


async def _pause(settings: Settings, reason: str, *, cancels: bool = False) -> None:
    async with appending(settings.kafka) as producer:
        for shard in range(settings.partitions):
            paused = Paused(scope=keys.ALL, reason=reason, by=who(), cancels=cancels)
            await append(producer, settings.chain, ShardId(shard), paused)
    say("paused: all. `evenkeel resume all` ends it")


async def _drain(settings: Settings, reason: str, within_s: int) -> None:
    await _pause(settings, reason)
    until_s = time.monotonic() + within_s
    async with reading(settings.kafka) as reader:
        while left := [*await _open_intents(reader, settings), *await _behind(reader, settings)]:
            if time.monotonic() > until_s:
                raise InfrastructureError(f"after {within_s} s: {'; '.join(left)}")
            await asyncio.sleep(_LOOK_AGAIN_S)
    say("drained: no intent is open, every record is in a checkpoint")


async def _open_intents(reader: Reader, settings: Settings) -> list[str]:
    journals = await read_journals(reader, settings.chain)
    known = await intent_statuses(reader, settings.chain, journals=journals)
    still_open = [f"intent {each.intent.digest} is {each.stands}" for each in known if each.stands in OPEN]
    signers = {each.intent.signer for each in known}
    hidden = [f"what became of it cannot be read: {e}" for e in journals.unreadable if e.signer in signers]
    return still_open + hidden


async def _behind(reader: Reader, settings: Settings) -> list[str]:
    """Name the shards whose workers have not taken every record in."""
    behind = []
    for place in await reader.shards(EVENTS.on(settings.chain)):
        _, end = (await reader.bounds([place]))[place]
        shard = await load_shard(reader, settings.chain, ShardId(place.partition))
        if shard.cursor < end - 1:
            behind.append(f"shard {place.partition} stands at record {shard.cursor} of {end - 1}")
    return behind
