"""A shard's log, and the same log with foreign records in it."""

import random
from collections.abc import Sequence

from builders import ToyWatcher, started
from forgery import KINDS

from pipeline.follow.routes import follow
from pipeline.messages.events import AnyEvent, WriterStarted
from pipeline.state.tables import Tables
from pipeline.units import Term

Noise = tuple[int, str, int]
"""Where in a log, what, and with which dice."""


def story(seed: int) -> ToyWatcher:
    """Make a log in which a book is read, blocks come, another watcher takes over, and a reorg happens."""
    watcher = started(seed)
    watcher.term = 5
    watcher.append(WriterStarted(term=Term(5), instance="w1"))
    for _ in range(5):
        watcher.block()
    base = watcher.fork("other")
    for _ in range(3):
        watcher.block(3)
    watcher.term = 9
    watcher.append(WriterStarted(term=Term(9), instance="w2"))
    watcher.revert_to(base)
    for _ in range(5):
        watcher.block(3)
    return watcher


def first_block(log: Sequence[AnyEvent]) -> int:
    """Return the first offset at which the shard has a head."""
    tables = Tables()
    for place, event in enumerate(log):
        follow(tables, event)
        if tables.head is not None:
            return place + 1
    raise AssertionError


def noisy(log: Sequence[AnyEvent], strange: Sequence[Noise]) -> list[AnyEvent]:
    """Insert forged records between those of a log, each made for the shard's state there."""
    first = first_block(log)
    wanted: dict[int, list[tuple[str, int]]] = {}
    for place, kind, dice in strange:
        wanted.setdefault(first + place % (len(log) - first + 1), []).append((kind, dice))
    tables, mixed = Tables(), []
    for place in range(len(log) + 1):
        for kind, dice in wanted.get(place, []):
            mixed.append(KINDS[kind](random.Random(dice), tables))
            follow(tables, mixed[-1])
        if place < len(log):
            mixed.append(log[place])
            follow(tables, log[place])
    return mixed
