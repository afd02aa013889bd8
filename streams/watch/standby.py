"""Take turns between watchers: one that was replaced stands by until the other has fallen silent.

So two of them on one deployment, each kept running by a supervisor of its own, do not replace each other for ever.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from pipeline.errors import FencedError, InfrastructureError
from pipeline.units import ChainId
from streams.backoff import doubled
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import Reader, reading
from streams.kafka.topics import EVENTS
from streams.watch.timing import Timing

log = structlog.get_logger(__name__)

_LOOK_S = 0.5
_ANSWER_TIMEOUT_S = 10.0
_LONG_REIGN = 10
"""A watcher that watched for this many waits begins again with the shortest one."""
_MOST_DOUBLED = 4


async def take_turns(
    watch: Callable[[], Awaitable[None]], kafka: KafkaAccess, chain_id: ChainId, timing: Timing
) -> None:
    """Watch; wait while another watcher does, and take over once it is silent, each time after a longer silence.

    Raises: SettingsError, InfrastructureError as `watch` does, but for FencedError.
    """
    fenced = 0
    while True:
        began_s = time.monotonic()
        try:
            await watch()
        except FencedError as error:
            fenced = 1 if time.monotonic() - began_s > _LONG_REIGN * timing.stand_by_s else fenced + 1
            silent_s = doubled(timing.stand_by_s, min(fenced - 1, _MOST_DOUBLED))
            log.warning("stands by", error=str(error), until_silent_s=silent_s)
            await _fallen_silent(kafka, EVENTS.on(chain_id), silent_s)
            log.warning("takes over again: nothing was written", silent_s=silent_s)


async def _fallen_silent(kafka: KafkaAccess, topic: str, silent_s: float) -> None:
    """Wait until nothing has been appended for a time; time without the broker does not count."""
    ends: object = None
    while True:
        since_s = time.monotonic()
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S) as limit, reading(kafka) as reader:
                while time.monotonic() - since_s < silent_s:
                    limit.reschedule(asyncio.get_running_loop().time() + _ANSWER_TIMEOUT_S)
                    now = await _ends(reader, topic)
                    if now != ends:
                        ends, since_s = now, time.monotonic()
                    await asyncio.sleep(_LOOK_S)
                return
        except (InfrastructureError, OSError, TimeoutError) as error:
            log.warning("the broker cannot be asked who writes", error=str(error) or type(error).__name__)
            await asyncio.sleep(_LOOK_S)


async def _ends(reader: Reader, topic: str) -> dict[object, int]:
    bounds = await reader.bounds(await reader.shards(topic))
    return {shard: end for shard, (_, end) in bounds.items()}
