"""Under random events of chain, node, policies and watchers, the log comes to equal the chain."""

import random

import pytest
from depth import examples
from fake_world import OWNERS, POOLS, STRANGER, fake_policy
from rigs import Rig

from pipeline.errors import FencedError
from pipeline.messages.entries import Halted
from pipeline.messages.events import PolicyRemoved, PolicySet, Resumed
from pipeline.units import BookId
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS
from streams.watch.fake_log import CrashError

DEATHS = ("before", "within", "after")
FAULTS = ("null", "stall", "lie")
QUESTIONS = ("newest", "headers", "header", "bodies", "native_balances", "call")
DEEPEST = 11  # what the policy calls final is one more
_ENDINGS = 50  # each watcher may die once more; each shard may halt once more


class Story:
    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig, self.dice = rig, random.Random(seed)
        self.nfts = 0
        self.tallest = 0
        """The highest block that the chain has ever had: a watcher may know it, and wait until there is one again."""
        self.deaths = 0

    async def play(self, scenes: int) -> None:
        await self.set_policy(0)
        self.begin()
        acts = [self.mine] * 5 + [self.reorg, self.shrink, self.policy, self.die, self.rival, self.misbehave]
        acts += [self.commit, self.babble, self.wait, self.wait]
        for _ in range(scenes):
            await self.dice.choice(acts)()
            await self.rig.turns(self.dice.choice([0, 1, 5, 30, 100]))
            self.bury()
        await self.end()

    async def end(self) -> None:
        """Let everything recover."""
        self.rig.chain.lags_blocks = 0
        self.rig.world.broken.clear()
        for _ in range(_ENDINGS):
            for shard in self.halted():
                await self.rig.append(shard, Resumed(scope="shard", reason="looked", by="me"))
            self.mine_on()
            self.bury()
            try:
                await self.rig.settled()
            except (CrashError, FencedError):
                continue
            # a shrunk chain that is then reorganised may lose a final block: who sees that late, halts late
            if not self.halted():
                return
        raise AssertionError(f"the shards {self.halted()} are still halted")

    def halted(self) -> list[int]:
        return [
            shard
            for shard in range(self.rig.partitions)
            if self.rig.fold(shard).tables.find("halted", Halted) is not None
        ]

    def mine_on(self) -> None:
        """Mine one block at least, and past every height that anybody has seen: less of a chain is not another chain."""
        self.rig.chain.mine(self.rig.world.swap(POOLS[0]))
        while self.rig.chain.head.block.number <= self.tallest:
            self.rig.chain.mine(self.rig.world.swap(POOLS[0]))

    # -------------------------------------------------------------- watchers
    def begin(self) -> None:
        dies = self.dice.random() < 0.5
        dies_at = (self.dice.randrange(1, 25), self.dice.choice(DEATHS)) if dies else None
        self.rig.start(f"w{len(self.rig.tasks)}", dies_at=dies_at)

    def bury(self) -> None:
        """Start another watcher where the last has died."""
        for task in [task for task in self.rig.tasks if task.done()]:
            self.rig.tasks.remove(task)
            assert isinstance(task.exception(), CrashError | FencedError)
            self.deaths += 1
        if not self.rig.tasks:
            self.begin()

    async def die(self) -> None:
        if self.rig.tasks:
            await self.rig.kill(self.rig.tasks.pop())

    async def rival(self) -> None:
        self.begin()

    # -------------------------------------------------------------- the chain
    async def mine(self) -> None:
        for _ in range(self.dice.choice([1, 1, 2, 9])):
            self.rig.chain.mine(*(self.transaction() for _ in range(self.dice.choice([0, 1, 3]))))
            self.tallest = max(self.tallest, self.rig.chain.head.block.number)

    def transaction(self) -> object:
        world, dice = self.rig.world, self.dice
        kind = dice.random()
        if kind < 0.6:
            return world.swap(dice.choice(POOLS), sender=dice.choice([STRANGER, *OWNERS]))
        owned = sorted(world.owners(self.rig.chain.head).items())
        if kind < 0.8 or not owned:
            self.nfts += 1
            return world.move_nft(self.nfts, ZERO_ADDRESS, dice.choice([STRANGER, *OWNERS]))
        nft, owner = dice.choice(owned)
        return world.move_nft(nft, owner, dice.choice([ZERO_ADDRESS, STRANGER, *OWNERS]))

    async def reorg(self) -> None:
        depth = self.dice.choice([1, 1, 2, 5, DEEPEST])
        self.rig.chain.rollback(min(depth, self.rig.chain.head.block.number))
        for _ in range(self.dice.choice([1, depth, depth + 2])):
            await self.mine()

    async def shrink(self) -> None:
        self.rig.chain.rollback(min(self.dice.choice([1, 3]), self.rig.chain.head.block.number))

    async def misbehave(self) -> None:
        self.rig.chain.fail(
            self.dice.choice(QUESTIONS), *self.dice.choices(FAULTS, k=self.dice.choice([1, 4]))
        )
        self.rig.chain.lags_blocks = self.dice.choice([0, 0, 2])
        self.rig.world.broken = set(self.dice.sample(POOLS, self.dice.choice([0, 0, 1])))

    async def wait(self) -> None:
        self.rig.now_s += self.dice.choice([0.5, 3])
        await self.rig.turns(200)

    # -------------------------------------------------------------- the log
    async def set_policy(self, shard: int) -> None:
        pools = self.dice.sample(POOLS, self.dice.choice([1, 2]))
        owner = OWNERS[shard]
        await self.rig.append(shard, PolicySet(policy=fake_policy(f"book{shard}", owner, *pools)))

    async def policy(self) -> None:
        shard = self.dice.randrange(self.rig.partitions)
        if self.dice.random() < 0.25:
            await self.rig.append(shard, PolicyRemoved(book=BookId(f"book{shard}")))
        else:
            await self.set_policy(shard)

    async def commit(self) -> None:
        for shard, log in enumerate(self.rig.broker.logs):
            if log and self.dice.random() < 0.7:
                behind = self.dice.choice([0, 0, 1, 5, 20])
                self.rig.commit(shard, max(len(log) - 1 - behind, self.committed(shard)))

    def committed(self, shard: int) -> int:
        cursor = self.rig.broker.state(shard).get("cursor")
        return -1 if cursor is None else cursor.offset

    async def babble(self) -> None:
        await self.rig.broker.append(self.dice.randrange(self.rig.partitions), [b"\xff", b"{}"])


@pytest.mark.parametrize("seed", range(examples(8)))
async def test_the_log_comes_to_equal_the_chain(seed: int) -> None:
    async with Rig(partitions=3) as rig:
        story = Story(rig, seed)
        await story.play(60)
        for shard in range(rig.partitions):
            assert rig.check(shard).unattached == []
