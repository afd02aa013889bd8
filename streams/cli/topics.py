"""`topics list | tail | acls`: show the broker's topics, as they were committed."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.errors import SettingsError, TopicError
from pipeline.messages.policy import Policy
from pipeline.units import BookId
from streams.cli import completing
from streams.cli.acls import acls
from streams.cli.command_groups import Group
from streams.cli.console import AsJson, print_json, print_table, run, settings_for
from streams.cli.tailing import Chosen, Printer, Way
from streams.cli.topics_schema import asyncapi, schema
from streams.human_numbers import parse_seconds
from streams.kafka.readers import Reader, reading
from streams.kafka.topics import TOPICS, Topic
from streams.policy_rollout import policies_in_force
from streams.settings import Settings
from streams.yaml_positions import did_you_mean

topics = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    help="List the topics, read them, and print their schemas and ACLs.",
    add_completion=False,
    no_args_is_help=True,
)


topics.command(name="acls")(acls)
topics.command(name="schema")(schema)
topics.command(name="asyncapi")(asyncapi)


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
        ["topic", "keyed by", "cleanup", ">offsets by shard"],
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
        str,
        typer.Argument(
            help="The topic's name, with or without .v1: events, decisions, positions, ...",
            autocompletion=completing.topics,
        ),
    ],
    *,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest record.")
    ] = False,
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, help="Begin with this many of each shard's last records.")
    ] = 10,
    shard: Annotated[int | None, typer.Option(help="Only this shard.")] = None,
    book: Annotated[
        str | None, typer.Option(help="Only records that name this book.", autocompletion=completing.books)
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only messages of this type.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only records from this time on: 2026-01-31T12:00 (UTC), or 2h for two hours ago."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only records before this time; then end. Written as --since.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f", help="Wait for further records, until Ctrl-C.")
    ] = True,
    raw: Annotated[
        bool, typer.Option("--raw", help="Show the fields as on the wire instead of sentences.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values, with a heading.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a topic's records as they are committed: decisions in sentences, the others field by field."""
    if as_csv and as_json:
        raise SettingsError("--csv and --json: one of them")
    settings = settings_for("topics")
    wanted = topic_named(topic)
    chosen = Chosen(
        book=book,
        kind=_type_named(kind, wanted),
        since_ms=_ms_of("--since", since),
        until_ms=_ms_of("--until", until),
    )
    if chosen.since_ms is not None and chosen.until_ms is not None and chosen.until_ms <= chosen.since_ms:
        raise SettingsError(f"--until: {until} is not after --since, {since}")
    count = None if from_beginning or since is not None else last
    run(
        _tail(
            settings,
            wanted,
            shard,
            count,
            chosen,
            follow=follow and until is None,
            show=_way(raw=raw, as_csv=as_csv, as_json=as_json),
        )
    )


def _way(*, raw: bool, as_csv: bool, as_json: bool) -> Way:
    return "csv" if as_csv else "json" if as_json else "raw" if raw else "words"


def _type_named(name: str | None, topic: Topic) -> str | None:
    """Check a message type against what a topic holds. Raises: SettingsError with the nearest."""
    known = [message.__name__ for message in topic.messages]
    if name is not None and name not in known:
        raise SettingsError(
            f"{topic.name} holds no {name}{did_you_mean(name, known)}; it holds {', '.join(known)}"
        )
    return name


def _ms_of(option: str, text: str | None) -> int | None:
    """Read a moment: a date and time, or a duration ago; one before 1970 is its beginning. Raises: SettingsError."""
    if text is None:
        return None
    try:
        return max(0, int((time.time() - parse_seconds(text)) * 1000))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{option}: {text} is not a time: write 2026-01-31T12:00 (UTC), or 2h for two hours ago"
        ) from None
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


def topic_named(name: str) -> Topic:
    """Find a topic by name. Raises: TopicError with the nearest."""
    for candidate in (name, f"{name}.v1", name.partition(".")[2]):
        if candidate in TOPICS:
            return TOPICS[candidate]
    raise TopicError(f"there is no topic {name}{did_you_mean(name, [t.removesuffix('.v1') for t in TOPICS])}")


async def _tail(
    settings: Settings,
    topic: Topic,
    shard: int | None,
    last: int | None,
    chosen: Chosen,
    *,
    follow: bool,
    show: Way,
) -> None:
    async with reading(settings.kafka) as reader:
        shards = await reader.shards(topic.on(settings.chain), None if shard is None else [shard])
        bounds = await reader.bounds(shards)
        ends = {
            part: end for part, (_, end) in bounds.items()
        }  # what comes from here on is shown once, or not at all
        starts = ends if last is not None else {part: begin for part, (begin, _) in bounds.items()}
        if chosen.since_ms is not None:
            starts = await reader.offsets_since(shards, chosen.since_ms)
        printer = Printer(show, await _policies(reader, settings) if show in {"words", "csv"} else {})
        if last:
            before = [
                record
                for part in shards
                for record in await reader.last(part, last, chosen.takes, before=ends[part])
            ]
            for record in sorted(before, key=lambda record: record.timestamp_ms):
                printer.print(record)
        async for record in reader.follow(starts) if follow else reader.read(starts, ends):
            if chosen.takes(record):
                printer.print(record)


async def _policies(reader: Reader, settings: Settings) -> Mapping[BookId, Policy]:
    """Read the policies in force; where there are none yet, amounts stay raw."""
    try:
        return await policies_in_force(reader, settings.chain)
    except TopicError:
        return {}
