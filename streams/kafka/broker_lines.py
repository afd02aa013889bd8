"""Thin out the many equal lines that Kafka's clients log while a broker is unreachable."""

import logging
import time
from collections.abc import Callable

EVERY_S = 30.0
_LIBRARIES = ("aiokafka", "faust", "mode")
_SIGNS = (
    "Unable connect to",
    "Unable to update metadata",
    "Unable to request metadata",
    "Connection at ",
    "NodeNotReadyError",
    "KafkaConnectionError",
    "CoordinatorNotAvailable",
    "oordinator dead",
    "Heartbeat session expired",
    "RequestTimedOutError",
)
"""What only such a line holds."""


class BrokerLines(logging.Filter):
    """Passes the first log line about a lost broker, then one every 30 s that counts the others. All other lines pass."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Start with a reachable broker."""
        super().__init__()
        self._now_s = now_s
        self._said_s: float | None = None
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a line, reworded where it is about a lost broker, or suppress it."""
        if not _is_of_lost_broker(record):
            return True
        now_s = self._now_s()
        if self._said_s is not None and now_s - self._said_s < EVERY_S:
            self._left_out += 1
            return False
        record.msg, record.args = f"the broker does not answer: {record.getMessage()}", ()
        record.exc_info = record.exc_text = None
        record.left_out = self._left_out
        self._said_s, self._left_out = now_s, 0
        return True


def _is_of_lost_broker(record: logging.LogRecord) -> bool:
    if record.name.partition(".")[0] not in _LIBRARIES or record.levelno < logging.WARNING:
        return False
    says = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        says = f"{says} {record.exc_info[1]!r}"
    return any(sign in says for sign in _SIGNS)
