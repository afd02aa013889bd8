"""`skip`: command a shard to pass over a record that nobody can read."""

from typing import Annotated

import typer
from aiokafka import TopicPartition

from pipeline import keys
from pipeline.errors import MalformedRecordError, NewerRecordError, SettingsError
from pipeline.messages.events import PassedOver
from pipeline.units import Offset
from streams.cli.console import run, say, settings_for
from streams.cli.operate import Reason, shard_number, who
from streams.kafka.codec import decode_event
from streams.kafka.readers import Record, reading
from streams.kafka.topics import EVENTS
from streams.policy_rollout import append, appending
from streams.settings import Settings
from streams.skipped_records import digest_of, may_be_passed_over
from streams.verify import load_shard


def skip(
    shard: Annotated[str, typer.Argument(help="The halted shard: shard/N.")],
    offset: Annotated[
        int, typer.Argument(help="The offset of the record before which the shard is halted.", min=0)
    ],
    *,
    reason: Reason = "by hand",
) -> None:
    """Let a halted shard pass over a record of an unknown type; its bytes are kept as a dead letter.

    For a record of a newer Evenkeel, upgrade the workers instead: then nothing is lost.
    """
    settings = settings_for("skip")
    if not keys.shard.matches(shard):
        raise SettingsError(f"{shard} is not a shard: write shard/N")
    run(_append(settings, shard, Offset(offset), reason))


async def _append(settings: Settings, name: str, offset: Offset, reason: str) -> None:
    shard = shard_number(name, settings.partitions)
    async with reading(settings.kafka) as reader:
        record = await reader.record_at(TopicPartition(EVENTS.on(settings.chain), shard), offset)
        cursor = (await load_shard(reader, settings.chain, shard)).cursor
    if record is None:
        raise SettingsError(f"{name} has no record {offset}")
    if cursor >= offset:
        raise SettingsError(f"{name} stands at {cursor}: it has gone past record {offset} already")
    stated = _unreadable(record)
    event = PassedOver(offset=offset, digest=digest_of(record.value or b""), reason=reason, by=who())
    async with appending(settings.kafka) as producer:
        placed = await append(producer, settings.chain, shard, event)
    say(f"{name}: record {offset} ({stated}) is passed over, by offset {placed}")


def _unreadable(record: Record) -> str:
    """Return the type of a record that may be passed over. Raises: SettingsError for any other."""
    try:
        event = decode_event(record.value or b"", where=record.where)
    except MalformedRecordError as error:
        raise SettingsError(
            f"{error}: that is not a message, and the shard passes it over by itself"
        ) from None
    except NewerRecordError as error:
        if may_be_passed_over(error):
            return error.type_name
        raise SettingsError(f"{error}: what it says is said nowhere else, so it is not passed over") from None
    raise SettingsError(f"{record.where} is a {type(event).__name__}, which can be read")
