"""The followed state equals the real bytecode in every field, after random operations of every kind."""

from dataclasses import dataclass

import pytest
from v3_follower import raw_log
from v3_play import Play, create_pool

from pipeline.errors import OutOfRangeError
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3 import Quote, decode_pool_log, quote
from pipeline.venues.uniswap_v3.forms.facts import Swapped
from streams.devnet import actions, direct_calls
from streams.devnet.chain import Chain, DevnetBlock
from streams.devnet.reads import range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import Pair, World

pytestmark = pytest.mark.anvil

ALWAYS = {"up", "down", "Minted", "Burned", "Collected", "over a tick"}


@dataclass(frozen=True)
class Odd:
    """A pool of a kind that is rarely met, and what it is there to show."""

    fee_pips: int
    tick_spacing: int
    tick: int
    most: Pair
    most_liquidity: int
    shows: str


ODD = {
    "narrow words": Odd(100, 1, 0, (12, 12), 14, "over a word"),
    "deep": Odd(3000, 60, 60 * 255, (33, 33), 33, "over a word"),
    "near the greatest price": Odd(10_000, 200, 886_900, (6, 39), 21, "into or out of a gap"),
    "near the least price": Odd(10_000, 200, -886_900, (39, 6), 21, "into or out of a gap"),
    "odd fee": Odd(999_999, 16_383, -5, (20, 20), 18, "dust"),
}


def play_of(chain: Chain, world: World, kind: str, seed: int) -> Play:
    """One of the world's pools by name, or an odd one made for the test."""
    odd = ODD.get(kind)
    if odd is None:
        pool = world.pool(kind)
        most = (21, 13) if pool.token0 == world.weth else (13, 21)
        return Play(chain, world, pool, seed, most, most_liquidity=18)
    price_x96 = sqrt_price_at_tick(Tick(odd.tick)) - seed % 2
    pool = create_pool(
        chain, world, fee_pips=odd.fee_pips, tick_spacing=odd.tick_spacing, price_x96=price_x96
    )
    return Play(chain, world, pool, seed, odd.most, odd.most_liquidity)


@pytest.mark.parametrize("kind", ["weth_usdc_low_500", "weth_usdc_high_500", "weth_usdc_low_3000", *ODD])
def test_everything_equals_the_chain(chain: Chain, world: World, kind: str) -> None:
    play = play_of(chain, world, kind, seed=3)
    seen = play.run()
    wanted = ALWAYS | {ODD[kind].shows} if kind in ODD else ALWAYS
    assert wanted <= {what for what, times in seen.items() if times}


@pytest.mark.parametrize("blocks_a_second", [3, 4])
def test_blocks_that_share_a_timestamp_are_followed_as_well(
    chain: Chain, world: World, blocks_a_second: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chains that make several blocks in a second: observations are written once a second, all else at each block."""
    mine, times = chain.mine, []

    def quickly(**terms: int) -> DevnetBlock:
        head_s = chain.header().timestamp_s
        chain.rpc("evm_setNextBlockTimestamp", head_s + (len(times) % blocks_a_second == 0))
        times.append(mine(**terms).timestamp_s)
        return chain.header()

    monkeypatch.setattr(chain, "mine", quickly)
    play = play_of(chain, world, "weth_usdc_low_500", seed=6)
    seen = play.run()
    assert {what for what, count in seen.items() if count} >= ALWAYS
    assert len(times) > 20
    assert len(set(times)) <= len(times) // blocks_a_second + 1


@pytest.mark.parametrize("name", ["weth_usdc_low_500", "weth_usdc_high_500"])
def test_nfts_on_one_range_share_what_the_pool_owes_it(chain: Chain, world: World, name: str) -> None:
    """A neighbour who collects often has the common account rounded down each time: who waits may be short of it."""
    play = play_of(chain, world, name, seed=5)
    pool, owners = play.pool, world.accounts.owners
    play.follow()
    before = set(play.follower.nfts)
    ticks = range_around(chain, pool, -300, 300)
    mints = (
        actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 10**17)) for owner in owners[:2]
    )
    play.mine(list(mints))
    play.follow()
    waiting, neighbour = sorted(set(play.follower.nfts) - before)
    for number in range(80):
        play.mine([small_swap(play, down=down) for down in (True, False)])
        play.mine([actions.collect(world, owners[1], neighbour)])
        if number % 40 == 39:
            play.mine([actions.decrease(world, owners[0], waiting, 1 + number)])
        play.follow()
        for token_id in (waiting, neighbour):
            play.truth.check_nft(token_id, play.follower.nfts[token_id])
    play.truth.check()
    assert play.follower.seen["paid less than owed"] > 0


def small_swap(play: Play, *, down: bool) -> Tx:
    amount = 10 ** play.most[0 if down else 1] // play.rng.randrange(10**5, 10**6)
    return direct_calls.swap_directly(
        play.world, play.actors.someone(), play.pool, zero_for_one=down, amount=amount
    )


@pytest.mark.parametrize("kind", ["weth_usdc_high_500", *ODD])
def test_a_quote_is_what_the_chain_does(chain: Chain, world: World, kind: str) -> None:
    """Each swap alone in its block: the same amounts, price, liquidity and tick, or no swap at all."""
    play = play_of(chain, world, kind, seed=4)
    play.run(blocks=6)
    worked = 0
    for _ in range(60):
        worked += quoted_and_done(play)
        if play.rng.random() < 0.2:
            play.mine([play.actors.mint()])
        play.follow()
    assert worked > 30


def quoted_and_done(play: Play) -> bool:
    """Quote one swap, execute it and compare, and return whether it succeeded."""
    down = play.rng.random() < 0.5
    amount = play.actors.amount(play.rng.randrange(2)) * play.rng.choice((1, -1))
    limit_x96 = play.actors.limit_x96(down=down)
    tx = direct_calls.swap_directly(
        play.world,
        play.actors.someone(),
        play.pool,
        zero_for_one=down,
        amount=amount,
        limit_x96=limit_x96,
    )
    limit = SqrtPriceX96(limit_x96)
    try:
        said = quote(play.follower.live, RawAmount(amount), zero_for_one=down, limit_x96=limit)
    except OutOfRangeError:
        said = None
    sent = play.chain.send(tx)
    play.chain.mine()
    receipt = play.chain.receipt(sent)
    logs = [
        raw_log({**log, "logIndex": "0x0"})
        for log in play.chain.rpc("eth_getTransactionReceipt", sent)["logs"]
        if log["address"] == play.pool.address
    ]
    if not receipt.succeeded:
        assert said is None
        return False
    (done,) = [fact for fact in map(decode_pool_log, logs) if isinstance(fact, Swapped)]
    assert said == Quote(
        amount0_delta=done.amount0_delta,
        amount1_delta=done.amount1_delta,
        sqrt_price_x96=done.sqrt_price_x96,
        liquidity=done.liquidity,
        tick=done.tick,
    )
    return True
