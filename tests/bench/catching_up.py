"""How fast a watcher catches up with quiet blocks: with proven headers, compared with requesting each block's receipts and balances.

The node is anvil, the log is in memory, so what is measured is the node's answers and what the watcher makes of them. The two take turns.
"""

import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))

from watching import policy_of

from pipeline.drive import drive
from pipeline.follow.quiet_runs import seen_of
from pipeline.messages.events import BlocksPassed, PolicySet
from pipeline.state.shard import Shard
from pipeline.units import Address, ChainId, Hash, ShardId
from streams.devnet import actions
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import Chain, start_chain
from streams.devnet.deploy import build_world
from streams.devnet.world import World
from streams.kafka.codec import decode_event, encode
from streams.node.http_node import HttpNode
from streams.node.port import AccountState, Header
from streams.watch.fake_log import FakeEventLog, FakeWatchBroker
from streams.watch.timing import Timing
from streams.watch.watcher import Watch

BLOCKS = int(os.environ.get("BENCH_BLOCKS", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
CHECK_EVERY_BLOCKS = 2 * BLOCKS
"""Of reads that compare a pool with the chain none falls into the run: they cost the same either way."""


class EveryBlockNode(HttpNode):
    """A node of whose headers and accounts nothing is known without asking at each block."""

    async def accounts(self, questions: Sequence[tuple[Address, Hash]]) -> list[AccountState | None]:
        """Tell that no state is kept."""
        return [None] * len(questions)

    def _header(self, answer: msgspec.Raw) -> Header | None:
        header = super()._header(answer)
        return None if header is None else msgspec.structs.replace(header, is_bloom_proven=False)


async def run(node: HttpNode, records: Sequence[bytes], chain: Chain) -> tuple[float, list[bytes]]:
    """Let a watcher go on behind these records to the chain's head. Returns its seconds and the log."""
    broker = FakeWatchBroker(1)
    broker.logs[0] += records
    head = chain.header().hash
    watch = Watch(
        node,
        FakeEventLog(broker),
        chain_id=ChainId(chain.chain_id),
        partitions=1,
        instance="bench",
        timing=Timing(poll_s=0.02),
    )
    begun_s = time.perf_counter()
    task = asyncio.create_task(watch.run())
    tables = watch.shards[0].follower
    while tables.tables.head is None or tables.tables.head.hash != head or len(broker.logs[0]) < 3:
        await asyncio.sleep(0.005)
        if task.done():
            task.result()
    took_s = time.perf_counter() - begun_s
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await node.close()
    return took_s, broker.logs[0]


def mine(chain: Chain, world: World, *, foreign: int) -> None:
    """Mine quiet blocks, each with so many transactions that concern no book."""
    if not foreign:
        chain.rpc("anvil_mine", hex(BLOCKS), hex(12))
        return
    for at in range(BLOCKS):
        for _ in range(foreign):
            chain.send(actions.wrap(world, world.accounts.spare[at % 2], 1))
        chain.mine()


def one_by_one(records: Sequence[bytes]) -> list[bytes]:
    """Give each block of a run a record of its own, as all had before."""
    found: list[bytes] = []
    for record in records:
        event = decode_event(record, where="bench")
        if isinstance(event, BlocksPassed):
            found += [encode(seen_of(event, place)) for place in range(len(event.blocks))]
        else:
            found.append(record)
    return found


def bytes_per_block(records: Sequence[bytes]) -> float:
    """Weigh the records of blocks."""
    return sum(len(record) for record in records if b'"Block' in record) / BLOCKS


def fold_rates(begun: int, records: Sequence[bytes]) -> tuple[float, float]:
    """Fold a log behind its first records as it is and one by one, by turns, and return blocks per second of processor time of each: medians."""
    logs = {"at once": list(records[begun:]), "alone": one_by_one(records[begun:])}
    took: dict[str, list[float]] = {name: [] for name in logs}
    heads = set()
    for _ in range(ROUNDS):
        for name, log in logs.items():
            shard = Shard(ShardId(0))
            drive(shard, [decode_event(record, where="bench") for record in records[:begun]])
            begun_s = time.process_time()
            drive(shard, (decode_event(record, where="bench") for record in log))
            took[name].append(time.process_time() - begun_s)
            heads.add(shard.tables.head)
    assert len(heads) == 1, "the two logs do not lead to the same head"
    at_once, alone = (BLOCKS / median(seconds) for seconds in took.values())
    return at_once, alone


async def compare(chain: Chain, world: World, *, foreign: int) -> None:
    """Measure both ways by turns on the same blocks, and print the medians."""
    owner = world.accounts.owners[0]
    policy = policy_of(
        world, chain.chain_id, "bench", owner, ["weth_usdc_low_500"], check_every_blocks=CHECK_EVERY_BLOCKS
    )
    _, begun = await run(HttpNode(chain.url), [encode(PolicySet(policy=policy))], chain)
    mine(chain, world, foreign=foreign)
    took: dict[type[HttpNode], list[float]] = {HttpNode: [], EveryBlockNode: []}
    logs = set()
    for _ in range(ROUNDS):
        for kind, seconds in took.items():
            second, log = await run(kind(chain.url), begun, chain)
            seconds.append(second)
            logs.add(msgspec.json.encode([record.hex() for record in one_by_one(log)]))
    assert len(logs) == 1, "the two ways do not tell the same blocks"
    now, before = (BLOCKS / median(seconds) for seconds in took.values())
    at_once, alone = fold_rates(len(begun), log)
    sys.stdout.write(
        f"{BLOCKS} quiet blocks of {foreign} foreign transactions, {ROUNDS} rounds: "
        f"{now:,.0f} blocks/s, asking for every block {before:,.0f}: {now / before:.1f} times\n"
        f"  their fold, from bytes: {at_once:,.0f} blocks per second of processor time in runs, {alone:,.0f} one by one: {at_once / alone:.1f} times; "
        f"bytes a block {bytes_per_block(log):,.0f}, one by one {bytes_per_block(one_by_one(log)):,.0f}\n"
    )


def main() -> None:
    """Measure empty blocks and blocks in which others do something."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with (
        tempfile.TemporaryDirectory() as folder,
        start_chain(Path(folder), cache=DEFAULT_CACHE, kept_states=3 * BLOCKS) as chain,
    ):
        world = build_world(chain, cache=DEFAULT_CACHE)
        for foreign in (0, 5):
            asyncio.run(compare(chain, world, foreign=foreign))


if __name__ == "__main__":
    main()
