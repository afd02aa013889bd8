"""Blocks fetched ahead for several shards, wherever each of them stands."""

import pytest

from pipeline.messages.base import BlockRef
from streams.node.fake import FakeChain
from streams.node.port import Header
from streams.watch.prefetch import _CHUNKS_KEPT, _FIRST_BLOCKS, Prefetch


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


@pytest.mark.parametrize("behind", [1, 30, _FIRST_BLOCKS * _CHUNKS_KEPT, 3 * _FIRST_BLOCKS * _CHUNKS_KEPT])
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


async def test_no_more_is_kept_than_so_many_chunks():
    chain = chain_of(2 * _FIRST_BLOCKS * _CHUNKS_KEPT)
    prefetch = Prefetch(chain)
    shard = Reader(prefetch, at(chain, 1))
    try:
        while shard.head != chain.head.block:
            await shard.step(chain.head)
            assert len(prefetch._chunks) <= _CHUNKS_KEPT
    finally:
        await prefetch.close()
