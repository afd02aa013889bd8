"""Check that we may join the workers' consumer group: without the ACL Faust waits for ever and says nothing."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code
from aiokafka.protocol.group import HeartbeatRequest

from streams.kafka import clients
from streams.kafka.access import KafkaAccess
from streams.kafka.errors import not_allowed, started

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S = 15.0
_EVERY_S = 30.0
_JOINED_TOO_OFTEN = 5
_WITHIN_S = 60.0
_NO_GENERATION = -1
_NOBODY = "nobody"


class Rejoined:
    """Notices a worker that keeps losing its place in the group: another one has the same name."""

    def __init__(self, instance: str, now_s: Callable[[], float] = time.monotonic) -> None:
        """Start before the first assignment."""
        self._instance = instance
        self._now_s = now_s
        self._joined_s: deque[float] = deque(maxlen=_JOINED_TOO_OFTEN)

    def note(self) -> None:
        """Record an assignment of shards, and warn where there were too many within a minute."""
        now_s = self._now_s()
        self._joined_s.append(now_s)
        if len(self._joined_s) == _JOINED_TOO_OFTEN and now_s - self._joined_s[0] < _WITHIN_S:
            self._joined_s.clear()
            log.warning(
                "shards were assigned %d times within %.0f s: if another worker has EVENKEEL_INSTANCE=%s too, "
                "give one of them another name",
                _JOINED_TOO_OFTEN,
                _WITHIN_S,
                self._instance,
            )


async def check_group(kafka: KafkaAccess, group: str) -> None:
    """Ask the group's coordinator whether this user may join; a broker that cannot answer now is no error.

    Raises: AccessError if it may not.
    """
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            allowed = await _may_join(kafka, group)
    except (KafkaError, OSError, TimeoutError) as error:
        log.debug("nobody can tell yet whether group %s may be joined: %r", group, error)
        return
    if not allowed:
        raise not_allowed(kafka, "group", [group])


async def watch_group(kafka: KafkaAccess, group: str) -> NoReturn:
    """Ask again at intervals. Raises: AccessError once this user may no longer join."""
    while True:
        await asyncio.sleep(_EVERY_S)
        await check_group(kafka, group)


async def _may_join(kafka: KafkaAccess, group: str) -> bool:
    """Send a heartbeat for a member that does not exist: the broker's answer tells who may join. It disturbs no member."""
    admin = clients.admin(kafka)
    try:
        await started(admin, kafka)
        coordinator = await admin.find_coordinator(group)
        answer = await admin._send_request(  # noqa: SLF001
            HeartbeatRequest(group, _NO_GENERATION, _NOBODY), coordinator
        )
    except GroupAuthorizationFailedError:
        return False
    finally:
        await admin.close()
    return for_code(answer.error_code) is not GroupAuthorizationFailedError
