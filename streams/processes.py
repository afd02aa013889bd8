"""List a deployment's processes by their heartbeats: which run, and which have fallen silent."""

import time
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from pipeline.errors import UNREADABLE
from pipeline.messages.processes import ProcessSeen
from pipeline.units import ChainId
from streams.human_numbers import duration_text
from streams.kafka.codec import decode_process
from streams.kafka.readers import Reader
from streams.kafka.topics import PROCESSES

STALE_BEATS, DEAD_BEATS = 6, 24
"""Half a minute, and two, by the usual beat: a busy machine is late by several beats."""


class ProcessNow(msgspec.Struct, frozen=True):
    """A process's newest heartbeat, and how long ago the broker took it."""

    seen: ProcessSeen
    seen_at_s: int
    """When the broker took it."""
    silent_s: int

    @property
    def state(self) -> Literal["well", "stale", "dead"]:
        """Return whether beats are missing, and how many."""
        missed = self.silent_s / self.seen.beat_s
        return "dead" if missed > DEAD_BEATS else "stale" if missed > STALE_BEATS else "well"

    def silence(self) -> str:
        """Report that no beat comes any more."""
        return (
            f"`evenkeel {self.seen.role}` of {self.seen.instance} is {self.state}: "
            f"no heartbeat for {duration_text(self.silent_s)}"
        )


class Processes(msgspec.Struct, frozen=True):
    """All that the topic tells."""

    processes: tuple[ProcessNow, ...]
    malformed: tuple[str, ...]
    """Records that are not heartbeats, by topic, partition and offset."""

    def silent(self) -> list[ProcessNow]:
        """List those whose beats are missing."""
        return [each for each in self.processes if each.state != "well"]

    def missing(self, roles: Iterable[str]) -> Iterator[str]:
        """Name the roles in which no process beats."""
        beats = {each.seen.role for each in self.processes if each.state == "well"}
        return (role for role in roles if role not in beats)


async def processes_now(reader: Reader, chain_id: ChainId) -> Processes:
    """Read the newest heartbeat of each process. Raises: InfrastructureError, TopicError."""
    now_s = time.time()
    found: list[ProcessNow] = []
    malformed: list[str] = []
    for record in (await reader.newest(PROCESSES.on(chain_id))).values():
        try:
            seen = decode_process(record.value or b"", where=record.where)
        except UNREADABLE as error:
            malformed.append(str(error))
        else:
            taken_s = record.timestamp_ms // 1000
            found.append(ProcessNow(seen, taken_s, max(0, int(now_s) - taken_s)))
    found.sort(key=lambda each: each.seen.name)
    return Processes(tuple(found), tuple(malformed))
