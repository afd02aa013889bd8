"""The commands against a real broker: what they append, and that they show what is committed, all of it, no more."""

import asyncio
import csv
import io
import itertools
import json
import logging
import os
import random
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from builders import MANAGER as TOY_MANAGER
from builders import OWNER, STRANGER, policy, started
from builders import POOL as TOY_POOL
from intents import intent
from msgspec.structs import replace

from pipeline.advance.books import stock_of
from pipeline.errors import StateSpoiledError
from pipeline.keys import allowance, family
from pipeline.messages.base import BlockRef, Cause
from pipeline.messages.decisions import Declined, RebalanceProposed, StepRefused
from pipeline.messages.effects import Goal, Plan
from pipeline.messages.entries import Allowance, Cursor, Halted, Pause, Pool, Quarantine, Route
from pipeline.messages.events import BlockSeen, NftAdopted, Paused, PolicySet, Signed
from pipeline.messages.nfts import Departure
from pipeline.messages.processes import ProcessSeen, ShardHead
from pipeline.state.shard import Shard
from pipeline.units import ChainId
from streams import processes
from streams.cli import holdings, main, topics
from streams.human import bps_text
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.codec import MAX_PAYLOAD_BYTES, decode_event, decode_output, encode, encode_entry
from streams.kafka.readers import reading
from streams.kafka.topics import (
    BOOKS,
    DEAD_LETTERS,
    DECISIONS,
    EVENTS,
    INTENTS,
    OUTPUTS,
    PROCESSES,
    STATE,
    TopicRecord,
    ensure_topics,
    shard_of,
)
from streams.policy_rollout import append, appending
from streams.process import code_of
from streams.verify import Verdict, against_the_fold, load_shard
from streams.watch.kafka_log import KafkaLog
from streams.watch.port import ROUTING
from streams.work.fold import fold_log

pytestmark = pytest.mark.kafka

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


