"""Show the running processes in `doctor`, `inventory` and `positions`, from their heartbeats."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from pipeline.errors import EvenkeelError, TopicError
from pipeline.messages.processes import NodeSeen, ProcessSeen
from pipeline.units import ChainId
from streams.human_numbers import duration_text
from streams.kafka.readers import Reader, reading
from streams.processes import Processes, ProcessNow, processes_now
from streams.redaction import redact
from streams.settings import Settings

Row = tuple[str, str, str]


async def process_rows(settings: Settings, modes: AbstractSet[str]) -> list[Row]:
    """Give `doctor` a row for each process, and one for each that the books in force need and that does not run."""
    try:
        async with reading(settings.kafka) as reader:
            found = await processes_now(reader, settings.chain)
    except EvenkeelError as error:
        return [("processes", "WRONG", redact(str(error)))]
    return [*map(_row, found.processes), *_malformed(found), *_missing(found, modes)]


async def silences(reader: Reader, chain_id: ChainId) -> list[str]:
    """Name which processes have fallen silent, or follow no present; nothing where the deployment is older than their topic."""
    try:
        found = await processes_now(reader, chain_id)
    except TopicError:
        return []
    troubles = [
        f"`evenkeel {each.seen.role}` of {each.seen.instance}: {each.seen.trouble}"
        for each in found.processes
        if each.state == "well" and each.seen.trouble is not None
    ]
    return [*(each.silence() for each in found.silent()), *troubles, *found.malformed]


def _row(process: ProcessNow) -> Row:
    seen = process.seen
    name = f"{seen.role} {seen.instance}"
    if process.state != "well":
        return name, "WRONG", f"{process.silence()}; {'; '.join(_says(process))}"
    if seen.trouble is not None:
        return name, "WRONG", f"{seen.trouble}; {'; '.join(_says(process))}"
    return name, "well", "; ".join(_says(process))


def _says(process: ProcessNow) -> Iterator[str]:
    seen = process.seen
    last_seen_s = process.seen_at_s
    yield f"version {seen.release}, pid {seen.pid}, up for {duration_text(max(0, last_seen_s - seen.started_at_s))}"
    yield f"last seen {duration_text(process.silent_s)} ago"
    if seen.signer is not None:
        yield f"signs for {seen.signer}"
    if seen.heads:
        yield "at block " + ", ".join(f"{head.block} (shard {head.shard})" for head in seen.heads)
    if seen.newest_block is not None:
        yield f"its node's newest block is {seen.newest_block}"
    for node in seen.nodes:
        yield f"node {node.name}: {', '.join(_says_of(node, last_seen_s))}"
    if seen.last_error is not None:
        yield f"last warning or error{_when(seen, last_seen_s)}: {seen.last_error}"


def _says_of(node: NodeSeen, now_s: int) -> Iterator[str]:
    yield "no block shown yet" if node.head is None else f"at block {node.head}"
    if node.head_time_s is not None:
        yield f"{duration_text(max(0, now_s - node.head_time_s))} old"
    if node.lag_blocks:
        yield f"{node.lag_blocks} behind"
    if node.latency_ms is not None:
        yield f"{node.latency_ms} ms"
    if node.failing_percent:
        yield f"{node.failing_percent} % of questions fail"
    if node.asked_in_a_day is not None:
        yield f"{node.asked_in_a_day} questions in 24h"
    if node.trouble is not None:
        yield f"last: {node.trouble}"


def _when(seen: ProcessSeen, last_seen_s: int) -> str:
    if seen.last_error_at_s is None:
        return ""
    return f" {duration_text(max(0, last_seen_s - seen.last_error_at_s))} before that"


def _malformed(found: Processes) -> Iterator[Row]:
    for error in found.malformed:
        yield "processes", "WRONG", redact(error)


def _missing(found: Processes, modes: AbstractSet[str]) -> Iterator[Row]:
    """Name what does not run although a book in force needs it."""
    needed = {"watch": "no block is followed", "work": "no record is taken in"} if modes else {}
    if "live" in modes:
        needed |= {"submit": "nothing that a live book wants is signed"}
    for role in found.missing(needed):
        yield role, "WRONG", f"no `evenkeel {role}` shows a heartbeat: {needed[role]}"
    if "dry-run" in modes and list(found.missing(["rehearse"])):
        yield (
            "rehearse",
            "well",
            "no `evenkeel rehearse` shows a heartbeat: proposals of dry-run books are not tried",
        )
