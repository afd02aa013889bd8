"""On the bytecode of both deployments: in a quiet market the signer signs a mint at any place of its range, and it is mined."""

from collections import Counter
from pathlib import Path

import pytest
from judge_bench import Bench
from msgspec.structs import replace
from price_play import hold, send, swap_to, undone
from quiet_market import Amounts, asked_for
from second_deployment import FORK, HERE, second_deployment
from sender_house import limits_of, priced_pool
from signer_limits import uniswap

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, Pips, RawAmount, Seconds, Tick
from pipeline.venues.uniswap_v3.calldata import write_mint
from streams.devnet.chain import Chain
from streams.devnet.reads import minted_token_id, position, slot0
from streams.devnet.world import DevnetPool, World
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, References

pytestmark = pytest.mark.anvil

RANGES = (
    (600, 1_200),
    (0, 600),
    (-30, 570),
    (-300, 300),
    (-570, 30),
    (-600, 0),
    (-1_200, -600),
    (-60_000, 60_000),
)
"""Ends, from the price's tick: beside it, from it on, with 95 % of one token, about it, and so to the other side."""
HAIRS = 0, 10**12, 10**20, -(10**12), -(10**20)
"""How far the price is from a tick, in units of its root's last digit: nearer the manager itself takes no excess of a token."""
MAX_LOSS_BPS = 100


def bench_of(chain: Chain, world: World, fork: World, folder: Path) -> Bench:
    bench = Bench(chain, world, folder)
    usual = limits_of(world, max_share_of_depth_bps=10_000, references=References(may_be_single=True))
    deployments = tuple(
        ListedDeployment(
            router=Address(each.router),
            position_manager=Address(each.position_manager),
            pools=tuple(priced_pool(pool) for name, pool in each.pools.items() if name in {HERE, FORK}),
        )
        for each in (world, fork)
    )
    bench.limits = replace(
        usual, max_loss_bps=MAX_LOSS_BPS, venues=(replace(uniswap(usual), deployments=deployments),)
    )
    return bench


def mint_of(
    bench: Bench, at: World, pool: DevnetPool, ticks: tuple[int, int], asked: tuple[Amounts, Amounts]
) -> SubmitTransaction:
    data = write_mint(
        token0=Address(pool.token0),
        token1=Address(pool.token1),
        fee_pips=Pips(pool.fee_pips),
        ticks=(Tick(ticks[0]), Tick(ticks[1])),
        amounts=asked[0],
        minimums=asked[1],
        recipient=Address(bench.owner),
        deadline_s=Seconds(bench.head().timestamp_s + 600),
    )
    return bench.intent(at.position_manager, data, gas_limit=900_000)


@pytest.mark.parametrize("name", [HERE, FORK])
def test_a_mint_is_signed_and_mined_at_any_place_of_its_range(
    chain: Chain, world: World, cache: Path, tmp_path: Path, name: str
) -> None:
    fork = second_deployment(chain, world, cache)
    at = fork if name == FORK else world
    pool, bench = at.pools[name], bench_of(chain, world, fork, tmp_path)
    trader, reached = world.accounts.traders[0], Counter[str]()
    for hair in HAIRS:
        middle = (slot0(chain, pool).tick + 25) // 10 * 10
        to_x96 = sqrt_price_at_tick(Tick(middle)) + hair
        for each, of_pair in ((world, world.pool(HERE)), (fork, fork.pools[FORK])):
            was_x96 = slot0(chain, of_pair).sqrt_price_x96
            chain.execute(swap_to(each, of_pair, trader, was_x96, to_x96))
        assert slot0(chain, pool).sqrt_price_x96 == to_x96
        hold(bench, 240)
        for lower, upper in RANGES:
            ticks, held = (middle + lower, middle + upper), at.amounts(pool, 10**18)
            asked = asked_for(to_x96, ticks, held, MAX_LOSS_BPS)
            intent = mint_of(bench, at, pool, ticks, asked)
            bench.judge(intent)
            with undone(chain):
                tx_hash = send(bench, intent)
                chain.mine()
                receipt = chain.receipt(tx_hash)
                assert receipt.succeeded
                assert position(chain, at, minted_token_id(receipt, at)).liquidity > 0
            reached["one token" if 0 in asked[0] else "both tokens"] += 1
            forged = mint_of(bench, at, pool, ticks, (asked[0], (RawAmount(0), RawAmount(0))))
            assert "the mint's minimums" in bench.refusal(forged).detail
    assert reached == {"one token": 16, "both tokens": 24}
