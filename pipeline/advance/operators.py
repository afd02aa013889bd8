"""Apply operators' events: policies set and removed, pauses and resumptions."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.follow.quarantine import quarantined
from pipeline.messages.decisions import Released
from pipeline.messages.entries import Pause
from pipeline.messages.events import AnyEvent, Paused, PolicyRemoved, PolicySet, Resumed
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.venues.registry import venues

_POLICY_CHANGES = frozenset({PolicySet, PolicyRemoved})


def apply_policy(shard: Shard) -> None:
    """Drop what no policy needs any more, such as positions whose pool no book uses."""
    for venue in venues(shard.tables):
        shard.tables.forget(venue.unfollowed(shard.tables).__contains__)
    shard.drop_working_copies()


def quarantined_before(shard: Shard, event: AnyEvent) -> frozenset[str]:
    """List what is in quarantine before a policy changes; other events end no quarantine as a side effect."""
    return frozenset(quarantined(shard.tables)) if type(event) in _POLICY_CHANGES else frozenset()


def released(shard: Shard, held: frozenset[str], now: Provenance) -> Iterator[Released]:
    """Return which items a changed policy has taken out of quarantine: its book, and what no book names any more."""
    for item in sorted(held - quarantined(shard.tables).keys() if held else ()):
        yield Released(**now.stamp("alert", item, action="release"), item=item)


def operate(shard: Shard, event: Paused | Resumed) -> None:
    """Set or end an operator's pause; `routes` has noted what a resume must read again."""
    pause = None
    if isinstance(event, Paused):
        pause = Pause(reason=event.reason, by=event.by, cancels=event.cancels)
    shard.tables.put(keys.pause(event.scope), pause)
    shard.drop_working_copies()
