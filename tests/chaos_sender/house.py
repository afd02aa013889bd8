"""A deployment with a live book: broker, chain, order flow, watcher, worker, signer and observers."""

import asyncio
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from chaos.audit import Audit, Finding
from chaos.ledger import Ledger
from chaos.proxy import NodeProxy
from chaos.tail import BrokerAwayError
from chaos_sender.points import PROCESSES
from chaos_sender.setting import BOOK, LIVELY, MakesBook, RerangedBook
from chaos_sender.staff import Staff
from chaos_sender.story import Story, nonce_of

from pipeline.act.settle import is_open, mined
from pipeline.messages.base import BlockRef
from pipeline.messages.effects import Plan
from pipeline.messages.events import PolicySet
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import ChainId, Offset, ShardId
from streams.devnet import net
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import DevnetBlock
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import ensure_topics, shard_of
from streams.policy_rollout import append, appending
from streams.submit.journal_commands import begin_journal
from streams.submit.node import HttpSenderNode
from streams.submit.signer import devnet_signer
from streams.work.fold import fold_log

T = TypeVar("T")

PARTITIONS = 2
BEFORE_BLOCKS = 24
BLOCK_S = 0.35
PATIENCE_S = 150.0
"""Slowness is not a failure; silence for so long is."""
_POLL_S = 0.08
_MOST_ENDS = 4
"""So often a process may end by itself."""


class HouseError(AssertionError):
    """The deployment did not come to where it should."""


