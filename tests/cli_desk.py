"""A user at a terminal with a deployment on a real broker, and a book whose state a test commits itself."""

import asyncio
import itertools
import os
import random
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from builders import OWNER, policy, started

from pipeline.advance.books import stock_of
from pipeline.messages.base import BlockRef
from pipeline.messages.events import BlockSeen, PolicySet
from pipeline.state.shard import Shard
from pipeline.units import BlockNumber, BookId, ChainId, Hash, Offset, Seconds, ShardId, Term, Wei
from streams.cli import node_row
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_event, decode_output, encode, encode_entry
from streams.kafka.readers import reading
from streams.kafka.topics import (
    EVENTS,
    STATE,
    TopicRecord,
    ensure_topics,
    shard_of,
)
from streams.policy_rollout import append, appending
from streams.work.fold import fold_log

PARTITIONS = 3
WETH, USDC = "0x" + "11" * 20, "0x" + "22" * 20
POOL, OTHER_POOL, MANAGER = "0x" + "e1" * 20, "0x" + "e2" * 20, "0x" + "bb" * 20
chain_ids = itertools.count(random.SystemRandom().randrange(10**6, 10**9))
BOOK = """\
  - book: {book}
    owner: "{owner}"
    base: WETH
    quote: USDC
    tokens:
      - {{symbol: WETH, address: "{weth}", decimals: 18}}
      - {{symbol: USDC, address: "{usdc}", decimals: 6}}
    pools: ["{pool}"]
    reference_pool: "{pool}"
    strategy: {{name: target_band, band: {band}}}
"""


def a_book(book: str, owner: int, *, pool: str = POOL, band: str = "10%") -> str:
    return BOOK.format(book=book, owner=f"0x{owner:040x}", weth=WETH, usdc=USDC, pool=pool, band=band)


BOUNDED = "limits: {max_notional: 1000, max_daily_notional: 5000}"


def live_portfolio(desk: "Desk", limits: str = BOUNDED, rerange: str = "{half_width: 1%}") -> Path:
    """Write a portfolio file with one live book."""
    desk.portfolio(a_book("one", 1) + f"    mode: live\n    rerange: {rerange}\n    {limits}\n")
    file = desk.folder / "portfolio.yaml"
    head = f"chain: {{id: {desk.chain_id}, "
    file.write_text(file.read_text().replace(head, f"{head}live_on: {desk.chain_id}, router: '{MANAGER}', "))
    return file


def signer_file(desk: "Desk", name: str, *, pool: str, max_loss: str, version: str) -> Path:
    file = desk.folder / f"{name}.yaml"
    file.write_text(
        f"chain: {desk.chain_id}\nkeystore: key.json\npassword_file: password\npools: ['{pool}']\n"
        f"budget_token: '{USDC}'\nmax_loss_per_day: 10\nmax_notional: 1000\nmax_notional_per_day: 5000\n"
        f"max_loss: {max_loss}\npolicies: {{one: {version}}}\n"
    )
    return file


