"""The infrastructure of a deployment under test: a broker that can be killed, and a chain with endless order flow."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from chaos.books import endow, tend

from pipeline.messages.base import BlockRef
from streams.devnet import net, processes
from streams.devnet.broker import Broker
from streams.devnet.chain import DevnetBlock
from streams.devnet.metadata import cluster_served
from streams.devnet.ports import HOST
from streams.devnet.transactions import Tx

T = TypeVar("T")

BEFORE_BLOCKS = 70
"""So much can be taken away without touching what stands on the chain."""
BLOCK_S = 0.25
TENDED_SHARE = 0.2


class HouseError(AssertionError):
    """The deployment did not come to where it should."""


class Ground:
    """A devnet, the owners of the books on it, and the order flow."""

    def __init__(self, devnet: net.Devnet, seed: int) -> None:
        self.devnet = devnet
        self.dice = random.Random(f"{seed}/faults")
        self.owners, self.strange_nfts = endow(devnet.chain, devnet.world)
        self.chain_lock = asyncio.Lock()
        self.flowing = asyncio.Event()
        self.mined = 0
        self._tending = random.Random(f"{seed}/owners")

    async def on_chain(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something with the chain while nobody else does."""
        async with self.chain_lock:
            return await asyncio.to_thread(work, *arguments)

    async def head(self) -> DevnetBlock:
        return await self.on_chain(self.devnet.chain.header)

    async def flow(self) -> None:
        while True:
            await self.flowing.wait()
            await self.on_chain(self.next_block)
            await asyncio.sleep(BLOCK_S)

    def next_block(self) -> DevnetBlock:
        """Mine a block of the order flow, in which an owner may do something too."""
        orders: list[Tx] = []
        if self._tending.random() < TENDED_SHARE:
            owner = self._tending.choice(self.owners)
            orders += tend(self.devnet.chain, self.devnet.world, owner, self._tending)
        self.mined += 1
        return self.devnet.flow.block(*orders)

    async def blocks(self, count: int) -> None:
        """Wait until so many more blocks were mined, whatever is taken away meanwhile."""
        until = self.mined + count
        while self.mined < until:  # noqa: ASYNC110
            await asyncio.sleep(BLOCK_S)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """Mine nothing for a while."""
        self.flowing.clear()
        try:
            yield
        finally:
            self.flowing.set()

    async def burst(self) -> None:
        """Mine some blocks at once, so that everybody has work."""
        await self.on_chain(lambda: [self.next_block() for _ in range(self.dice.randrange(3, 12))])

    async def is_on_chain(self, block: BlockRef) -> bool:
        if (await self.head()).number < block.number:
            return False
        return (await self.on_chain(self.devnet.chain.header, block.number)).hash == block.hash


# ------------------------------------------------------------------ the broker
def listen_twice(broker: Broker, port: int, door_port: int) -> None:
    """Let the broker listen at a second port, and advertise the proxy to clients there."""
    broker.stop()
    properties = broker.folder / "server.properties"
    lines = []
    for line in properties.read_text().splitlines():
        name = line.partition("=")[0]
        at = {"listeners": port, "advertised.listeners": door_port}.get(name)
        if at is not None:
            line += f",DOOR://{HOST}:{at}"  # noqa: PLW2901
        lines.append(line + (",DOOR:PLAINTEXT" if name == "listener.security.protocol.map" else ""))
    properties.write_text("\n".join(lines) + "\n")
    broker.start()


async def start_again(broker: Broker) -> None:
    """Start a killed broker and wait until it serves, while everything else goes on."""
    properties = broker.folder / "server.properties"
    command = [*broker.java, "kafka.Kafka", str(properties)]
    broker.process = processes.spawn(command, folder=broker.folder, log=broker.log)
    while await asyncio.to_thread(cluster_served, HOST, broker.port) != broker.cluster_id:
        if broker.process.poll() is not None:
            raise HouseError(f"the broker ended while starting:\n{processes.last_lines(broker.log)}")
        await asyncio.sleep(0.1)
