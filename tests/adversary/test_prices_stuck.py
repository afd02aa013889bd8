"""A signed swap that is not mined while the price moves on, so that its minimum belongs to a past price."""

import asyncio

import pytest
from judge_bench import Bench
from price_play import ETHER, brings, push
from sender_house import limits_of

from pipeline.math.slippage import least_of_quote
from pipeline.messages.journal import Attempt
from pipeline.units import ShardId
from streams.submit.fake import FakeInbox, FakeJournal, FakeReports, FakeSignerBroker
from streams.submit.node import HttpSenderNode
from streams.submit.serve import Submit
from streams.submit.submit_timing import SubmitTiming

pytestmark = pytest.mark.anvil

NAME = "weth_usdc_high_500"
"""WETH is token0: the price that we sell at rises with the tick."""
BLOCKS = 6


def versions(bench: Bench, moved_ticks: int) -> tuple[Attempt, ...]:
    """Sell WETH, keep the sale out of every block while the price moves, and return the attempts signed for its nonce."""
    bench.limits = limits_of(bench.world, twap_window_s=180, bump_after_blocks=2, max_fee_per_gas_wei=10**12)
    pool = bench.world.pool(NAME)
    honest = brings(bench, bench.world.usdc_high, bench.swap(bench.world.weth, ETHER, 0, pool=NAME))
    least = least_of_quote(honest, 15)
    broker = FakeSignerBroker()
    wanted = bench.swap(bench.world.weth, ETHER, least, pool=NAME, max_fee_gwei=1_000, position="book/b1")

    def keep_out() -> None:
        for pending in bench.chain.rpc("eth_getBlockByNumber", "pending", False)["transactions"]:
            bench.chain.rpc("anvil_dropTransaction", pending)

    async def run() -> tuple[Attempt, ...]:
        submit = Submit(
            HttpSenderNode(bench.chain.url, timeout_s=10),
            FakeJournal(broker),
            FakeReports(broker),
            FakeInbox(broker),
            chain_id=bench.chain_id,
            partitions=1,
            signer=bench.signer,
            limits=bench.limits,
            timing=SubmitTiming(),
            new_signer=True,
        )
        await submit.open()
        try:
            broker.put(ShardId(0), wanted)
            await submit.step()
            keep_out()
            if moved_ticks:
                push(bench, pool, moved_ticks)
            for _ in range(BLOCKS):
                await submit.step()
                keep_out()
                bench.chain.mine()
            assert submit._writer.account.nonces, broker.reports(ShardId(0))
            (bound,) = submit._writer.account.nonces
            return tuple(bound.attempts)
        finally:
            await submit.close()

    return asyncio.run(run())


def test_it_is_bumped_while_the_price_stands(bench: Bench) -> None:
    found = versions(bench, 0)
    assert len(found) > 1
    assert not any(attempt.cancels for attempt in found)


@pytest.mark.parametrize("moved_ticks", [45, -45, 2_000])
def test_it_is_cancelled_and_not_bumped_once_its_minimum_is_outdated(bench: Bench, moved_ticks: int) -> None:
    """In our favour it would be sandwiched for what the price has moved; against us it would fail and cost its gas."""
    first, *more = versions(bench, moved_ticks)
    assert not first.cancels
    assert more
    assert all(attempt.cancels for attempt in more)