class Desk:
    """A user at a terminal: a folder, an environment, and a deployment on the shared broker."""

    def __init__(self, folder, bootstrap: str, run) -> None:
        self.folder, self.bootstrap, self.run = folder, bootstrap, run
        self.chain_id = ChainId(next(chain_ids))

    def portfolio(self, *books: str) -> None:
        contracts = f"factory: '{MANAGER}', position_manager: '{MANAGER}', wrapped_native: '{WETH}'"
        head = f"chain: {{id: {self.chain_id}, {contracts}}}\nbooks:\n"
        (self.folder / "portfolio.yaml").write_text(head + "".join(books))

    def log(self, shard: int) -> list:
        return [decode_event(value, where="log") for value in self.values(EVENTS.name, shard)]

    def values(self, topic: str, shard: int) -> list[bytes]:
        async def read() -> list[bytes]:
            async with reading(KafkaAccess(self.bootstrap)) as reader:
                part = TopicPartition(f"evenkeel-{self.chain_id}.{topic}", shard)
                return [record.value or b"" async for record in reader.read({part: 0})]

        return asyncio.run(read())

    def policies(self) -> list[tuple[str, str]]:
        """List all policies that were set, by shard: book and version."""
        events = [event for shard in range(PARTITIONS) for event in self.log(shard)]
        return [(e.policy.book, e.policy.policy_version) for e in events if isinstance(e, PolicySet)]

    def append(self, shard: int, *events) -> None:
        async def send() -> None:
            async with appending(KafkaAccess(self.bootstrap)) as producer:
                for event in events:
                    await append(producer, self.chain_id, ShardId(shard), event)

        asyncio.run(send())

    def commit(self, shard: int, *records: tuple[str, str, bytes | None], then: str = "commit") -> None:
        asyncio.run(self._commit(shard, records, then))

    async def _commit(self, shard: int, records, then: str) -> None:
        producer = await self._transacting(shard, then)
        try:
            await producer.begin_transaction()
            sent = [
                await producer.send(
                    f"evenkeel-{self.chain_id}.{topic}", key=key.encode(), value=value, partition=shard
                )
                for topic, key, value in records
            ]
            await asyncio.gather(*sent)
            await (producer.commit_transaction() if then == "commit" else producer.abort_transaction())
        finally:
            await producer.stop()
        # a broker acknowledges an end before it marks each partition, and gives the name again only afterwards
        await (await self._transacting(shard, then)).stop()

    async def _transacting(self, shard: int, then: str) -> AIOKafkaProducer:
        name = f"test-{self.chain_id}-{shard}-{then}"
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=name, retry_backoff_ms=10
        )
        await producer.start()
        return producer

    def topic(self, topic) -> str:
        return topic.on(self.chain_id)

    def create_topics(self) -> None:
        asyncio.run(ensure_topics(KafkaAccess(self.bootstrap), self.chain_id, PARTITIONS))


@pytest.fixture
def desk(tmp_path, monkeypatch, evenkeel, broker):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EVENKEEL_")]:
        monkeypatch.delenv(name)
    made = Desk(tmp_path, broker.bootstrap_servers, evenkeel)
    monkeypatch.setenv("EVENKEEL_BROKER", made.bootstrap)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(made.chain_id))
    monkeypatch.setenv("EVENKEEL_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(node_row, "TRIED_AGAIN_S", 0.05)  # most of these users have no node
    return made


def block(number: int) -> BlockRef:
    return BlockRef(
        number=BlockNumber(number),
        hash=Hash(f"0x{number:064x}"),
        parent_hash=Hash(f"0x{number - 1:064x}"),
        timestamp_s=Seconds(number),
    )


def seen(number: int) -> BlockSeen:
    return BlockSeen(term=Term(1), block=block(number), base_fee_wei=Wei(7), logs=())


@pytest.fixture
def kept(desk):
    """A book of the toy chain that a worker has committed: its log on events.v1, its entries on state.v1."""
    watcher = started(3)
    watcher.chain.mine(0)
    watcher.chain.mint(OWNER, -300, 200, 10**18)
    watcher.tell()
    for _ in range(4):
        watcher.block()
    return Kept(desk, watcher)


class Kept:
    """A shard that the test folds itself, and commits up to any record."""

    def __init__(self, desk, watcher) -> None:
        self.desk, self.watcher = desk, watcher
        self.shard = Shard(shard_of(BookId("alpha"), PARTITIONS))
        self.taken = 0
        self.told: list[TopicRecord] = []
        desk.create_topics()
        self.append()
        self.commit()

    def append(self) -> None:
        """Append the watcher's new records to the log."""
        self.desk.append(self.shard.id, *self.watcher.log[self.taken :])
        self.unread, self.taken = self.watcher.log[self.taken :], len(self.watcher.log)

    def commit(self, **entries) -> None:
        """Fold the log and commit the entries, with some changed by the test."""
        self.told += fold_log(
            self.shard,
            ((Offset(at), encode(e)) for at, e in enumerate(self.unread, self.shard.cursor + 1)),
        )
        self.unread = []
        for key, value in entries.items():
            self.shard.tables.put(key, value)
        found = self.shard.tables.entries().items()
        records = [(STATE.name, key, encode_entry(value)) for key, value in found]
        self.desk.commit(self.shard.id, *records)

    def entry(self, key: bytes) -> bytes | None:
        """Return an entry as it is on state.v1."""
        value = self.shard.tables.entries().get(key.decode(errors="replace"))
        return None if value is None else encode_entry(value)

    @property
    def said(self):
        return [decode_output(record.value) for record in self.told if record.value is not None]

    @property
    def book(self):
        return policy()

    @property
    def stock(self):
        return stock_of(self.shard, self.book)
