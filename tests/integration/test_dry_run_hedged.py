"""A dry-run of a hedge's step on both versions of Aave V3 equals its signer's transactions to the unit."""

import asyncio

import pytest
from aave_world import ETHER, NAME, USD, aave_policy
from dry_runs import carry_out, trial_of, until_proposed
from followed import Followed, node_of
from lending_bench import fields_of, read
from msgspec.structs import replace
from sender_house import ROOMY, limits_of

from pipeline.advance.books import stock_of
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy, version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import NATIVE, Bps, Seconds
from streams.devnet import actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.rehearse.anvil import AnvilForks

pytestmark = pytest.mark.anvil

POOL = "weth_usdc_low_500"


def endow(chain: Chain, world: World, owner: str) -> None:
    """Give the owner a range, 2 WETH, 120,000 dollars, and coin for gas."""
    pool, elsewhere = world.pool(POOL), world.accounts.spare[0]
    ticks = range_around(chain, pool, -600, 600)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, 2 * ETHER), (world.usdc_low, 120_000 * USD)):
        chain.execute(actions.transfer(token, owner, elsewhere, balance(chain, token, owner) - kept))
    native_wei = int(chain.rpc("eth_getBalance", owner, "latest"), 16)
    chain.execute(Tx(sender=owner, to=elsewhere, value_wei=native_wei - 3 * ETHER))
    for _ in range(8):  # the price's past must reach back over the window
        chain.mine()


def hedged(chain: Chain, world: World, market: AaveContracts, owner: str, mode: str) -> Policy:
    hedge = Hedge(venue=NAME, ratio_bps=Bps(6_500), cooldown_s=Seconds(60), pace_s=Seconds(12))
    made = replace(aave_policy(world, market, owner, chain.chain_id), mode=mode, hedge=hedge)
    return replace(made, policy_version=version_of(made))


@pytest.mark.parametrize("deploy", [deploy_aave_v3_0, deploy_aave_v3_6], ids=["3.0", "3.6"])
def test_what_a_dry_run_of_a_hedge_says_is_what_happens(chain: Chain, world: World, cache, deploy) -> None:
    market, owner = deploy(chain, world, cache=cache), world.accounts.owners[0]
    endow(chain, world, owner)
    terms = read(chain, fields_of(market, least_health="1.05", tokens={world.weth: 40, world.usdc_low: 0}))
    limits = limits_of(world, **ROOMY | {"max_loss_bps": 900})
    limits = replace(limits, venues=(*limits.venues, terms))

    async def story() -> None:
        node = node_of(chain.url)
        dry, live = (
            Followed(node, hedged(chain, world, market, owner, mode)) for mode in ("dry-run", "live")
        )
        await dry.begin()
        await live.begin()
        chain.mine()
        (proposed, _) = await until_proposed(chain.mine, dry, live)
        assert proposed.trigger == "net_outside_band"
        trial, untried = trial_of(dry)
        head, forks = chain.header(), AnvilForks(anvil_program(cache=cache), chain.url)
        async with forks.at(untried.at, owner, trial.block_s) as fork:
            told = await trial.run(fork)
        assert (told.outcome, told.reason) == ("done", "")
        assert {"supply", "borrow", "sell"} <= {step.step for step in told.steps}
        assert chain.header().hash == head.hash, "the real chain knows nothing of it"

        def has() -> dict[str, int]:
            native = int(chain.rpc("eth_getBalance", owner, "latest"), 16)
            tokens = {token: balance(chain, token, owner) for token in (world.weth, world.usdc_low)}
            return tokens | {NATIVE: native}

        had = has()
        next_fee_wei = int(chain.rpc("eth_feeHistory", "0x1", "latest", [])["baseFeePerGas"][-1], 16)
        commands = [o for o in live.said if isinstance(o, SubmitTransaction)]
        took = await carry_out(chain, limits, live, commands, base_fee_wei=next_fee_wei)
        assert took == told.blocks
        assert {change.token: change.delta for change in told.changes} == {
            token: amount - had[token] for token, amount in has().items()
        }
        stock = stock_of(live.shard, live.policy)
        assert told.after is not None
        assert told.after.holdings == stock.holdings
        assert told.after.value_quote == stock.value_quote
        assert next(each.debt for each in stock.holdings if each.token == world.weth) < 0
        await node.close()

    asyncio.run(story())
