"""Read the new records of some topics since the last call, also over interruptions of the broker."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import InfrastructureError
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import Reader, Record, reading

_PATIENCE_S = 12.0


class BrokerAwayError(Exception):
    """The broker does not answer just now."""


class Tail:
    """Reads what is committed on whole topics, from their beginning and on from where it came to."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._next: dict[TopicPartition, int] = {}
        self._open = AsyncExitStack()
        self._reader: Reader | None = None

    async def news(self) -> list[Record]:
        """Read what is new, each partition in order. Raises: BrokerAwayError; nothing is lost then."""
        found: list[Record] = []
        try:
            async with asyncio.timeout(_PATIENCE_S):
                reader = await self._opened()
                for shard, end in (await reader.ends(list(self._next))).items():
                    start = self._next[shard]
                    found += [record async for record in reader.read_between(shard, start, end)]
                    self._next[shard] = end
        except (InfrastructureError, KafkaError, OSError, TimeoutError) as error:
            await self.close()
            if not found:
                raise BrokerAwayError(repr(error)) from error
        return found

    async def close(self) -> None:
        leaving, self._open, self._reader = self._open, AsyncExitStack(), None
        with suppress(InfrastructureError, KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await leaving.aclose()

    async def _opened(self) -> Reader:
        """Connect, and begin where the partitions do unless we came further already."""
        if self._reader is None:
            self._reader = await self._open.enter_async_context(reading(KafkaAccess(self._bootstrap)))
        if not self._next:
            shards = [shard for topic in self._topics for shard in await self._reader.shards(topic)]
            self._next = {shard: begin for shard, (begin, _) in (await self._reader.bounds(shards)).items()}
        return self._reader