class House:
    """Everything that runs, and the means to disturb it."""

    def __init__(
        self,
        devnet: net.Devnet,
        folder: Path,
        seed: int,
        pool: str,
        *,
        proxy_port: int | None = None,
        book: MakesBook = RerangedBook,
    ) -> None:
        self.devnet, self.folder, self.pool = devnet, folder, pool
        self.world, self.chain = devnet.world, devnet.chain
        self.proxy = NodeProxy(devnet.rpc_url, proxy_port or 0)
        """Between the processes and the chain, where a port was given for it."""
        self._rpc_url = devnet.rpc_url if proxy_port is None else self.proxy.url_for("house")
        self.bootstrap, self.chain_id = devnet.bootstrap_servers, ChainId(devnet.world.chain_id)
        self.dice = random.Random(f"{seed}/deaths")
        self.shard = shard_of(BOOK, PARTITIONS)
        rules: Counter[str] = Counter()
        self.ledger = Ledger(self.bootstrap, self.chain_id, PARTITIONS, rules)
        self.audit = Audit(self.ledger, self.bootstrap, self.chain_id, rules)
        self.story = Story(self.bootstrap, self.chain_id)
        self.book = book(devnet.chain, devnet.world, pool)
        self.owner = self.book.owner
        self.first_block = devnet.chain.header().number
        self.first_nonce = nonce_of(devnet.chain, self.owner)
        self.staff = {kind: self._hire(kind) for kind in PROCESSES}
        self.flowing = asyncio.Event()
        self.mined = 0
        self.weather: Callable[[House], None] | None = None
        """What happens before each block of the flow."""
        self.after_block: Callable[[], None] | None = None
        """What happens once, after the next one."""
        self.verdicts: Counter[str] = Counter()
        self.judged_wrong: list[str] = []
        """Plans that were found stuck, or worse than doing nothing."""
        self.over_bps: list[int] = []
        """Of each plan that was judged, what it paid beyond what was foreseen, in bps of its notional."""
        self._twin = Shard(ShardId(self.shard))
        self._twin_read = 0
        self._lock = asyncio.Lock()
        self._flow: asyncio.Task[None] | None = None

    def _hire(self, kind: Any) -> Staff:
        folder = self.folder
        env = {
            "EVENKEEL_BROKER": self.bootstrap,
            "EVENKEEL_CHAIN_ID": str(self.chain_id),
            "EVENKEEL_RPC_URL": self._rpc_url,
            "EVENKEEL_PARTITIONS": str(PARTITIONS),
            "EVENKEEL_FOLDER": str(folder),
        }
        if kind != "submit":
            return Staff(kind, folder, env)
        file = folder / "signer.yaml"
        file.write_text(self.book.signer_file())
        return Staff(kind, folder, env, str(file))

    # -------------------------------------------------------------- up and down
    async def begin(self) -> None:
        """Start everything, and let the orders flow until the book is read."""
        if self._rpc_url != self.devnet.rpc_url:
            await self.proxy.start()
        for _ in range(BEFORE_BLOCKS):
            await self.on_chain(self.block)
        await ensure_topics(KafkaAccess(self.bootstrap), self.chain_id, PARTITIONS)
        await self.apply(self.book.policy())
        await self._begin_journal()
        for staff in self.staff.values():
            staff.start()
        self._flow = asyncio.create_task(self._mine_on())
        self.flowing.set()
        page = self.ledger.pages[self.shard]
        await self.until(lambda: self.ledger.heads.get(self.shard) and not page.unread, "the book was read")

    async def apply(self, policy: Policy) -> None:
        """Put a policy in force."""
        async with appending(KafkaAccess(self.bootstrap)) as producer:
            await append(producer, self.chain_id, self.shard, PolicySet(policy=policy))

    async def _begin_journal(self) -> None:
        """Give the signer its journal: its account has been used while the world was built."""
        node = HttpSenderNode(self.devnet.rpc_url, timeout_s=10)
        try:
            await begin_journal(
                KafkaAccess(self.bootstrap),
                self.chain_id,
                partitions=PARTITIONS,
                node=node,
                signer=devnet_signer(self.owner, self.chain_id),
            )
        finally:
            await node.close()

    async def end(self) -> None:
        if self._flow is not None:
            self._flow.cancel()
            await asyncio.gather(self._flow, return_exceptions=True)
        for staff in self.staff.values():
            await staff.end()
        await self.proxy.stop()
        await self.ledger.close()
        await self.audit.close()
        await self.story.close()

    # -------------------------------------------------------------- the chain
    async def on_chain(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something with the chain while nobody else does."""
        async with self._lock:
            return await asyncio.to_thread(work, *arguments)

    async def head(self) -> DevnetBlock:
        return await self.on_chain(self.chain.header)

    async def _mine_on(self) -> None:
        while True:
            await self.flowing.wait()
            await self.on_chain(self._block)
            self.mined += 1
            await asyncio.sleep(BLOCK_S)

    def _block(self) -> None:
        if self.weather is not None:
            self.weather(self)
        self.block()
        after, self.after_block = self.after_block, None
        if after is not None:
            after()

    def block(self) -> None:
        """Mine one block of the order flow, and what the book's world needs with it."""
        self.devnet.flow.block(*self.book.each_block(self.devnet.flow.price_usdc))

    async def blocks(self, count: int) -> None:
        until = self.mined + count
        await self.until(lambda: self.mined >= until, f"{count} more blocks")

    async def by_hand(
        self,
        holds: Callable[[], object],
        what: str,
        *,
        most: int = 120,
        before_block: Callable[[], None] = lambda: None,
    ) -> None:
        """Mine block by block until something holds; after each, whatever it leads to is sent before the next."""
        self.flowing.clear()
        for _ in range(most):
            await self.settle()
            await self.until(lambda: not self.unsent, "all that was commanded is sent")
            if holds():
                return
            before_block()
            await self.on_chain(self.block)
        raise HouseError(f"{most} blocks, and still not {what}:\n{await self.situation()}")

    @property
    def unsent(self) -> list[str]:
        """Intents that nobody has answered yet."""
        story = self.story
        return [digest for digest in story.intents if digest not in story.sent and not story.ends.get(digest)]

    def move_price(self, change: float) -> None:
        """Let the fair price be another, which the order flow follows."""
        self.devnet.flow._price.price_usdc *= 1 + change

    # -------------------------------------------------------------- looking on
    async def look(self) -> None:
        """Read what has come."""
        await self.ledger.read()
        await self.story.read()
        payloads = self.ledger.pages[self.shard].payloads
        fold_log(
            self._twin,
            (
                (Offset(at), payload)
                for at, payload in enumerate(payloads[self._twin_read :], self._twin_read)
            ),
        )
        self._twin_read = len(payloads)

    async def until(
        self, holds: Callable[[], object], what: str, *, within_s: float = PATIENCE_S, poll_s: float = _POLL_S
    ) -> None:
        """Look on until something holds. Raises: HouseError with what everybody said last."""
        deadline_s = time.monotonic() + within_s
        while True:
            with suppress(BrokerAwayError):
                await self.look()
                if holds():
                    return
            self._must_run()
            if time.monotonic() > deadline_s:
                raise HouseError(f"waited {within_s:.0f} s until {what}:\n{await self.situation()}")
            await asyncio.sleep(poll_s)

    def _must_run(self) -> None:
        for staff in self.staff.values():
            if sum(code != -signal.SIGKILL for code in staff.ends) > _MOST_ENDS:
                raise HouseError(f"{staff.kind} ends again and again:\n{staff.last_words()}")

    @property
    def twin(self) -> Shard:
        """The book's shard as an undisturbed fold of its log has it."""
        return self._twin

    @property
    def has_open_plan(self) -> bool:
        return is_open(self._twin.tables.find(f"plan/{BOOK}", Plan), self._twin.tables)

    def is_mined(self, digest: str) -> bool:
        """Return whether a block of the branch has an intent's transaction, by the log."""
        return mined(digest, self._twin.tables) is not None

    @property
    def stands_at(self) -> BlockRef | None:
        """The head that the shard has committed."""
        return self.ledger.heads.get(self.shard)

    async def settle(self) -> None:
        """Wait until the shard has the chain's head and has applied the whole log. Nothing may be mined meanwhile."""
        head = await self.head()

        def is_settled() -> bool:
            pages, at = self.ledger.pages, self.stands_at
            return (
                at is not None
                and at.hash == head.hash
                and not any(page.unread for page in pages)
                and all(self.ledger.cursors.get(n, -1) == page.end - 1 for n, page in enumerate(pages))
            )

        await self.until(is_settled, f"the shard stood at block {head.number}")

    async def come_to_rest(self) -> None:
        """Let the chain go on until no plan is open, and then stop it there."""
        while True:
            self.flowing.set()
            await self.until(lambda: not self.has_open_plan and self.story.has_ended_all, "the plan ended")
            self.flowing.clear()
            await self.settle()
            if not self.has_open_plan and self.story.has_ended_all and not await self.on_chain(self._pending):
                return

    def _pending(self) -> int:
        return int(self.chain.rpc("txpool_status")["pending"], 16)

    async def compare(self) -> Finding:
        """Hold outputs and state against an undisturbed fold, and the state against the chain; all must stand still."""
        return await self.audit.look(self.devnet.rpc_url, self.settle)

    async def situation(self) -> str:
        page, at = self.ledger.pages[self.shard], self.stands_at
        plan = self._twin.tables.find(f"plan/{BOOK}", Plan)
        told = [
            f"the chain stands at {(await self.head()).number}, the log at {page.tables.head}",
            f"committed {at.number if at else None} at {self.ledger.cursors}, the log ends at {page.end}",
            f"plan open {self.has_open_plan}: {plan}",
            self.story.summary(),
        ]
        told += [f"{s.kind}, ends {s.ends}\n{s.last_words()}" for s in self.staff.values()]
        return "\n".join(told)


@asynccontextmanager
async def opened(
    folder: Path,
    seed: int,
    pool: str,
    *,
    proxy_port: int | None = None,
    book: MakesBook = RerangedBook,
) -> AsyncIterator[House]:
    """Start a deployment on a devnet of its own, and stop it at the end; with a port, its processes ask the node through a proxy."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    cache = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
    with net.up(folder / "devnet", seed=seed, settings=LIVELY, cache=cache, usual_ports=False) as devnet:
        house = House(devnet, folder, seed, pool, proxy_port=proxy_port, book=book)
        try:
            await house.begin()
            yield house
        finally:
            await house.end()
