"""Learn how many questions a node takes in one request, which it says only by refusing."""

import structlog

from pipeline.errors import TooMuchAskedError

log = structlog.get_logger(__name__)

_MOST = 50
"""What public nodes still take."""
_TAKEN_BEFORE_MORE = 200
"""Requests of the present size in a row before a larger one is tried."""


class Batches:
    """The size of a connection's batches: halved when refused, and raised again after a while without a refusal."""

    def __init__(self) -> None:
        """Start with the largest size."""
        self.size = _MOST
        self._taken = 0

    def refused(self, count: int, error: TooMuchAskedError) -> None:
        """Record that the node refused this many questions in one request."""
        smaller = max(1, count // 2)
        self._taken = 0
        if smaller < self.size:
            self.size = smaller
            log.warning("smaller batches", questions=smaller, refused=count, error=str(error))

    def taken(self, count: int) -> None:
        """Record that the node answered this many questions in one request."""
        if self.size == _MOST or count < self.size:
            return
        self._taken += 1
        if self._taken >= _TAKEN_BEFORE_MORE:
            self._taken = 0
            self.size = min(_MOST, self.size * 2)