def live_portfolio(desk: "Desk", limits: str = BOUNDED, rerange: str = "{half_width_ticks: 100}") -> Path:
    """Write a portfolio of one live book."""
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


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """A user at a terminal: a folder, an environment, and a deployment of their own on the shared broker."""

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
                return [record.value async for record in reader.read({part: 0})]

        return asyncio.run(read())

    def policies(self) -> list[tuple[str, str]]:
        """List what was ever set, by shard: book and version."""
        events = [event for shard in range(PARTITIONS) for event in self.log(shard)]
        return [(e.policy.book, e.policy.policy_version) for e in events if isinstance(e, PolicySet)]

    def append(self, shard: int, *events) -> None:
        async def send() -> None:
            async with appending(KafkaAccess(self.bootstrap)) as producer:
                for event in events:
                    await append(producer, self.chain_id, shard, event)

        asyncio.run(send())

    def commit(self, shard: int, *records: tuple[str, str, bytes | None], then: str = "commit") -> None:
        asyncio.run(self._commit(shard, records, then))

    async def _commit(self, shard: int, records, then: str) -> None:
        producer = await self._transacting(shard, then)
        try:
            await producer.begin_transaction()
            for topic, key, value in records:
                full = f"evenkeel-{self.chain_id}.{topic}"
                await producer.send_and_wait(full, key=key.encode(), value=value, partition=shard)
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
def desk(tmp_path, monkeypatch, capsys, broker):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EVENKEEL_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["evenkeel", *arguments])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code
        return Done(code, *capsys.readouterr())

    made = Desk(tmp_path, broker.bootstrap_servers, run)
    monkeypatch.setenv("EVENKEEL_BROKER", made.bootstrap)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(made.chain_id))
    monkeypatch.setenv("EVENKEEL_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("COLUMNS", "250")
    yield made
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def block(number: int) -> BlockRef:
    return BlockRef(
        number=number, hash=f"0x{number:064x}", parent_hash=f"0x{number - 1:064x}", timestamp_s=number
    )


def seen(number: int) -> BlockSeen:
    return BlockSeen(term=1, block=block(number), base_fee_wei=7, logs=())


# ------------------------------------------------------------------ apply
def test_apply_appends_each_book_to_its_shard_once(desk):
    desk.portfolio(a_book("one", 1), a_book("two", 2), a_book("three", 3))
    dry = desk.run("apply", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.count(" new ") == 3

    first = desk.run("apply")
    assert (first.code, first.err) == (0, "")
    assert first.out.count(" new ") == 3
    after_first = desk.policies()
    assert {book for book, _ in after_first} == {"one", "two", "three"}
    for shard in range(PARTITIONS):
        for event in desk.log(shard):
            assert shard_of(event.policy.book, PARTITIONS) == shard

    again = desk.run("apply")
    assert again.code == 0
    assert again.out.count("as it is") == 3
    assert desk.policies() == after_first


def test_apply_appends_only_what_changed(desk):
    desk.portfolio(a_book("one", 1), a_book("two", 2, pool=OTHER_POOL))
    desk.run("apply")
    desk.portfolio(a_book("one", 1), a_book("two", 2, pool=OTHER_POOL, band="12%"))
    dry = desk.run("apply", "--dry-run")
    assert "strategy.band 10% -> 12%" in dry.out
    assert len(desk.policies()) == 2
    desk.run("apply")
    assert sorted(book for book, _ in desk.policies()) == ["one", "two", "two"]


def test_apply_reads_what_the_shard_has_committed_and_the_log_after_it(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    (event,) = desk.log(shard)
    entries = [("policy/one", event.policy), ("cursor", Cursor(offset=0))]
    desk.commit(shard, *((STATE.name, key, encode_entry(value)) for key, value in entries))
    assert "as it is" in desk.run("apply").out
    # the same under a cursor whose policy is gone: refused by the shard, say, or removed
    desk.commit(shard, (STATE.name, "policy/one", None))
    assert " new " in desk.run("apply").out
    assert "as it is" in desk.run("apply").out  # found in the log behind the cursor
    assert len(desk.log(shard)) == 2


def test_a_book_is_removed_with_prune_only(desk):
    desk.portfolio(a_book("one", 1), a_book("two", 2))
    desk.run("apply")
    desk.portfolio(a_book("one", 1))
    kept = desk.run("apply")
    assert kept.err == "still in force, not in the file: two (--prune removes them)\n"
    pruned = desk.run("apply", "--prune")
    assert "removed" in pruned.out
    assert desk.run("apply", "--prune").out.count("removed") == 0


def test_another_number_of_partitions_is_refused(desk, monkeypatch):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    monkeypatch.setenv("EVENKEEL_PARTITIONS", "5")
    refused = desk.run("apply")
    assert refused.code == 1
    assert "partitions is 3, must be 5" in refused.err


# ------------------------------------------------------------------ pause and resume
def test_pause_and_resume_go_where_they_belong(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    assert desk.run("pause", "book/one", "--reason", "lunch").code == 0
    assert desk.run("resume", "all").code == 0
    assert [type(event).__name__ for event in desk.log(shard)] == ["PolicySet", "Paused", "Resumed"]
    assert desk.log(shard)[1].reason == "lunch"
    for other in set(range(PARTITIONS)) - {shard}:
        assert [type(event).__name__ for event in desk.log(other)] == ["Resumed"]
    assert desk.run("resume", f"shard/{shard}").code == 0
    assert [event.scope for event in desk.log(shard)[1:]] == ["book/one", "all", "shard"]
    assert f"shard/{PARTITIONS} is no shard: 0 to 2" in desk.run("resume", f"shard/{PARTITIONS}").err
    unknown = desk.run("pause", "book/onee")
    says = "error: there is no book onee; did you mean one?; there are one\n"
    assert (unknown.code, unknown.err) == (1, says)


@pytest.mark.parametrize(
    "item",
    [
        "pool/0x123",
        "pool/0x",
        f"position/{MANAGER}/-1",
        f"position/{MANAGER}/x",
        f"balance/{MANAGER}",
        f"pool/{OTHER_POOL}",
    ],
)
def test_a_resume_of_what_nobody_follows_writes_nothing(kept, desk, item):
    before = [len(desk.log(shard)) for shard in range(PARTITIONS)]
    done = desk.run("resume", item)
    assert done.code == 1
    assert item in done.err
    assert [len(desk.log(shard)) for shard in range(PARTITIONS)] == before


def test_a_resume_of_an_item_goes_to_the_shards_that_follow_it(kept, desk):
    before = [len(desk.log(shard)) for shard in range(PARTITIONS)]
    assert desk.run("resume", f"pool/{TOY_POOL}").code == 0
    grown = [len(desk.log(shard)) - n for shard, n in enumerate(before)]
    assert grown == [int(shard == kept.shard.id) for shard in range(PARTITIONS)]


def test_what_a_stranger_sent_is_named_and_an_operator_adopts_it(kept, desk):
    had = desk.run("inventory", "--json").objects[0]["set_apart"]
    chain = kept.watcher.chain
    chain.mine(0)
    number = chain.mint(OWNER, -500, 500, 10**12, sender=STRANGER)
    kept.watcher.tell()
    kept.append()
    kept.commit()
    item = f"position/{TOY_MANAGER}/{number}"
    (told,) = desk.run("inventory", "--json").objects
    assert set(told["set_apart"]) - set(had) == {item}
    numbers = ", ".join(each.rpartition("/")[2] for each in told["set_apart"])
    for command in ("inventory", "positions"):
        assert f"alpha: does without NFT {numbers}, which" in desk.run(command).err
    before = len(desk.log(kept.shard.id))
    for wrong in (("999",), (str(number), "--book", "beta")):
        assert desk.run("adopt", *wrong).code == 1
    assert len(desk.log(kept.shard.id)) == before
    assert desk.run("adopt", str(number), "--reason", "mine").code == 0
    assert desk.run("adopt", str(number), "--ignore", "--book", "alpha").code == 0
    words = [e for e in desk.log(kept.shard.id) if isinstance(e, NftAdopted)]
    assert [(e.item, e.ours, e.reason) for e in words] == [(item, True, "mine"), (item, False, "by hand")]


# ------------------------------------------------------------------ topics
def test_topics_are_listed_and_missing_ones_named(desk):
    nothing = desk.run("topics", "list")
    assert nothing.code == 1
    assert f"there is no topic evenkeel-{desk.chain_id}.events.v1" in nothing.err
    desk.create_topics()
    listed = desk.run("topics", "list", "--json").objects
    assert {"topic": f"evenkeel-{desk.chain_id}.books.v1", "records": ["0"] * PARTITIONS} in listed


def test_tail_shows_once_what_comes_while_it_begins_and_ends_with_what_was_there(desk, monkeypatch):
    desk.create_topics()
    desk.commit(1, (DECISIONS.name, "k", b'{"type":"Early"}'))

    async def meanwhile(*_):
        await desk._commit(1, ((DECISIONS.name, "k", b'{"type":"Late"}'),), "commit")
        return {}

    monkeypatch.setattr(topics, "_policies", meanwhile)
    for last in ("1", "5"):
        shown = desk.run("topics", "tail", "decisions", "--no-follow", "-n", last).out.splitlines()
        assert sum("Late" in line for line in shown) == (last == "5")
        assert sum("Early" in line for line in shown) == 1
        assert len(shown) == 1 + (last == "5")


def test_tail_shows_what_is_committed_and_nothing_else(desk):
    desk.create_topics()
    for i in range(5):
        desk.commit(1, (DECISIONS.name, "k", b'{"type":"Good","n":"%d"}' % i))
        desk.commit(1, (DECISIONS.name, "k", b'{"type":"Aborted"}'), then="abort")
    lines = desk.run("topics", "tail", "decisions", "--no-follow", "--from-beginning", "--json").objects
    assert [line["value"] for line in lines] == [{"type": "Good", "n": str(i)} for i in range(5)]
    assert all(isinstance(line["offset"], str) for line in lines)
    two = desk.run("topics", "tail", "decisions.v1", "--no-follow", "-n", "2", "--json").objects
    assert [line["value"]["n"] for line in two] == ["3", "4"]
    other = desk.run("topics", "tail", "decisions", "--no-follow", "--shard", "0")
    assert (other.code, other.out) == (0, "")
    beyond = desk.run("topics", "tail", "decisions", "--no-follow", "--shard", "7")
    assert "has no shard 7, only 0 to 2" in beyond.err


def test_tail_shows_what_is_no_json_and_tombstones(desk):
    desk.create_topics()
    desk.commit(0, (BOOKS.name, "book/x", b"\xff[red]no json"), (BOOKS.name, "book/x", None))
    shown = desk.run("topics", "tail", "books", "--no-follow")
    assert "book/x no JSON, 13 bytes" in shown.out
    assert "book/x: gone" in shown.out
    as_json = desk.run("topics", "tail", "books", "--no-follow", "--json").objects
    assert [line["value"] for line in as_json] == ["\ufffd[red]no json", None]


# ------------------------------------------------------------------ positions and inventory
@pytest.fixture
def kept(desk):
    """A book of the toy chain as a worker has committed it: its log on events.v1, its entries on state.v1."""
    watcher = started(3)
    watcher.chain.mine(0)
    watcher.chain.mint(OWNER, -300, 200, 10**18)
    watcher.tell()
    for _ in range(4):
        watcher.block()
    return Kept(desk, watcher)


class Kept:
    """A shard folded by hand, of which a test says how much is committed."""

    def __init__(self, desk, watcher) -> None:
        self.desk, self.watcher = desk, watcher
        self.shard = Shard(shard_of("alpha", PARTITIONS))
        self.taken = 0
        self.told: list[TopicRecord] = []
        desk.create_topics()
        self.append()
        self.commit()

    def append(self) -> None:
        """Put what the watcher has written since onto the log."""
        self.desk.append(self.shard.id, *self.watcher.log[self.taken :])
        self.unread, self.taken = self.watcher.log[self.taken :], len(self.watcher.log)

    def commit(self, **entries) -> None:
        """Fold what is on the log, and commit it, with some entries put in by hand."""
        self.told += fold_log(self.shard, enumerate(map(encode, self.unread), self.shard.cursor + 1))
        self.unread = []
        for key, value in entries.items():
            self.shard.tables.put(key, value)
        found = self.shard.tables.entries().items()
        records = [(STATE.name, key, encode_entry(value)) for key, value in found]
        self.desk.commit(self.shard.id, *records)

    def entry(self, key: bytes) -> bytes | None:
        """Give an entry as it is on state.v1."""
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


def test_inventory_is_computed_from_the_state_as_committed(kept, desk):
    (shown,) = desk.run("inventory", "--json").objects
    stock = kept.stock
    assert stock.value_quote > 0
    assert shown["value_quote"] == str(stock.value_quote)
    assert shown["base_share_bps"] == str(stock.base_share_bps)
    assert shown["block"] == str(kept.shard.tables.head.number)
    assert (shown["marks"], shown["records_behind"], shown["mode"]) == ([], "0", "dry-run")
    assert int(shown["age_s"]) < 60
    text = desk.run("inventory").out
    for part in (bps_text(stock.base_share_bps), "50% ±3%", "USDC", "WETH", "well"):
        assert part in text, part


def test_what_is_on_the_log_and_not_in_the_state_is_told_beside_the_numbers(kept, desk, monkeypatch):
    kept.watcher.block()
    kept.append()
    behind = len(kept.unread)
    assert behind
    (shown,) = desk.run("inventory", "--json").objects
    assert shown["records_behind"] == str(behind)
    monkeypatch.setattr(holdings, "_SLOW_S", -1)
    assert f"{behind} records behind for" in desk.run("inventory").out
    assert "is `evenkeel work` running?" in desk.run("positions").out
    doctor = desk.run("doctor")
    assert doctor.code == 1
    assert "records behind" in doctor.out
    kept.commit()
    assert desk.run("inventory", "--json").objects[0]["records_behind"] == "0"


def test_a_log_that_stands_still_is_told(kept, desk, monkeypatch):
    assert "no new block" not in desk.run("inventory").out
    monkeypatch.setattr(holdings, "STALE_S", -1)
    assert "no new block for" in desk.run("inventory").out


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"pause/all": Pause(reason="a look", by="me@here")}, "paused (all) by me@here: a look"),
        ({"pause/book/alpha": Pause(reason="why", by="me")}, "paused (book/alpha) by me: why"),
        ({"halted": Halted(reason="a reorg of 70")}, "is halted: a reorg of 70"),
        (
            {f"quarantine/pool/{TOY_POOL}": Quarantine(reason="not the curve's", at_block=7)},
            f"in quarantine: pool/{TOY_POOL}: not the curve's",
        ),
    ],
)
def test_what_stops_a_book_stands_beside_its_numbers_and_the_doctor_is_not_well(kept, desk, entries, says):
    kept.commit(**entries)
    for command in ("inventory", "doctor"):
        assert says in desk.run(command).out, command
    (shown,) = desk.run("inventory", "--json").objects
    assert any(says in mark for mark in shown["marks"])
    assert desk.run("doctor").code == 1


