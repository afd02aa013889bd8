"""The poller polls for a new block at intervals, or after a websocket's notice, and never trusts the notice alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from rigs import TIMING

from pipeline.units import ChainId
from streams.node.fake import FakeChain
from streams.node.head_hints import HeadHints
from streams.watch.clock_lag import ClockLag
from streams.watch.head_poller import HeadPoller

FOR_EVER_S = 10_000.0


@asynccontextmanager
async def looking(
    chain: FakeChain, hints: HeadHints, *, poll_s: float, unhinted_poll_s: float
) -> AsyncIterator[HeadPoller]:
    timing = replace(TIMING, poll_s=poll_s, hinted_poll_s=0.0, unhinted_poll_s=unhinted_poll_s)
    poller = HeadPoller(
        chain, ChainId(31_337), timing=timing, clock=lambda: 0.0, lag=ClockLag(chain, None), hints=hints
    )
    task = asyncio.create_task(poller.run_until_cancelled())
    try:
        yield poller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def hints_heard(*, heard: bool) -> HeadHints:
    """A source of notices without a websocket, which the test triggers."""
    hints = HeadHints("ws://127.0.0.1:1/", silence_s=30, clock=lambda: 0.0)
    hints._heard_at_s = 0.0 if heard else None
    return hints


async def test_word_of_a_block_lets_it_look_at_once_and_what_it_finds_is_the_nodes() -> None:
    chain, hints = FakeChain(), hints_heard(heard=True)
    async with looking(chain, hints, poll_s=0.0, unhinted_poll_s=FOR_EVER_S) as poller:
        rounds = await poller.after(0)
        for told in (True, False):
            if told:
                chain.mine()
            hints._news.set()
            rounds = await asyncio.wait_for(poller.after(rounds), 30)
            newest = poller.view().newest
            assert newest == chain.head, "word of a block that is not there changes nothing"


async def test_without_word_it_looks_all_the_same() -> None:
    chain, hints = FakeChain(), hints_heard(heard=True)
    async with looking(chain, hints, poll_s=0.0, unhinted_poll_s=0.001) as poller:
        chain.mine()
        await asyncio.wait_for(poller.after(await poller.after(0) + 3), 30)
        assert poller.view().newest == chain.head


@pytest.mark.parametrize("heard", [True, False])
async def test_a_websocket_that_is_silent_does_not_hold_it_back(heard: bool) -> None:
    chain, hints = FakeChain(), hints_heard(heard=heard)
    async with looking(chain, hints, poll_s=0.0, unhinted_poll_s=FOR_EVER_S) as poller:
        await poller.after(0)
        if heard:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(poller.after(1), 0.2)
        else:
            await asyncio.wait_for(poller.after(5), 30)
