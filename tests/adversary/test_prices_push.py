"""Somebody pushes one pool's price, holds it for a whole window, and lets the book act at that price."""

import pytest
from judge_bench import Bench
from price_play import DOLLAR, ETHER, around, brings, give_past, hold, mint, place_feed, push, send
from sender_house import PASTLESS, limits_of, priced_pool

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.transactions import SubmitTransaction
from streams.devnet import actions
from streams.devnet.reads import balance, minted_token_id, position, slot0
from streams.devnet.world import DevnetPool
from streams.submit.venues.uniswap_v3.terms import References

pytestmark = pytest.mark.anvil

NAME, OTHER = "weth_usdc_low_500", PASTLESS
WINDOW_S = 180
PUSHES = [388, 892, -388, -892]
ABSURD_TICKS = [60_000, -60_000]


def limits(bench: Bench, references: References, *, listed: tuple[str, ...] = (NAME,)):
    pools = tuple(priced_pool(bench.world.pool(name)) for name in listed)
    return limits_of(bench.world, twap_window_s=WINDOW_S, pools=pools, references=references)


def pushed(bench: Bench, ticks: int) -> DevnetPool:
    """The pool that is traded in, held at a wrong price for more than a window."""
    pool = bench.world.pool(NAME)
    give_past(bench, bench.world.pool(OTHER))
    push(bench, pool, ticks)
    hold(bench, WINDOW_S + 24)
    return pool


def asked(bench: Bench, pool: DevnetPool) -> list[SubmitTransaction]:
    """A mint about the pushed price, and a sale of each token, with the strictest minimums that can be met."""
    weth, usdc = bench.world.weth, bench.world.usdc_of(pool)
    sales = []
    for sold, bought, amount in ((weth, usdc, ETHER // 10), (usdc, weth, 300 * DOLLAR)):
        honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=NAME))
        sales.append(bench.swap(sold, amount, honest, pool=NAME))
    return [mint(bench, pool, around(bench, pool), slack_bps=20, weth=ETHER), *sales]


def lost_bps_of_mint(bench: Bench, pool: DevnetPool, intent: SubmitTransaction, fair_tick: int) -> int:
    """Carry a mint out, let the pusher go home, and compare at the fair price what went in with what is there."""
    chain, world = bench.chain, bench.world

    def wealth() -> int:
        price_x96 = sqrt_price_at_tick(fair_tick)
        amount0, amount1 = (balance(chain, token, bench.owner) for token in (pool.token0, pool.token1))
        return (amount0 * price_x96 * price_x96 >> 192) + amount1

    had = wealth()
    tx_hash = send(bench, intent)
    chain.mine()
    token_id = minted_token_id(chain.receipt(tx_hash), world)
    put_in = had - wealth()
    push(bench, pool, fair_tick - slot0(chain, pool).tick)
    liquidity = position(chain, world, token_id).liquidity
    chain.execute(
        actions.decrease(world, bench.owner, token_id, liquidity),
        actions.collect(world, bench.owner, token_id),
    )
    return (had - wealth()) * 10_000 // put_in


# ------------------------------------------------------------------ what a single reference lets through
@pytest.mark.parametrize(("ticks", "costs_bps"), [(388, 60), (892, 200)])
def test_a_single_reference_goes_along_with_its_pool(bench: Bench, ticks: int, costs_bps: int) -> None:
    """This is what `single_reference: true` accepts, and what the tests below must stop."""
    fair_tick = slot0(bench.chain, bench.world.pool(NAME)).tick
    pool = pushed(bench, ticks)
    bench.limits = limits(bench, References(may_be_single=True))
    intent = asked(bench, pool)[0]
    bench.judge(intent)
    assert lost_bps_of_mint(bench, pool, intent, fair_tick) > costs_bps


def test_without_a_second_reference_nothing_is_priced(bench: Bench) -> None:
    pool = pushed(bench, 0)
    bench.limits = limits(bench, References())
    for intent in asked(bench, pool):
        refusal = bench.refusal(intent)
        assert (refusal.reason, "its pair's only reference" in refusal.detail) == ("market", True)


# ------------------------------------------------------------------ what a second one stops
@pytest.mark.parametrize("ticks", PUSHES + ABSURD_TICKS)
@pytest.mark.parametrize("second", ["pool", "feed"])
def test_a_pool_that_is_held_at_a_wrong_price_carries_nothing_along(
    bench: Bench, second: str, ticks: int
) -> None:
    pool = pushed(bench, ticks)
    if second == "pool":
        references = References(pools=(priced_pool(bench.world.pool(OTHER)),))
    else:
        references = References(feeds=(place_feed(bench),))
    bench.limits = limits(bench, references)
    intents = asked(bench, pool)
    if ticks in ABSURD_TICKS:  # no mint there has minimums that mean anything: refused for those already
        assert bench.refusal(intents.pop(0)).reason == "limits"
    for intent in intents:
        refusal = bench.refusal(intent)
        assert refusal.reason in {"limits", "market"}, refusal
        assert (
            "mean of pool" in refusal.detail or "feed 0x" in refusal.detail or "within 1 %" in refusal.detail
        )


@pytest.mark.parametrize("second", ["pool", "feed"])
def test_where_the_references_agree_the_same_intents_are_signed(bench: Bench, second: str) -> None:
    pool = pushed(bench, 0)
    if second == "pool":
        references = References(pools=(priced_pool(bench.world.pool(OTHER)),))
    else:
        references = References(feeds=(place_feed(bench),))
    bench.limits = limits(bench, references)
    for intent in asked(bench, pool):
        bench.judge(intent)


# ------------------------------------------------------------------ the deepest of a pair
@pytest.mark.parametrize("ticks", [388, -388])
def test_the_deepest_pool_is_a_reference_whichever_pool_the_intent_chooses(bench: Bench, ticks: int) -> None:
    """Both fee tiers are listed; the intent names the shallow one, which was pushed."""
    world, deep = bench.world, bench.world.pool(OTHER)
    provider = world.accounts.providers[0]
    bench.chain.execute(
        actions.mint_position(world, provider, deep, around(bench, deep), world.amounts(deep, 900 * ETHER))
    )
    pool = pushed(bench, ticks)
    bench.limits = limits(bench, References(may_be_single=True), listed=(NAME, OTHER))
    for intent in asked(bench, pool):
        refusal = bench.refusal(intent)
        assert refusal.reason in {"limits", "market"}
        assert f"the mean of pool {deep.address}" in refusal.detail


# ------------------------------------------------------------------ a past that is too short, or too old
def test_a_reference_that_does_not_reach_back_is_refused_and_not_left_out(bench: Bench) -> None:
    pool, other = bench.world.pool(NAME), bench.world.pool(OTHER)
    push(bench, other, 5)  # its one observation is of now
    bench.limits = limits(bench, References(pools=(priced_pool(other),), may_be_single=True))
    for intent in asked(bench, pool):
        refusal = bench.refusal(intent)
        assert (refusal.reason, f"pool {other.address} has no price over 180 s" in refusal.detail) == (
            "market",
            True,
        )


def test_a_pool_in_which_nobody_trades_has_no_price(bench: Bench) -> None:
    pool = pushed(bench, 0)
    references = References(pools=(priced_pool(bench.world.pool(OTHER)),))
    hold(bench, 4_000)
    push(bench, pool, 5)
    bench.limits = limits(bench, references)
    for intent in asked(bench, pool):
        refusal = bench.refusal(intent)
        assert (refusal.reason, "has written no observation for" in refusal.detail) == ("market", True)
