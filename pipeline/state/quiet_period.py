"""Until when a book needs no look if nothing changes. It is remembered, never stored: see `pipeline/advance/resting.py`."""

import msgspec

from pipeline.messages.base import BlockRef
from pipeline.units import BlockNumber, Seconds


class QuietPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal that holds as long as what it follows from is the same, and the clock is within these bounds."""

    own: tuple[object, ...]
    """The book's policy and its own entries."""
    of_chain: tuple[object, ...]
    """What else it follows from."""
    shard_writes: tuple[int, ...]
    """How often anything in the shard that may matter had been written when this was last compared."""
    from_s: Seconds
    until_s: Seconds | None
    """The first time at which another judgement is possible; None: time alone changes nothing."""
    until_block: BlockNumber
    """At which the refusal is said again."""

    def covers(self, block: BlockRef) -> bool:
        """Ask whether a block lies within the bounds of the clock."""
        if block.number >= self.until_block or block.timestamp_s < self.from_s:
            return False
        return self.until_s is None or block.timestamp_s < self.until_s
