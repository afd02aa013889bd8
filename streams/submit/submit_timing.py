"""The intervals at which a signer looks at the chain, and its time limits."""

import msgspec


class SubmitTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals in seconds of wall time, none of which gets into a transaction."""

    poll_s: float = 0.25
    """Between two looks at the chain where nothing comes."""
    soon_s: float = 0.05
    """The same while an intent waits for its block."""
    wait_s: float = 60.0
    """For how long intents of the next blocks may hold a partition up altogether: anybody may write them."""
    stalled_after_s: float = 120.0
    """After this long without a new head nothing is signed."""
    strange_looks: int = 3
    """How many looks in a row must show a nonce that is not ours: a node behind others may answer for two blocks at once."""
