"""Write the first sentence of `why`: an output's meaning, and what its policy, a pause or a guard adds to it."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import UNREADABLE
from pipeline.messages.base import Output
from pipeline.messages.events import Paused, PolicySet
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import SubmitTransaction
from streams.cli.sentences import sentence
from streams.kafka.codec import decode_event, decode_output
from streams.kafka.readers import Record

_SAID = frozenset({"what came of it", "dry-run", "how it began", "how it ended"})
"""Stations that have a sentence of their own."""


def explained(stations: Sequence[tuple[str, Record]]) -> str:
    """Say an output in one sentence, from the records that `why` has found."""
    found = dict(stations)
    policy = _policy(found.get("policy"))
    parts = [_output(found["output"], policy)]
    pause = _event(found.get("pause"))
    if isinstance(pause, Paused):
        parts.append(f"paused by {pause.by}: {pause.reason}")
    parts += [_output(record, policy) for station, record in stations if station in _SAID]
    reports = [station.removeprefix("report: ") for station, _ in stations if station.startswith("report: ")]
    if reports:
        parts.append(f"its signer said: {', '.join(dict.fromkeys(reports))}")
    if any(station == "in this block" for station, _ in stations):
        parts.append("it is in a block")
    return "; ".join(parts)


def _output(record: Record, policy: Policy | None) -> str:
    try:
        said = decode_output(record.value or b"", where=record.where)
    except UNREADABLE as error:
        return str(error)
    if isinstance(said, SubmitTransaction):
        return f"{said.book}: {said.step} of {said.plan}, attempt {said.attempt}, made at block {said.made_at.number}"
    return sentence(said, policy) if isinstance(said, Output) else type(said).__name__


def _policy(record: Record | None) -> Policy | None:
    event = _event(record)
    return event.policy if isinstance(event, PolicySet) else None


def _event(record: Record | None) -> Any:
    if record is None:
        return None
    try:
        return decode_event(record.value or b"", where=record.where)
    except UNREADABLE:
        return None