def test_an_nft_that_left_stands_below_the_inventory(kept, desk):
    item, at = f"position/{TOY_MANAGER}/7", kept.shard.tables.head
    left = Departure(book="alpha", to=STRANGER, transaction_hash="0xab", value_quote=12_345_678, block=at)
    kept.commit(**{f"departure/{item}": left, "departure/position/m/8": replace(left, book="other")})
    said = " ".join(desk.run("inventory").err.split())
    assert f"alpha: NFT 7, worth 12.3456 USDC, has left for {STRANGER} at block {at.number} (" in said
    assert said.endswith(") by transaction 0xab")
    (shown,) = desk.run("inventory", "--json").objects
    assert [(each["item"], each["value_quote"]) for each in shown["left"]] == [(item, "12345678")]


def processes_seen(desk, *seen):
    async def send() -> None:
        async with appending(KafkaAccess(desk.bootstrap)) as producer:
            for each in seen:
                await producer.send_and_wait(
                    PROCESSES.on(desk.chain_id), key=each.key.encode(), value=encode(each), partition=0
                )

    asyncio.run(send())


def test_a_process_that_has_fallen_silent_is_named_and_the_doctor_is_not_well(kept, desk, monkeypatch):
    """The heads, the last error and the age of each; and, where books are in force, the roles that nobody has."""
    usual = ProcessSeen(
        role="work", instance="a", signer=None, pid=7, release="1.2", started_at_s=int(time.time()) - 90, beat_s=600,
        heads=(ShardHead(shard=1, block=17),), newest_block=None, last_error="no broker",
        last_error_at_s=int(time.time()) - 30,
    )  # fmt: skip
    processes_seen(desk, usual, replace(usual, role="watch", instance="b", heads=(), last_error=None))
    assert "heartbeat" not in desk.run("inventory").err
    shown = " ".join(desk.run("doctor").out.split())
    assert "work a well version 1.2, pid 7, up for 1m" in shown
    assert "at block 17 (shard 1); last warning or error " in shown
    assert "no `evenkeel watch`" not in shown
    assert (
        "rehearse well no `evenkeel rehearse` shows a heartbeat: proposals of dry-run books are not tried"
        in shown
    )
    monkeypatch.setattr(processes, "STALE_BEATS", -1)
    stale = desk.run("doctor")
    assert stale.code == 1
    assert "work a WRONG `evenkeel work` of a is stale: no heartbeat for" in " ".join(stale.out.split())
    assert "no `evenkeel watch` shows a heartbeat: no block is followed" in " ".join(stale.out.split())
    for command in ("inventory", "positions"):
        assert "`evenkeel watch` of b is stale: no heartbeat for" in " ".join(desk.run(command).err.split())


