"""The intervals at which the watcher asks, and its time limits."""

import msgspec

from streams.backoff import backoff_s


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals in seconds of wall time, and sizes; of all this only the age of a stalled head gets into an event."""

    poll_s: float = 0.25
    """Between two looks for a new block."""
    hinted_poll_s: float = 0.1
    """The least between two looks where a websocket tells of new blocks, however many it tells of."""
    unhinted_poll_s: float = 3.0
    """The most there, while it tells of none."""
    stall_after_s: float = 60.0
    """How long without a new head is worth an alert."""
    halt_after_s: float = 10.0
    """For how long the node must show another block in place of a final one before the shard halts."""
    call_timeout_s: float = 10.0
    append_timeout_s: float = 30.0
    retry_first_s: float = 0.25
    retry_most_s: float = 15.0
    reread_most_s: float = 30.0
    """A read that failed is tried again at least this often."""
    reread_most_blocks: int = 64
    stand_by_s: float = 90.0
    """After how long without a record a watcher that was replaced takes over again. Longer than until a stall is reported."""
    batch_blocks: int = 160
    """Appended together at catch-up, before they are read back."""


def retry_delay_s(timing: Timing, failures: int) -> float:
    """Choose at random how long to wait after a number of consecutive failures."""
    return backoff_s(failures, first_s=timing.retry_first_s, most_s=timing.retry_most_s)
