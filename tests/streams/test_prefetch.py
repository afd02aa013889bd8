"""Blocks are fetched ahead for several shards at any positions."""

import pytest

from pipeline.follow.log_filter import LogFilter
from pipeline.messages.base import BlockRef
from pipeline.units import ShardId
from streams.node.fake import FakeChain
from streams.node.port import Header
from streams.watch.prefetch import _BLOCKS_KEPT, _BODY_COUNTS, _FIRST_BLOCKS, Prefetch

BODIES_KEPT = _BLOCKS_KEPT // _BODY_COUNTS


class Reader:
    """A shard that takes whatever blocks it is given."""

    def __init__(self, prefetch: Prefetch, head: BlockRef) -> None:
        self._prefetch, self.head = prefetch, head

    async def step(self, newest: Header) -> None:
        blocks = await self._prefetch.after(self.head, newest) if self.head != newest.block else []
        for block in blocks:
            assert block.header.block.parent_hash == self.head.hash
            self.head = block.header.block


def chain_of(blocks: int) -> FakeChain:
    chain = FakeChain()
    for _ in range(blocks):
        chain.mine()
    return chain


def at(chain: FakeChain, number: int) -> BlockRef:
    return next(header.block for header, _ in chain.blocks() if header.block.number == number)


@pytest.mark.parametrize("behind", [1, 30, 12 * _FIRST_BLOCKS, 3 * BODIES_KEPT])
@pytest.mark.parametrize("others", [1, 3])
async def test_a_shard_that_is_far_behind_the_others_catches_up(behind, others):
    chain = chain_of(behind + 20)
    prefetch = Prefetch(chain)
    late = Reader(prefetch, at(chain, 3))
    early = [Reader(prefetch, at(chain, 3)) for _ in range(others)]
    steps = 0
    try:
        while any(shard.head != chain.head.block for shard in early):
            for shard in early:
                await shard.step(chain.head)
        while late.head != chain.head.block:
            if steps % 5 == 0:
                chain.mine()
            for shard in (*early, late):
                await shard.step(chain.head)
            steps += 1
            assert steps < 200 + behind, f"stands at {late.head.number}"
        assert all(shard.head.number >= behind + 20 for shard in early)
    finally:
        await prefetch.close()


async def test_no_more_of_what_happened_is_kept_than_of_so_many_blocks():
    chain = chain_of(3 * BODIES_KEPT)
    prefetch = Prefetch(chain)  # of no shard is known what it follows: something may concern it in each block
    shard, most = Reader(prefetch, at(chain, 1)), 0
    try:
        while shard.head != chain.head.block:
            await shard.step(chain.head)
            most = max(most, bodies_kept(prefetch))
        assert 0.8 * BODIES_KEPT < most <= BODIES_KEPT
    finally:
        await prefetch.close()


def bodies_kept(prefetch: Prefetch) -> int:
    blocks = [block for chunk in prefetch._chunks if chunk.task.done() for block in chunk.task.result()]
    return sum(block.body is not None for block in blocks)


@pytest.mark.parametrize("apart", [500, 2_000, 4_000])
async def test_shards_far_apart_fetch_each_quiet_block_once(apart):
    chain = chain_of(3 * apart)
    prefetch = Prefetch(chain)
    prefetch.ask_for(ShardId(0), (), LogFilter(of_venues=(), senders=frozenset()))
    shards = [Reader(prefetch, at(chain, 1)) for _ in range(4)]
    asked: list[int] = []
    headers = chain.headers
    chain.headers = lambda numbers: asked.extend(numbers) or headers(numbers)
    try:
        for place, shard in enumerate(shards):  # each is ahead of the one behind it
            while shard.head.number < min((4 - place) * apart, 3 * apart):
                await shard.step(chain.head)
        while any(shard.head != chain.head.block for shard in shards):
            for shard in shards:
                await shard.step(chain.head)
        assert len(asked) > 2 * apart
        assert len(asked) == len(set(asked))
    finally:
        await prefetch.close()