def test_an_inventory_that_is_not_known_is_no_number(kept, desk):
    kept.commit(**{f"route/pool/{TOY_POOL}": Route(observed_at_block=None)})
    (shown,) = desk.run("inventory", "--json").objects
    assert "value_quote" not in shown
    assert shown["marks"] == [f"not read yet: pool/{TOY_POOL}"]
    assert "?" in desk.run("inventory").out
    assert "its positions are not known" in desk.run("positions").err


def test_a_book_that_no_worker_has_taken_up_is_shown_as_that(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    assert "its shard has not taken it up yet: is `evenkeel work` running?" in desk.run("inventory").out


def test_positions_are_of_the_same_head_as_the_inventory_and_show_prices(kept, desk):
    shown = desk.run("positions", "--json").objects
    assert {each["block"] for each in shown} == {desk.run("inventory", "--json").objects[0]["block"]}
    parts = ("principal0", "fees0")
    total = sum(int(each[part]) for each in shown for part in parts)
    (base,) = [h for h in kept.stock.holdings if h.token == kept.book.base]
    assert total == base.principal + base.fees
    assert len({each["token_id"] for each in shown}) == len(shown) > 0
    text = desk.run("positions").out
    for part in ("WETH/USDC 0.05%", "ticks -300..200", "in range", " + "):
        assert part in text, part


def test_an_emptied_position_is_not_shown_once_nothing_is_owed(kept, desk):
    chain = kept.watcher.chain
    before = {each["token_id"] for each in desk.run("positions", "--json").objects}
    gone = next(n for n, nft in chain.nfts.items() if nft.owner == OWNER and nft.liquidity)
    chain.mine(0)
    chain.decrease(gone, chain.nfts[gone].liquidity)
    chain.collect(gone)
    kept.watcher.tell()
    kept.append()
    kept.commit()
    assert {each["token_id"] for each in desk.run("positions", "--json").objects} == before - {str(gone)}


def test_an_unknown_book_is_an_error_that_names_those_there_are(kept, desk):
    for command in ("inventory", "positions"):
        done = desk.run(command, "--book", "alhpa")
        assert done.code == 1
        assert "there is no book alhpa; did you mean alpha?; there are alpha" in done.err


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("command", ["inventory", "positions", "doctor"])
def test_nothing_of_a_screen_is_cut_off(kept, desk, monkeypatch, command, columns):
    whole = desk.run(command).out
    monkeypatch.setenv("COLUMNS", columns)
    narrow = desk.run(command).out
    assert max(map(len, narrow.splitlines())) <= int(columns)
    assert "…" not in narrow or "…" in whole
    lost = set(re.findall(r"[\w.,%±]+", whole)) - set(re.findall(r"[\w.,%±]+", narrow)) - _moving(whole)
    assert not lost


def _moving(text: str) -> set[str]:
    """Find the ages, which differ from one look to the next."""
    return set(re.findall(r"\d+[smhd]\w*", text))


def test_the_doctor_misses_what_forks_the_chain(desk, monkeypatch, tmp_path):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path / "nothing"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no anvil here to fork the chain with, for one" in desk.run("doctor").out


def test_the_doctor_finds_what_is_wrong(desk):
    sick = desk.run("doctor")
    assert sick.code == 1
    assert "missing topics" in sick.out
    assert "rpc_url is not set" in sick.out
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    assert "one: its shard has not taken it up yet: is `evenkeel work` running?" in desk.run("doctor").out
    wrong = Pool(
        **(dict.fromkeys(Pool.__struct_fields__, 0) | {"token0": MANAGER, "token1": USDC, "decimals1": 8})
    )
    desk.commit(0, (STATE.name, f"pool/{POOL}", encode_entry(wrong)))
    shown = desk.run("doctor").out
    assert "book one: USDC has 8 decimals, not 6" in shown
    assert f"reference_pool {POOL} is not one of base and quote" in shown


def test_the_doctor_holds_live_books_against_their_signers_files(desk):
    """A file that allows less is named by book and limit; a book of other pools is none of its business."""
    live_portfolio(desk, "limits: {max_notional: 1000, max_daily_notional: 5000, signer: {max_loss: 0.8%}}")
    assert desk.run("apply", "--live").code == 0
    ((_, version),) = desk.policies()

    def row(max_loss: dict[str, str]) -> str:
        files = [
            signer_file(desk, pool, pool=pool, max_loss=most, version=version)
            for pool, most in max_loss.items()
        ]
        done = desk.run("doctor", *(word for file in files for word in ("--signer", str(file))))
        return " ".join(next(line for line in done.out.splitlines() if line.startswith("signers")).split())

    wider = "one: signer.max_loss 0.8% is wider than its signer's max_loss, 0.7%: it would refuse what needs it (limits)"
    assert row({POOL: "0.7%"}) == f"signers WRONG {wider}"
    assert row({POOL: "0.8%", OTHER_POOL: "0.7%"}) == "signers well allow what is planned by one"


def test_without_books_it_says_what_to_do(desk):
    desk.create_topics()
    assert "there are no books yet: `evenkeel init`" in desk.run("positions").err


# ------------------------------------------------------------------ bytes of strangers
NESTED = b"[" * 10_000
NO_MESSAGES = [
    b"",
    b"\x00\xff",
    b"null",
    b"[1, 2]",
    NESTED,
    b'{"type": ["Declined"], "id": {"a": 1}, "book": ["one"], "because_of": {"shard": "x", "offset": "\xc2\xb2"}}',
    b'{"type": "Declined", "id": 5, "block": {"number": 1, "hash": [2]}, "because_of": {"block": "none"}}',
    b'{"type": "BookView", "book": "alpha", "holdings": [7], "receipts": [3], "intent": ["0123456789abcdef"]}',
]
OVERSIZED = b'"' + b"a" * (MAX_PAYLOAD_BYTES + 1) + b'"'


def test_bytes_that_are_no_message_on_an_output_topic_disturb_no_reader(kept, desk, monkeypatch):
    """Every output topic, every command that reads one; what is right is shown as before."""
    decided = [output.id for output in kept.said if isinstance(output, Declined)]
    asyncio.run(tell(desk, kept))
    before = desk.run("inventory").out
    for topic in (*OUTPUTS, DEAD_LETTERS):
        desk.commit(kept.shard.id, *[(topic.name, f"book/{i}", each) for i, each in enumerate(NO_MESSAGES)])
    asyncio.run(put(desk, kept.shard.id, b"book/alpha", OVERSIZED, topic=BOOKS))
    ways = [(), ("--json",), ("--csv",), ("--raw",), ("--book", "alpha"), ("--type", "Rewound")]
    for topic, used in ((DECISIONS, ways), *((other, ways[:1]) for other in OUTPUTS if other != DECISIONS)):
        name = topic.name.removesuffix(".v1")
        for way in used:
            shown = desk.run("topics", "tail", name, "--no-follow", "--from-beginning", *way)
            assert (shown.code, "Traceback" in shown.err) == (0, False), (name, way, shown.err[-500:])
    found = desk.run("why", decided[0])
    assert found.code == 0, found.err
    assert "Declined" in found.out or "alpha" in found.out
    missing = desk.run("why", "0123456789abcdef")
    assert (missing.code, missing.err) == (1, "error: no intent has the digest 0123456789abcdef\n")
    assert unaged(desk.run("inventory").out) == unaged(before)
    for command in (("positions",), ("plans",), ("intents", "list"), ("topics", "list"), ("state", "show")):
        shown = desk.run(*command)
        assert (shown.code, "Traceback" in shown.err) == (0, False), (command, shown.err[-500:])
    verdict = Verdict()
    asyncio.run(compare(desk, kept.shard.id, verdict))
    assert any(
        "books.v1" in wrong and f"the first that differs: {desk.topic(BOOKS)}" in wrong
        for wrong in verdict.wrong
    )


def test_a_record_of_the_state_that_is_no_entry_is_named_by_its_place_until_it_is_replaced(kept, desk):
    """By everybody who reads the state: worker, watcher, whoever applies, inventory and doctor."""
    for key, payload, why in (
        (b"pool/0x12", b"\x00\xff", "pool/0x12: Input data was truncated|pool/0x12: JSON is malformed"),
        (b"policy/alpha", NESTED, "policy/alpha: "),
        (b"cursor", b'{"offset": "7"', "cursor: "),
        (b"head", OVERSIZED, "head: [0-9]+ bytes, more than "),
        (b"foreign", b"{}", "foreign: no entry has such a key"),
        (b"head/\xff", b"{}", r"head/\\xff: its key is not UTF-8"),
    ):
        good = kept.entry(key)
        end = asyncio.run(put(desk, kept.shard.id, key, payload))
        at = f"{desk.topic(STATE)}[{kept.shard.id}]@{end}"
        checkpoint = KafkaCheckpoint(KafkaAccess(desk.bootstrap), desk.chain_id, instance="test")
        with pytest.raises(StateSpoiledError, match=re.escape(at) + f" is no entry .*: ({why})") as spoiled:
            asyncio.run(opened(checkpoint, kept.shard.id))
        assert code_of(spoiled.value, 70) == 65
        shown = desk.run("inventory")
        assert shown.code == 65, shown.err
        assert shown.err.startswith(
            f"error: {at} is no entry of a shard's state, so the state cannot be known: "
        )
        assert len(shown.err.splitlines()) == 1
        if family(key.decode(errors="replace")) in ROUTING:
            with pytest.raises(StateSpoiledError, match=re.escape(at)):
                asyncio.run(routing(desk, kept.shard.id))
        else:
            asyncio.run(routing(desk, kept.shard.id))
        asyncio.run(put(desk, kept.shard.id, key, good))
    assert desk.run("inventory").code == 0, "what has been replaced does no harm"
    asyncio.run(
        opened(KafkaCheckpoint(KafkaAccess(desk.bootstrap), desk.chain_id, instance="test"), kept.shard.id)
    )


def unaged(table: str) -> str:
    """Leave the ages out of a table, and the width that they give to a column."""
    return re.sub(r"\b\d+s\b|\s+|─+|━+", "", table)


async def tell(desk, kept) -> None:
    """Put what the shard has said where its worker would have."""
    records = [(record.topic, record.key.decode(), record.value) for record in kept.told]
    await desk._commit(kept.shard.id, records, "commit")


async def compare(desk, shard: int, verdict: Verdict) -> None:
    async with reading(KafkaAccess(desk.bootstrap)) as reader:
        await against_the_fold(reader, desk.chain_id, await load_shard(reader, desk.chain_id, shard), verdict)


async def put(desk, shard: int, key: bytes, value: bytes | None, *, topic=STATE) -> int:
    """Write one record as a stranger may: in no transaction, as large as they like once compressed."""
    producer = AIOKafkaProducer(
        bootstrap_servers=desk.bootstrap, compression_type="gzip", max_request_size=64 * 1024 * 1024
    )
    await producer.start()
    try:
        sent = await producer.send_and_wait(desk.topic(topic), key=key, value=value, partition=shard)
    finally:
        await producer.stop()
    return sent.offset


async def opened(checkpoint: KafkaCheckpoint, shard: int) -> None:
    try:
        await checkpoint.open(shard)
    finally:
        await checkpoint.close()


async def routing(desk, shard: int) -> None:
    watched = KafkaLog(KafkaAccess(desk.bootstrap), desk.chain_id, timeout_s=30)
    await watched.start()
    try:
        await watched.state(shard)
    finally:
        await watched.close()


# ------------------------------------------------------------------ state verify
def test_verify_of_nothing_is_not_well(desk, monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "http://127.0.0.1:9")
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    done = desk.run("state", "verify")
    assert done.code == 1
    assert "nothing was compared: no worker has committed a state yet" in done.err


def test_verify_says_what_is_on_the_log_and_in_no_state(kept, desk):
    def verdict() -> Verdict:
        async def compare(found: Verdict) -> Verdict:
            async with reading(KafkaAccess(desk.bootstrap)) as reader:
                loaded = await load_shard(reader, desk.chain_id, kept.shard.id)
                await against_the_fold(reader, desk.chain_id, loaded, found)
            return found

        return asyncio.run(compare(Verdict()))

    assert verdict().behind == []
    kept.watcher.block()
    kept.append()
    says = f"{len(kept.unread)} records of shard {kept.shard.id}, which no worker has taken in"
    assert verdict().behind == [says]


# ------------------------------------------------------------------ why
def test_why_walks_back_over_many_records_to_block_and_policy(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    desk.append(shard, *(seen(number) for number in range(1, 41)))
    desk.portfolio(a_book("one", 1, band="20%"))
    desk.run("apply")  # stands behind the decision's cause: not the policy that was in force
    version = desk.log(shard)[0].policy.policy_version
    said = [
        Declined(
            id=f"dec.{shard}.{offset}.{offset:016x}", because_of=Cause(shard=shard, offset=offset, block=block(offset)),
            book="one", policy_version=version, gate="band", reason="inside_band",
        )
        for offset in range(3, 40, 2)
    ]  # fmt: skip
    for record in said:
        desk.commit(shard, (DECISIONS.name, "book/one", encode(record)))
        desk.commit(shard, (DECISIONS.name, "book/one", encode(record)), then="abort")
    for record in (said[0], said[7], said[-1]):
        output, cause, policy = desk.run("why", record.id, "--json").objects
        assert output["value"]["id"] == record.id
        assert cause["value"]["block"]["number"] == str(record.because_of.offset)
        assert policy["value"]["policy"]["policy_version"] == version
    shown = desk.run("why", said[7].id).out
    assert "inside_band" in shown
    assert "band_bps 1000 (10%)" in " ".join(shown.split())


# ------------------------------------------------------------------ in words
def proposed(book: str, shard: int, offset: int, version: str) -> RebalanceProposed:
    return RebalanceProposed(
        id=f"reb.{shard}.{offset}.{offset:016x}", because_of=Cause(shard=shard, offset=offset, block=block(offset)),
        book=book, policy_version=version, trigger="share_outside_band", base_amount=10**18, quote_amount=10**9,
        value_quote=3 * 10**9, sqrt_price_x96=2**96, base_share_bps=4_040, target_share_bps=5_000,
        deviation_bps=-960, base_to_buy=493 * 10**16, out_of_range_s=0,
    )  # fmt: skip


@pytest.fixture
def decided(desk):
    """A proposal that a guard refused, a pause, and an intent, each by a record of its own."""
    desk.portfolio(a_book("one", 1), a_book("two", 2))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    version = next(version for book, version in desk.policies() if book == "one")
    start = len(desk.log(shard))
    desk.append(
        shard, Paused(scope="book/one", reason="a look", by="ann@desk"), *map(seen, range(start + 1, 40))
    )
    cause = Cause(shard=shard, offset=20, block=block(20))
    refused = StepRefused(
        id=f"stall.{shard}.20.{'b' * 16}", because_of=cause, book="one", plan="plan.x", phase="withdraw",
        reason="swap_limited", detail="the price limit lets only 0 be sold",
    )  # fmt: skip
    declined = Declined(
        id=f"dec.{shard}.25.{'c' * 16}", because_of=Cause(shard=shard, offset=25, block=block(25)), book="one",
        policy_version=version, gate="pause", reason="paused", item="book/one", base_share_bps=4_000,
    )  # fmt: skip
    other = Declined(
        id=f"dec.{shard}.26.{'d' * 16}", because_of=Cause(shard=shard, offset=26, block=block(26)), book="two",
        policy_version=version, gate="band", reason="inside_band",
    )  # fmt: skip
    said = [proposed("one", shard, 20, version), refused, declined, other]
    for each in said:
        desk.commit(shard, (DECISIONS.name, f"book/{each.book}", encode(each)))
    desk.shard = shard
    return said


def test_why_begins_with_a_sentence(decided, desk):
    proposal, refused, declined, _ = decided
    first = desk.run("why", proposal.id).out.splitlines()[0]
    assert first == (
        "one: share 40.4%, band 40% to 60%: would buy 4.9300 WETH; "
        "one: refused at withdraw because swap_limited: the price limit lets only 0 be sold"
    )
    assert desk.run("why", refused.id).out.splitlines()[0].startswith("one: refused at withdraw because swap")
    first = desk.run("why", declined.id).out.splitlines()[0]
    assert first == (
        "one: share 40%, band 40% to 60%: does nothing, an operator has paused book/one; paused by ann@desk: a look"
    )


def test_an_id_with_a_wrong_digit_is_an_error_and_shows_no_block(decided, desk):
    wrong = decided[0].id[:-1] + "f"
    done = desk.run("why", wrong)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: nothing on decisions.v1 has the id {wrong}\n"


def test_why_takes_what_intents_list_shows_and_a_transactions_hash(decided, desk):
    made_at = block(30)
    shown = intent("a1" * 8, made_at=made_at, shard=desk.shard, offset=30)
    shown = msgspec.structs.replace(shown, id=f"int.{desk.shard}.30.{shown.digest}")
    hash_ = "0x" + "7c" * 32
    desk.commit(desk.shard, (INTENTS.name, "book/b1", encode(shown)))
    desk.append(desk.shard, Signed(intent=shown.digest, nonce=3, transaction_hash=hash_))
    by_id = desk.run("why", shown.id)
    assert by_id.code == 0
    assert "its signer said: Signed" in by_id.out.splitlines()[0]
    assert desk.run("why", shown.digest).out == by_id.out
    assert desk.run("why", hash_.upper().replace("0X", "0x")).out == by_id.out
    for unknown in ("f" * 16, "0x" + "00" * 32):
        assert desk.run("why", unknown).code == 1


def test_tail_says_decisions_in_words_and_raw_if_asked(decided, desk):
    words = desk.run("topics", "tail", "decisions", "--no-follow").out
    for part in (
        "would buy 4.9300 WETH",
        "refused at withdraw",
        decided[0].id,
        "two: does nothing, inside its band",
    ):
        assert part in words, part
    raw = desk.run("topics", "tail", "decisions", "--no-follow", "--raw").out
    assert "base_to_buy=4930000000000000000" in raw


def test_tail_is_filtered_by_book_type_and_time(decided, desk):
    def ids(*options: str) -> list[str]:
        lines = desk.run("topics", "tail", "decisions", "--no-follow", "--json", *options).objects
        return [line["value"]["id"] for line in lines]

    one, *_, two = [each.id for each in decided]
    assert ids("--book", "two") == [two]
    assert ids("--type", "RebalanceProposed") == [one]
    assert ids("--book", "two", "--type", "RebalanceProposed") == []
    assert len(ids("--since", "1h")) == 4
    assert ids("--until", "1h") == []
    assert ids("--since", "2999-01-01T00:00") == []
    assert len(ids("--until", "2999-01-01T00:00Z", "--from-beginning")) == 4
    assert ids("--book", "one", "-n", "1") == [decided[2].id]
    for options, says in (
        (("--type", "RebalancePropsed"), "did you mean RebalanceProposed?"),
        (("--since", "yesterday"), "--since: yesterday is not a time"),
        (("--csv", "--json"), "one of them"),
    ):
        done = desk.run("topics", "tail", "decisions", "--no-follow", *options)
        assert done.code == 1
        assert says in done.err


def test_tail_writes_csv_that_reads_back(decided, desk):
    rows = list(
        csv.DictReader(io.StringIO(desk.run("topics", "tail", "decisions", "--no-follow", "--csv").out))
    )
    assert [row["id"] for row in rows] == [each.id for each in decided]
    assert [row["book"] for row in rows] == ["one", "one", "one", "two"]
    assert rows[0]["block"] == "20"
    assert json.loads(rows[0]["value"])["base_to_buy"] == str(493 * 10**16)
    assert rows[0]["sentence"].startswith("RebalanceProposed one: share 40.4%")


def test_a_live_book_leaves_no_plan_in_the_middle_unless_told(desk):
    file = live_portfolio(desk)
    assert desk.run("apply", "--live").code == 0
    shard = shard_of("one", PARTITIONS)
    plan = Plan(
        id="plan.0.1.aa",
        made_at=BlockRef(number=1, hash="0x1", parent_hash="0x0", timestamp_s=1),
        goal=Goal(pool=POOL, tick_lower=-10, tick_upper=10, withdraw=(1,)),
        notional_quote=1,
    )
    desk.commit(shard, (STATE.name, "plan/one", encode_entry(plan)))

    def leave(*words: str):
        file.write_text(file.read_text().replace("mode: live", "mode: watch"))
        return desk.run("apply", "--live", *words)

    told = leave()
    assert told.code == 1
    assert "book one leaves live, but its plan plan.0.1.aa is open, at withdraw: let it end first" in told.err
    assert [e.policy.mode for e in desk.log(shard)] == ["live"]
    file.write_text(file.read_text().replace("mode: watch", "mode: live").replace("100", "200"))
    assert desk.run("apply", "--live").code == 0, "another width changes nothing that a plan rests on"
    assert leave("--leave-plans").code == 0
    assert [e.policy.mode for e in desk.log(shard)] == ["live", "live", "watch"]


def test_a_live_book_whose_spenders_may_go_on_taking_does_not_leave_unless_told(desk):
    """Without its policy nobody would take back what it lets stand."""
    file = live_portfolio(desk, rerange="{half_width_ticks: 100, standing_quote: 500}")
    assert desk.run("apply", "--live").code == 0
    shard = shard_of("one", PARTITIONS)
    (policy,) = [event.policy for event in desk.log(shard)]
    key = allowance(policy.owner, policy.quote, policy.chain.position_manager)
    desk.commit(shard, (STATE.name, key, encode_entry(Allowance(amount=7))))
    bound, text = "standing_quote: 500", file.read_text()
    file.write_text(text.replace("mode: live", "mode: watch"))
    told = desk.run("apply", "--live")
    assert told.code == 1
    says = f"book one leaves live, but spenders may still take of its owner's tokens: 7 of {policy.quote} by {MANAGER}"
    assert says in told.err
    assert "--leave-plans leaves them" in told.err
    file.write_text(text.replace(bound, "standing_quote: 0"))
    assert desk.run("apply", "--live").code == 0, "now they are taken back"
    file.write_text(text.replace("mode: live", "mode: watch"))
    assert desk.run("apply", "--live").code == 0, "what no policy lets stand keeps nobody"
    assert [event.policy.mode for event in desk.log(shard)] == ["live", "live", "watch"]


def test_a_place_is_found_among_neighbours_gaps_and_tombstones(desk):
    desk.create_topics()
    places = [3, 3, None, 4, 7, 7, None, None, 8, 9, None]
    desk.commit(0, *((BOOKS.name, "k", None if at is None else b"%d" % at) for at in places))

    async def first_of(place: int) -> int | None:
        async with reading(KafkaAccess(desk.bootstrap)) as reader:
            shard = TopicPartition(f"evenkeel-{desk.chain_id}.{BOOKS.name}", 0)
            place_of = lambda record: None if record.value is None else int(record.value)  # noqa: E731
            found = reader.read_from_first(shard, place_of, place)
            offsets = [record.offset async for record in found if place_of(record) == place]
            return offsets[0] if offsets else None

    async def first_of_each() -> dict[int, int | None]:
        return {place: await first_of(place) for place in range(2, 11)}

    found = asyncio.run(first_of_each())
    assert found == {place: places.index(place) if place in places else None for place in range(2, 11)}


def test_why_of_an_id_that_is_none(desk):
    desk.create_topics()
    done = desk.run("why", "swap.0123456789abcdef")
    assert (done.code, done.err) == (1, "error: nothing on swaps.v1 has the id swap.0123456789abcdef\n")
