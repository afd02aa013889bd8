"""The data for an intent's appraisal is read during its simulation: it decides nothing early, and failed reads are repeated."""

import asyncio
from types import SimpleNamespace

import pytest
from signer_stage import LIMITS, MANAGER, ROUTER, SIGNER, USDC, WETH, Stage

from pipeline.errors import NodeBusyError
from pipeline.sign.nonces import new_account
from pipeline.units import Address
from streams.submit.judge import Judge
from streams.submit.simulation import Effect
from streams.submit.venues.port import Judging, KnownCall
from streams.submit.venues.uniswap_v3 import prices
from streams.submit.venues.uniswap_v3.appraise import PoolAppraiser
from streams.submit.venues.uniswap_v3.depth import Near
from streams.submit.venues.uniswap_v3.pool_reading import HeadReading, PoolReading
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, PricedPool, References, UniswapV3Terms
from streams.submit.verdict import Refusal

DAI = Address("0x" + "a3" * 20)
POOL = PricedPool(address=Address("0x" + "e1" * 20), token0=WETH, token1=USDC, fee_pips=500)
OTHER = PricedPool(address=Address("0x" + "e2" * 20), token0=WETH, token1=DAI, fee_pips=500)
HEAD = Stage().node.blocks[-1].ref
SWAP = KnownCall(to=ROUTER, function="exactInputSingle", arguments=(WETH, USDC, 500), is_action=True)
COLLECT = KnownCall(to=MANAGER, function="collect", arguments=((1, SIGNER, 0, 0),), is_action=True)
APPROVE = KnownCall(to=WETH, function="approve", arguments=(ROUTER, 1))


@pytest.fixture
def asked(monkeypatch):
    """The pairs that were read, in order; the first so many readings fail."""
    found = SimpleNamespace(pairs=[], failures=[])

    async def read_head(node, multicall, pool, head, terms):
        found.pairs.append((pool.token0, pool.token1))
        if found.failures:
            raise found.failures.pop()
        near = Near(sqrt_price_x96=2**96, tick=0, liquidity=10**18, nets={}, mean_liquidity=None)
        return HeadReading(pools={pool: PoolReading(near=near, mean_tick=0)}, rounds={})

    monkeypatch.setattr(prices, "read_head", read_head)
    return found


def appraiser(*pools: PricedPool) -> PoolAppraiser:
    deployment = ListedDeployment(router=ROUTER, position_manager=MANAGER, pools=pools)
    terms = UniswapV3Terms(deployments=(deployment,), references=References(may_be_single=True))
    return PoolAppraiser(terms, Judging(None, Address(WETH), LIMITS, None))


async def test_what_was_read_ahead_is_not_asked_again(asked):
    one = appraiser(POOL, OTHER)
    await one.read_ahead((SWAP,), HEAD)
    assert await one.prices(WETH, HEAD)
    assert asked.pairs == [(WETH, USDC)]


@pytest.mark.parametrize("failure", [NodeBusyError("busy"), Refusal("market", "unreadable")])
async def test_what_could_not_be_read_ahead_is_asked_again(asked, failure):
    one = appraiser(POOL)
    asked.failures.append(failure)
    await one.read_ahead((SWAP,), HEAD)
    assert await one.prices(WETH, HEAD)
    assert len(asked.pairs) == 2


@pytest.mark.parametrize(
    ("calls", "pools", "read"),
    [
        ((APPROVE,), (POOL,), []),
        ((COLLECT,), (POOL,), [(WETH, USDC)]),
        ((COLLECT,), (POOL, OTHER), []),
        ((COLLECT, SWAP), (POOL,), [(WETH, USDC)]),
    ],
    ids=["nothing moves", "one pair", "one of two pairs, not told which", "several calls of one pair"],
)
async def test_only_what_is_asked_in_any_case_is_read_ahead(asked, calls, pools, read):
    await appraiser(*pools).read_ahead(calls, HEAD)
    assert asked.pairs == read


# ------------------------------------------------------------------ while it is simulated
class Ahead:
    """An appraiser that reads until it is ended."""

    def __init__(self):
        self.begun, self.ended, self.end = asyncio.Event(), False, asyncio.Event()

    async def read_ahead(self, *_):
        self.begun.set()
        try:
            await self.end.wait()
        finally:
            self.ended = True


def judged(stage: Stage, simulate, monkeypatch):
    """Begin to simulate an intent, with `simulate`, beside an appraiser that reads ahead."""
    monkeypatch.setattr("streams.submit.judge.simulate", simulate)
    judge = Judge(stage.node, LIMITS, multicall=Address(WETH), stop_of=lambda _: None)
    ahead = Ahead()
    judge._appraisers = dict.fromkeys(judge._appraisers, ahead)
    look = SimpleNamespace(head=HEAD)
    wanted = stage.ask(to=ROUTER)
    return ahead, judge._simulated(wanted, (SWAP,), new_account(SIGNER, 5), look)


async def test_both_run_at_once_and_an_intent_is_appraised_after_both(monkeypatch):
    effect = Effect(gas_used=1, deltas={}, balances={}, logs=())

    async def simulate(*_, **__):
        await asyncio.wait_for(ahead.begun.wait(), 30)
        asyncio.get_running_loop().call_soon(ahead.end.set)
        return effect

    ahead, judging = judged(Stage(), simulate, monkeypatch)
    assert await judging is effect
    assert ahead.ended


async def test_of_what_is_refused_nothing_more_is_read(monkeypatch):
    async def simulate(*_, **__):
        await asyncio.wait_for(ahead.begun.wait(), 30)
        raise Refusal("simulation", "it fails")

    ahead, judging = judged(Stage(), simulate, monkeypatch)
    with pytest.raises(Refusal, match="it fails"):
        await judging
    assert ahead.ended
    assert not ahead.end.is_set()
