"""Judge whether prices of a chain may be acted at, by the uptime feed of its sequencer: not while it is down, nor for a while after.

An uptime feed has no heartbeat: it answers anew only when the sequencer goes down or comes back. So no age makes its answer too old.
"""

from typing import Literal

import msgspec

from pipeline.messages.sequencer import SequencerAnswer, SequencerFeed
from pipeline.units import Seconds

SequencerReason = Literal["sequencer_down", "sequencer_grace", "sequencer_unknown"]

_UP, _DOWN = 0, 1


class SequencerTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why no price of a chain is acted at."""

    reason: SequencerReason
    told: str
    """The reason as a sentence, with seconds."""
    until_s: Seconds | None = None
    """The time from which prices count again, if the feed's answer does not change; None: unknown."""


def sequencer_trouble(
    feed: SequencerFeed, answer: SequencerAnswer | None, now_s: Seconds
) -> SequencerTrouble | None:
    """Judge a feed's answer at a block's time; None: the sequencer is up, and has been for longer than its grace period."""
    fault = _fault(answer, now_s)
    if answer is None or fault is not None:
        return SequencerTrouble(
            reason="sequencer_unknown", told=f"the sequencer's uptime feed {feed.feed} {fault}"
        )
    since_s = now_s - answer.started_at_s
    if answer.answer == _DOWN:
        return SequencerTrouble(reason="sequencer_down", told=f"the sequencer is down since {since_s} s")
    if since_s > feed.grace_s:
        return None
    return SequencerTrouble(
        reason="sequencer_grace",
        told=f"the sequencer is back since {since_s} s: no price counts until that is more than {feed.grace_s} s",
        until_s=_grace_ends_s(feed, answer),
    )


def judged_otherwise_s(feed: SequencerFeed, answer: SequencerAnswer | None, now_s: Seconds) -> Seconds | None:
    """Return the first moment after now at which the same answer is judged otherwise; None: never."""
    if answer is None:
        return None
    ends = [answer.started_at_s]
    if answer.answer == _UP:
        ends.append(_grace_ends_s(feed, answer))
    return min((each for each in ends if each > now_s), default=None)


def wait_counts_from_s(
    feed: SequencerFeed, answer: SequencerAnswer | None, began_s: Seconds, now_s: Seconds
) -> Seconds:
    """Return from when on a wait that began at some time counts: from when prices count again, where the sequencer was down meanwhile.

    That is now, none of it, while the sequencer is down or within its grace period. An answer that tells nothing holds no clock: with a
    wrong address for a feed, a plan would wait for ever.
    """
    if answer is None or _fault(answer, now_s) is not None:
        return began_s
    if answer.answer == _DOWN:
        return now_s
    return min(max(began_s, _grace_ends_s(feed, answer)), now_s)


def _grace_ends_s(feed: SequencerFeed, answer: SequencerAnswer) -> Seconds:
    """Return the first second at which the sequencer is up for longer than its grace period, as Aave's sentinel counts it."""
    return Seconds(answer.started_at_s + feed.grace_s + 1)


def _fault(answer: SequencerAnswer | None, now_s: Seconds) -> str | None:
    """Explain why an answer tells nothing, if so: nobody has read it, it is none of an uptime feed, or of a time that has not come."""
    if answer is None:
        return "is not read, or does not answer as one"
    if answer.answer not in {_UP, _DOWN}:
        return f"answers {answer.answer}, which is neither up (0) nor down (1)"
    if answer.round_id <= 0 or not 0 < answer.started_at_s <= now_s:
        return f"answers of round {answer.round_id} since {answer.started_at_s}, which cannot be at {now_s}"
    return None
