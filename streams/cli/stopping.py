"""`kill` and `drain`: stop acting at once, or stop in order."""

import asyncio
import time
from typing import Annotated

import typer

from pipeline.errors import InfrastructureError
from pipeline.messages.entries import Cursor
from pipeline.messages.events import Paused
from pipeline.units import ShardId
from streams.applied import append, appending
from streams.chain.submit.known import OPEN, known_intents
from streams.cli.console import run, say, settings_for
from streams.cli.operate import Reason, who
from streams.readers import Reader, reading
from streams.settings import Settings
from streams.topics import EVENTS
from streams.verify import load_shard

_LOOK_AGAIN_S = 1.0


def kill(*, reason: Reason = "kill switch") -> None:
    """Stop acting, now: nothing is proposed, commanded or signed until `resume all`. What is signed may be mined."""
    run(_pause(settings_for("kill"), reason))


def drain(
    *,
    reason: Reason = "drained",
    within_s: Annotated[int, typer.Option("--within", min=1, help="Seconds to wait at most.")] = 600,
) -> None:
    """Pause everything, then wait until no intent is open and every record is in a checkpoint: safe to stop."""
    run(_drain(settings_for("drain"), reason, within_s))


async def _pause(settings: Settings, reason: str) -> None:
    async with appending(settings.kafka) as producer:
        for shard in range(settings.partitions):
            paused = Paused(scope="all", reason=reason, by=who())
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
    known = await known_intents(reader, settings.chain)
    return [f"intent {each.intent.digest} is {each.stands}" for each in known if each.stands in OPEN]


async def _behind(reader: Reader, settings: Settings) -> list[str]:
    """Name the shards whose workers have not taken every record in."""
    behind = []
    for place in await reader.shards(EVENTS.on(settings.chain)):
        _, end = (await reader.bounds([place]))[place]
        shard = await load_shard(reader, settings.chain, ShardId(place.partition))
        cursor = shard.tables.find("cursor", Cursor)
        taken = -1 if cursor is None else cursor.offset
        if taken < end - 1:
            behind.append(f"shard {place.partition} stands at record {taken} of {end - 1}")
    return behind
