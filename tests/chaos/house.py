"""A deployment under test: broker, chain, order flow, watchers, workers and observers."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from chaos.audit import Audit, Finding
from chaos.books import POOLS_OF, policy_of
from chaos.crew import Member
from chaos.door import Door
from chaos.ground import BEFORE_BLOCKS, Ground, HouseError, listen_twice
from chaos.ledger import Ledger
from chaos.proxy import NodeProxy
from chaos.rules import count_said
from chaos.tail import BrokerAwayError

from pipeline.errors import InfrastructureError
from pipeline.messages.events import Event, PolicyRemoved, PolicySet
from pipeline.messages.policy import Policy
from pipeline.units import BookId, ChainId
from streams.devnet import net
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.ports import HOST, free_port
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import encode
from streams.kafka.topics import EVENTS, ensure_topics, shard_of
from streams.policy_rollout import appending

PARTITIONS = 4
PATIENCE_S = 180.0
"""Slowness is not a failure; silence for so long is."""


GROWTH_BYTES = 64 * 1024 * 1024
SANE_BYTES = 256 * 1024 * 1024
"""What a process may have in use, and by how much more than before while the broker is away."""


class House(Ground):
    """Everything that runs, and the means to disturb it."""

    def __init__(self, devnet: net.Devnet, seed: int, *, hurried: bool) -> None:
        super().__init__(devnet, seed)
        self.hurried = hurried
        self.longest_away_s = 20.0 if hurried else 70.0
        """So long the broker is away at most."""
        self.rules: Counter[str] = Counter()
        self.bootstrap = devnet.bootstrap_servers
        self.chain_id = ChainId(devnet.world.chain_id)
        self.ledger = Ledger(self.bootstrap, self.chain_id, PARTITIONS, self.rules)
        self.audit = Audit(self.ledger, self.bootstrap, self.chain_id, self.rules)
        self.proxy = NodeProxy(devnet.rpc_url, free_port())
        self.door = Door(free_port(), free_port())
        self.members: dict[str, Member] = {}
        self.policies: dict[str, Policy] = {}
        self.most_rss_bytes = 0
        self._tasks: list[asyncio.Task[Any]] = []

    # -------------------------------------------------------------- up and down
    async def begin(self) -> None:
        """Start everything, read every book, and let the orders flow."""
        for _ in range(BEFORE_BLOCKS):
            await self.on_chain(self.devnet.flow.block)
        listen_twice(self.devnet.broker, self.door.broker_port, self.door.port)
        await self.proxy.start()
        await self.door.start()
        await ensure_topics(KafkaAccess(self.bootstrap), self.chain_id, PARTITIONS)
        for book in POOLS_OF:
            await self.apply(policy_of(self.devnet.world, book))
        self.member("watch", "n1").start()
        self.member("work", "w1").start()
        self.member("work", "w2", by_the_door=True).start()
        self._tasks = [asyncio.create_task(self.flow()), asyncio.create_task(self._look_after())]
        self.flowing.set()
        await self.until(self.is_up, "every book was read")

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members.values():
            await member.leave_for_dead()
        await self.ledger.close()
        await self.audit.close()
        await self.door.stop()
        await self.proxy.stop()

    def member(self, kind: str, name: str, *, by_the_door: bool = False) -> Member:
        """Find a watcher or worker by name, or hire one."""
        if name not in self.members:
            port = self.door.port if by_the_door else self.devnet.broker.port
            env = {
                "EVENKEEL_BROKER": f"{HOST}:{port}",
                "EVENKEEL_CHAIN_ID": str(self.chain_id),
                "EVENKEEL_RPC_URL": self.proxy.url_for(name),
                "EVENKEEL_PARTITIONS": str(PARTITIONS),
            }
            self.members[name] = Member(kind, name, self.devnet.folder, env, hurried=self.hurried)
        return self.members[name]

    def running(self, kind: str) -> list[Member]:
        return [member for member in self.members.values() if member.kind == kind and member.is_running]

    def watcher(self) -> Member:
        """Find the watcher whose records count."""
        return self.members[self.ledger.pages[0].writer.instance]

    def other_watcher(self) -> Member:
        return self.member("watch", "n2" if self.watcher().name == "n1" else "n1")

    async def ensure_workers(self, count: int) -> None:
        """Have so many workers at least, each with its share."""
        names = [name for name in ("w1", "w2", "w3") if not self.member("work", name).is_wanted]
        if 3 - len(names) < count:
            for name in names[: count - 3 + len(names)]:
                self.members[name].start()
            await self.blocks(20)

    def check_memory(self, before_bytes: Mapping[int, int]) -> None:
        """Hold what each process has in use against what it had, and against what is sane."""
        for member in self.running("work") + self.running("watch"):
            grown = member.rss_bytes() - before_bytes.get(member.pid, SANE_BYTES)
            if grown > GROWTH_BYTES or member.rss_bytes() > SANE_BYTES:
                raise HouseError(
                    f"{member.name} has {member.rss_bytes():,} bytes in use, {grown:,} more than before"
                )

    # -------------------------------------------------------------- the log
    async def apply(self, policy: Policy) -> None:
        self.policies[policy.book] = policy
        await self.tell(shard_of(policy.book, PARTITIONS), PolicySet(policy=policy))

    def usual_policy(self, book: str) -> Policy:
        return policy_of(self.devnet.world, book)

    async def remove(self, book: str) -> None:
        del self.policies[book]
        await self.tell(shard_of(BookId(book), PARTITIONS), PolicyRemoved(book=BookId(book)))

    async def tell(self, shard: int, *events: Event) -> None:
        """Append events as `apply` and operators do, who try again while the broker is away."""
        await self.write(shard, [encode(event) for event in events])

    async def write(self, shard: int, payloads: Sequence[bytes | None]) -> None:
        """Append whatever bytes. What was in doubt may come twice."""
        left = list(payloads)
        deadline_s = time.monotonic() + PATIENCE_S
        while left:
            try:
                async with appending(KafkaAccess(self.bootstrap)) as producer:
                    while left:
                        await producer.send_and_wait(
                            EVENTS.on(self.chain_id), key=b"-", value=left[0], partition=shard
                        )
                        del left[0]
            except (InfrastructureError, OSError):
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(0.5)

    # -------------------------------------------------------------- waiting
    async def until(
        self, holds: Callable[[], bool], what: str, *, within_s: float = PATIENCE_S, logs_only: bool = False
    ) -> None:
        """Read on until something holds. Raises: HouseError with what everybody said last."""
        deadline_s = time.monotonic() + within_s
        while True:
            with suppress(BrokerAwayError):
                await (self.ledger.read_logs() if logs_only else self.ledger.read())
                if holds():
                    return
            if time.monotonic() > deadline_s:
                raise HouseError(f"waited {within_s:.0f} s until {what}:\n{await self._situation()}")
            await asyncio.sleep(0.02)

    async def comes_true(self, holds: Callable[[], bool], *, within_s: float) -> bool:
        """Ask whether the logs come to say something in time."""
        deadline_s = time.monotonic() + within_s
        while not holds() and time.monotonic() < deadline_s:
            with suppress(BrokerAwayError):
                await self.ledger.read_logs()
        return holds()

    def is_up(self) -> bool:
        """Return whether every book's shard has a head and nothing left to read."""
        ledger = self.ledger
        return all(ledger.heads.get(shard) is not None for shard in ledger.booked) and not any(
            page.unread for page in ledger.pages
        )

    async def recovered(self) -> None:
        """Wait until every shard with books has committed a block that was mined after this call."""
        at = (await self.head()).number
        booked = {shard_of(BookId(book), PARTITIONS) for book in self.policies}
        what = f"the shards {sorted(booked)} came to a block above {at}"

        def is_past() -> bool:
            return all((head := self.ledger.heads.get(shard)) and head.number > at for shard in booked)

        while True:
            await self.until(is_past, what)
            heads = [head for shard in booked if (head := self.ledger.heads[shard]) is not None]
            if all([await self.is_on_chain(head) for head in heads]):
                return
            await asyncio.sleep(0.05)  # heads of a lost branch

    async def settle(self) -> None:
        """Wait until all stand at the chain's head, with the whole log applied. Nothing must be mined."""
        head = await self.head()
        booked = {shard_of(BookId(book), PARTITIONS) for book in self.policies}

        def is_settled() -> bool:
            ledger = self.ledger
            return (
                set(ledger.booked) == booked
                and all((at := ledger.heads.get(shard)) and at.hash == head.hash for shard in booked)
                and not any(page.unread for page in ledger.pages)
                and all(ledger.cursors.get(n, -1) == page.end - 1 for n, page in enumerate(ledger.pages))
            )

        await self.until(is_settled, f"all stood at block {head.number}")

    async def verdict(self) -> Finding:
        """Compare everything since the last time."""
        async with self.standing_still():
            finding = await self.audit.look(self.devnet.rpc_url, self.settle)
        self.count_said()
        return finding

    def counted(self, rule: str) -> int:
        """Count how often a rule has fired by now."""
        self.count_said()
        return self.rules[rule]

    def count_said(self) -> None:
        for member in self.members.values():
            count_said(member, self.rules)

    async def _look_after(self) -> None:
        """Watch the memory of all processes."""
        while True:
            self.most_rss_bytes = max(
                (
                    self.most_rss_bytes,
                    *(member.rss_bytes() for member in self.members.values() if member.process),
                )
            )
            await asyncio.sleep(0.5)

    async def _situation(self) -> str:
        ledger = self.ledger
        told = [f"the chain stands at {(await self.head()).number}"]
        for shard, page in enumerate(ledger.pages):
            head, committed = page.tables.head, ledger.heads.get(shard)
            told.append(
                f"shard {shard}: log at {head.number if head else None} ({page.end} records), committed at "
                f"{committed.number if committed else None} ({ledger.cursors.get(shard)}), "
                f"wanted {page.unread[:3]}, halted {'halted' in page.tables.entries()}"
            )
        told += [
            f"{member.name} runs: {member.is_running}, ended {member.ends}\n"
            + "\n".join(line[-400:] for line in member.last_lines(8).splitlines())
            for member in self.members.values()
        ]
        return "\n".join(told)


@asynccontextmanager
async def opened(folder: Path, seed: int, *, hurried: bool) -> AsyncIterator[House]:
    """Start a deployment on a devnet of its own, and stop it at the end."""
    # it tells every try to reach a broker that is away
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    cache = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
    with net.up(folder, seed=seed, cache=cache, usual_ports=False) as devnet:
        house = House(devnet, seed, hurried=hurried)
        try:
            await house.begin()
            yield house
        finally:
            await house.end()
