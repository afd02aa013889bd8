"""Record what is committed while the demo runs: heads, books, decisions and alerts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from pipeline import keys
from pipeline.messages.policy import Policy
from pipeline.units import ChainId
from streams.cli.record_fields import fields_of
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_entry
from streams.kafka.readers import Reader, Record, reading
from streams.kafka.topics import BOOKS, DEAD_LETTERS, DECISIONS, POSITIONS, STATE

Message = dict[str, Any]
_TICK_S = 0.02


class Witness:
    """The present of the output topics, as a user's reader sees it."""

    def __init__(self, chain_id: ChainId) -> None:
        self._chain_id = chain_id
        self.heads: dict[int, int] = {}
        """Height by shard, of the committed state."""
        self.head_hashes: dict[int, str] = {}
        self.books: dict[str, Message] = {}
        self.positions: dict[str, Message] = {}
        self.decisions: list[Message] = []
        self.tried: list[Message] = []
        """What dry-runs came to."""
        self.alerts: list[Message] = []
        self.policies: dict[str, Policy] = {}
        self.dead_letters = 0
        self.rewound: Counter[int] = Counter()

    async def listen(self, reader: Reader) -> None:
        """Take in what is committed, for ever."""
        starts: dict[Any, int] = {}
        for topic in (STATE, DECISIONS, BOOKS, POSITIONS, DEAD_LETTERS):
            starts |= dict.fromkeys(await reader.shards(topic.on(self._chain_id)), 0)
        async for record in reader.follow(starts):
            self._take(record)

    def _take(self, record: Record) -> None:
        key = (record.key or b"").decode()
        name = record.topic.partition(".")[2]
        if name == STATE.name:
            self._take_entry(record, key)
        elif name == DEAD_LETTERS.name:
            self.dead_letters += record.value is not None and key != keys.REWOUND
        elif key == keys.REWOUND:
            self.rewound[record.shard] += name == DECISIONS.name
        elif name == DECISIONS.name and record.value:
            self._decide(fields_of(record.value))
        else:
            table = self.books if name == BOOKS.name else self.positions
            table.pop(key, None)
            if record.value:
                table[key] = msgspec.json.decode(record.value)

    def _take_entry(self, record: Record, key: str) -> None:
        if key == keys.HEAD and record.value:
            block = msgspec.json.decode(record.value)["block"]
            self.heads[record.shard] = int(block["number"])
            self.head_hashes[record.shard] = block["hash"]
        elif keys.policy.matches(key) and record.value:
            policy = decode_entry(key, record.value)
            assert isinstance(policy, Policy)
            self.policies[policy.book] = policy

    def _decide(self, message: Message) -> None:
        if message["type"] == "ProposalTried":
            self.tried.append(message)
            return
        known = message["type"] in {"RebalanceProposed", "Declined"}
        (self.decisions if known else self.alerts).append(message)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something has been committed; False if it was not in time."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while not condition():
            if loop.time() > deadline_s:
                return False
            await asyncio.sleep(_TICK_S)
        return True

    def at(self, block_hash: str, shards: int) -> bool:
        """Return whether a number of shards stand at this block."""
        return sum(h == block_hash for h in self.head_hashes.values()) >= shards


@asynccontextmanager
async def witnessing(kafka: KafkaAccess, chain_id: ChainId) -> AsyncIterator[Witness]:
    """Listen beside the story; an error of the listener ends the story too."""
    witness = Witness(chain_id)
    async with reading(kafka) as reader:
        task = asyncio.create_task(witness.listen(reader))
        try:
            yield witness
        finally:
            if task.done():
                task.result()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
