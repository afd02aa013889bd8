"""Signed calls of a lending market are mined with the effect that was checked, or given up once they would no longer be signed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from lending_bench import DOLLAR, ETHER, LendingBench
from msgspec.structs import replace

from pipeline.messages.journal import NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import ShardId
from streams.devnet.reads import balance
from streams.submit.fake import FakeInbox, FakeJournal, FakeReports, FakeSignerBroker
from streams.submit.node import HttpSenderNode
from streams.submit.serve import Submit
from streams.submit.submit_timing import SubmitTiming

pytestmark = pytest.mark.anvil

BLOCKS = 6


class Serving:
    """A signer's process on the bench's chain; journal and intents are in memory."""

    def __init__(self, bench: LendingBench, submit: Submit, broker: FakeSignerBroker) -> None:
        self.bench, self.submit, self.broker = bench, submit, broker

    def ask(self, wanted: SubmitTransaction) -> None:
        self.broker.put(ShardId(0), replace(wanted, position="book/b1"))

    async def block(self) -> None:
        await self.submit.step()
        self.bench.chain.mine()
        await self.submit.step()

    def bound(self) -> list[NonceBound]:
        return [entry for entry in self.broker.entries().values() if isinstance(entry, NonceBound)]


@asynccontextmanager
async def serving(bench: LendingBench) -> AsyncIterator[Serving]:
    broker = FakeSignerBroker()
    parts: tuple[Any, ...] = (FakeJournal(broker), FakeReports(broker), FakeInbox(broker))
    submit = Submit(
        HttpSenderNode(bench.chain.url, timeout_s=10),
        *parts,
        chain_id=bench.chain_id,
        partitions=1,
        signer=bench.signer,
        limits=replace(bench.limits, bump_after_blocks=2, max_fee_per_gas_wei=10**12),
        timing=SubmitTiming(),
        new_signer=True,
    )
    await submit.open()
    try:
        yield Serving(bench, submit, broker)
    finally:
        await submit.close()


def test_what_its_process_signs_is_mined_as_it_was_judged(lending: LendingBench) -> None:
    bench = lending
    told = {"debt": bench.market.weth.debt_token, "collateral": bench.market.usdc.a_token}

    def now() -> dict[str, int]:
        return {name: balance(bench.chain, token, bench.owner) for name, token in told.items()}

    async def run() -> None:
        async with serving(bench) as process:
            for make, name, change in (
                (lambda: bench.supply(bench.usdc, 5_000 * DOLLAR), "collateral", 5_000 * DOLLAR),
                (lambda: bench.borrow(bench.weth, ETHER), "debt", ETHER),
                (lambda: bench.repay(bench.weth, 2 * ETHER), "debt", -2 * ETHER),
                (lambda: bench.withdraw(bench.usdc, 9_000 * DOLLAR), "collateral", -9_000 * DOLLAR),
            ):
                before = now()
                process.ask(make())
                await process.block()
                assert process.bound()[-1].inclusion is not None
                # interest of a block comes on top
                assert now()[name] - before[name] == pytest.approx(change, rel=1e-5)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("happens", "is_given_up"),
    [
        pytest.param(lambda _: None, False, id="nothing happens"),
        pytest.param(lambda bench: bench.tell_price(2_700), True, id="the oracle has left the references"),
    ],
)
def test_a_borrow_that_waits_is_judged_again(
    lending: LendingBench, happens: Callable[[LendingBench], None], is_given_up: bool
) -> None:
    bench = lending

    def keep_out() -> None:
        for pending in bench.chain.rpc("eth_getBlockByNumber", "pending", False)["transactions"]:
            bench.chain.rpc("anvil_dropTransaction", pending)

    async def run() -> NonceBound:
        async with serving(bench) as process:
            process.ask(replace(bench.borrow(bench.weth, ETHER), max_fee_per_gas_wei=10**12))
            await process.submit.step()
            keep_out()
            happens(bench)
            for _ in range(BLOCKS):
                await process.submit.step()
                keep_out()
                bench.chain.mine()
            (bound,) = process.bound()
            return bound

    first, *more = asyncio.run(run()).attempts
    assert not first.cancels
    assert more
    assert {attempt.cancels for attempt in more} == {is_given_up}
