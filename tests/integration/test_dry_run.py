"""A dry-run on a real chain reports the same as carrying out the proposal on the same block."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from dry_runs import carry_out, trial_of, until_proposed
from followed import Followed, node_of, world_policy
from sender_house import ROOMY, limits_of

from pipeline.advance.books import stock_of
from pipeline.messages.entries import Mined
from pipeline.messages.goals import read_terms
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.uniswap_v3.assess import PositionTerms
from streams.devnet import actions, reads
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import DevnetPool, World
from streams.rehearse.anvil import AnvilForks

pytestmark = pytest.mark.anvil

ETHER = 10**18
NAMES = ("weth_usdc_low_500", "weth_usdc_high_500")  # WETH is token1, and token0


class Ground:
    """A chain with an owner's NFT in a narrow range, and a trader who may move the price."""

    def __init__(self, chain: Chain, world: World, pool: DevnetPool, cache: Path) -> None:
        self.chain, self.world, self.pool = chain, world, pool
        self.owner = world.accounts.owners[0]
        self.forks = AnvilForks(anvil_program(cache=cache), chain.url)
        usdc = world.usdc_of(pool)
        elsewhere = world.accounts.spare[0]
        for token, kept in ((world.weth, 30 * ETHER), (usdc, 90_000 * 10**6)):
            spare = reads.balance(chain, token, self.owner) - kept
            chain.execute(actions.transfer(token, self.owner, elsewhere, spare))
        native_wei = int(chain.rpc("eth_getBalance", self.owner, "latest"), 16)
        chain.execute(Tx(sender=self.owner, to=elsewhere, value_wei=native_wei - 3 * ETHER))
        for _ in range(8):  # the price's past must reach back over the window
            chain.mine()
        ticks = reads.range_around(chain, pool, -200, 200)
        chain.execute(actions.mint_position(world, self.owner, pool, ticks, world.amounts(pool, 20 * ETHER)))

    def policy(self, **changes: Any):
        return world_policy(self.world, self.owner, self.pool, self.chain.chain_id, **changes)

    def move_price(self, *, up: bool) -> None:
        token = self.world.usdc_of(self.pool) if up else self.world.weth
        amount = 1_500_000 * 10**6 if up else 500 * ETHER
        trader = self.world.accounts.traders[0]
        self.chain.execute(actions.swap_exact_in(self.world, trader, self.pool, token, amount))


@pytest.fixture(params=[(name, up) for name in NAMES for up in (True, False)], ids=str)
def ground(request: pytest.FixtureRequest, chain: Chain, world: World, cache: Path) -> tuple[Ground, bool]:
    name, up = request.param
    return Ground(chain, world, world.pool(name), cache), up


def with_node(ground: Ground, story: Callable[[Any], Awaitable[None]]) -> None:
    async def tell() -> None:
        node = node_of(ground.chain.url)
        try:
            await story(node)
        finally:
            await node.close()

    asyncio.run(tell())


def wallet(ground: Ground) -> dict[str, int]:
    tokens = (ground.world.weth, ground.world.usdc_of(ground.pool))
    native = int(ground.chain.rpc("eth_getBalance", ground.owner, "latest"), 16)
    return {t: reads.balance(ground.chain, t, ground.owner) for t in tokens} | {"native": native}


def test_what_it_says_is_what_happens(ground):
    ground, up = ground

    async def story(node: Any) -> None:
        dry = Followed(node, ground.policy())
        live = Followed(node, ground.policy(mode="live"))
        await dry.begin()
        await live.begin()
        ground.move_price(up=up)
        await until_proposed(ground.chain.mine, dry, live)
        trial, untried = trial_of(dry)
        head = ground.chain.header()
        async with ground.forks.at(untried.at, ground.owner, trial.block_s) as fork:
            told = await trial.run(fork)
        assert (told.outcome, told.reason) == ("done", "")
        assert ground.chain.header().hash == head.hash, "the real chain knows nothing of it"
        assert abs(told.after.deviation_bps) < abs(told.before.deviation_bps)

        had = wallet(ground)
        since = ground.chain.header().number
        commands = [o for o in live.said if isinstance(o, SubmitTransaction)]
        limits = limits_of(ground.world, **ROOMY | {"max_loss_bps": 900})
        assert await carry_out(ground.chain, limits, live, commands) == told.blocks
        has = wallet(ground)
        changes = {change.token: change.delta for change in told.changes}
        for token in (ground.world.weth, ground.world.usdc_of(ground.pool)):
            assert changes.get(token, 0) == has[token] - had[token]
        mined = [m for _, m in live.shard.tables.group("receipt", Mined) if m.at_block > since]
        assert [step.gas_used for step in told.steps] == [m.gas_used for m in sorted_by_place(ground, since)]
        assert len(mined) == len(told.steps)
        assert all(step.succeeded for step in told.steps)
        (made,) = told.new_positions
        minted = read_terms(made.terms, PositionTerms)
        there = reads.position(ground.chain, ground.world, minted.token_id)
        assert (there.lower, there.upper, there.liquidity) == (
            minted.tick_lower,
            minted.tick_upper,
            minted.liquidity,
        )
        stock = stock_of(live.shard, live.policy)
        gas_apart = has["native"] - had["native"] - changes["native"]
        assert stock.quote_amount == told.after.quote_amount
        assert stock.base_amount == told.after.base_amount + gas_apart

    with_node(ground, story)


def sorted_by_place(ground: Ground, since: int) -> list[Any]:
    found = []
    for number in range(since + 1, ground.chain.header().number + 1):
        block = ground.chain.rpc("eth_getBlockByNumber", hex(number), True)
        ours = [tx["hash"] for tx in block["transactions"] if tx["from"] == ground.owner]
        found += [ground.chain.receipt(hash_) for hash_ in ours]
    return found
