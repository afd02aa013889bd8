"""Keep the heads that a signer has seen, to tell a lagging node from a reorg and from a chain that stands still."""

from collections.abc import Callable

import structlog

from pipeline.messages.base import BlockRef
from pipeline.units import BlockNumber, Hash

log = structlog.get_logger(__name__)

_KEPT_BLOCKS = 300
"""Where a node lags by more, the nonces that it shows are behind those that are final."""


class Heads:
    """The blocks seen of the branch that was read last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without blocks."""
        self._hashes: dict[BlockNumber, Hash] = {}
        self._clock = clock
        self._moved_at_s = clock()
        self._told = False

    def is_behind(self, head: BlockRef) -> bool:
        """Return whether a head is below the newest one on the same branch: the node lags, and nothing was reverted."""
        newest = max(self._hashes, default=head.number)
        return head.number < newest and self._hashes.get(head.number) == head.hash

    def note(self, head: BlockRef) -> None:
        """Make a head the newest: earlier blocks at its height and above are gone."""
        kept = range(head.number - _KEPT_BLOCKS, head.number)
        self._hashes = {number: hash_ for number, hash_ in self._hashes.items() if number in kept}
        self._hashes[BlockNumber(head.number - 1)] = head.parent_hash
        self._hashes[head.number] = head.hash
        self._moved_at_s, self._told = self._clock(), False

    def are_stalled(self, after_s: float) -> bool:
        """Return whether no new head has come for too long to sign, and warn once."""
        age_s = self._clock() - self._moved_at_s
        if age_s > after_s and not self._told:
            self._told = True
            block = max(self._hashes, default=None)
            log.warning("no new head comes, nothing is signed", block=block, age_s=round(age_s))
        return age_s > after_s
