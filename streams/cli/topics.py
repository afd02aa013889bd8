"""`topics list | tail | acls`: what lies on the broker, as it was committed."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from pipeline.errors import TopicError
from streams.cli.acls import acls
from streams.cli.console import AsJson, out, print_json, print_table, run, settings_for
from streams.human import short
from streams.marks import did_you_mean
from streams.plain_text import one_line
from streams.readers import Record, reading
from streams.settings import Settings
from streams.topics import TOPICS, Topic

topics = typer.Typer(help="Look at the topics.", add_completion=False, no_args_is_help=True)

_UNSAID = frozenset({"version", "because_of", "policy_version"})


topics.command(name="acls")(acls)


@topics.command(name="list")
def list_topics(*, as_json: AsJson = False) -> None:
    """List the topics: what each holds, how much, and how long it is kept."""
    settings = settings_for("topics")
    rows = run(_counts(settings))
    if as_json:
        for topic, counts in rows:
            print_json(json.dumps({"topic": topic.on(settings.chain), "records": [str(n) for n in counts]}))
        return
    print_table(
        f"chain {settings.chain}",
        ["topic", "keyed by", "kept", ">offsets by shard"],
        [(t.name, t.key, t.kept["cleanup.policy"], " ".join(map(str, counts)) or "-") for t, counts in rows],
    )


async def _counts(settings: Settings) -> list[tuple[Topic, list[int]]]:
    found = []
    async with reading(settings.kafka) as reader:
        for topic in TOPICS.values():
            bounds = await reader.bounds(await reader.shards(topic.on(settings.chain)))
            found.append((topic, [end - begin for begin, end in bounds.values()]))
    return found


@topics.command()
def tail(
    topic: Annotated[
        str, typer.Argument(help="Its name, with or without the .v1: events, decisions, positions, ...")
    ],
    *,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest record.")
    ] = False,
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, help="Begin with so many of each shard's last records.")
    ] = 10,
    shard: Annotated[int | None, typer.Option(help="Only this shard.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f", help="Wait for more, until Ctrl-C.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Print a topic's records as they are committed."""
    settings = settings_for("topics")
    count = None if from_beginning else last
    run(_tail(settings, topic_named(topic), shard, count, follow=follow, as_json=as_json))


def topic_named(name: str) -> Topic:
    """Find a topic by name. Raises: TopicError with the nearest."""
    for candidate in (name, f"{name}.v1", name.partition(".")[2]):
        if candidate in TOPICS:
            return TOPICS[candidate]
    raise TopicError(f"there is no topic {name}{did_you_mean(name, [t.removesuffix('.v1') for t in TOPICS])}")


async def _tail(
    settings: Settings, topic: Topic, shard: int | None, last: int | None, *, follow: bool, as_json: bool
) -> None:
    async with reading(settings.kafka) as reader:
        shards = await reader.shards(topic.on(settings.chain), None if shard is None else [shard])
        bounds = await reader.bounds(shards)
        starts = {part: begin if last is None else end for part, (begin, end) in bounds.items()}
        if last:
            before = [record for part in shards for record in await reader.last(part, last)]
            for record in sorted(before, key=lambda record: record.timestamp_ms):
                print_record(record, as_json=as_json)
        async for record in reader.follow(starts) if follow else reader.read(starts):
            print_record(record, as_json=as_json)


def print_record(record: Record, *, as_json: bool) -> None:
    """Print a record: where it stands, and its value as it is on the wire or in short."""
    key = None if record.key is None else record.key.decode(errors="replace")
    if as_json:
        place = json.dumps(
            {"topic": record.topic, "shard": str(record.shard), "offset": str(record.offset), "key": key}
        )
        print_json(f'{place[:-1]}, "value": {_value(record.value)}}}')
        return
    when = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).strftime("%H:%M:%S")
    line = Text.assemble(
        (f"{when} {record.shard}@{record.offset} ", "dim"), one_line(_summary(key, record.value))
    )
    out().print(line, soft_wrap=True)


def _summary(key: str | None, value: bytes | None) -> str:
    """Say in a line what a record holds."""
    if value is None:
        return f"{key}: gone"
    try:
        fields = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{key or ''} no JSON, {len(value)} bytes"
    if not isinstance(fields, dict):
        return f"{key or ''} {json.dumps(fields)}"
    kind = fields.pop("type", None) or key or "record"
    parts = [_part(name, item) for name, item in fields.items() if name not in _UNSAID]
    return " ".join([kind, *filter(None, parts)])


def _part(name: str, item: Any) -> str:
    match item:
        case {"number": number, "hash": block_hash}:
            return f"{name}={number}/{short(block_hash)}"
        case {"book": str(book), "policy_version": str(policy_version)}:
            return f"book={book} policy={policy_version[:12]}"
        case dict():
            return ""
        case list():
            return f"{name}={len(item)}x" if item else ""
        case str():
            return f"{name}={json.dumps(short(item) if item.startswith('0x') else item, ensure_ascii=False)[1:-1]}"
    return f"{name}={json.dumps(item)}"


def _value(value: bytes | None) -> str:
    """Return a value as JSON; what is none as a JSON string."""
    if value is None:
        return "null"
    try:
        msgspec.json.decode(value)
        return value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.dumps(value.decode(errors="replace"))
