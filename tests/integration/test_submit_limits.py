"""The signer's refusals on a real chain: whoever wrote the intent, no more is lost than its own limits allow."""

import asyncio
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from intents import wide_budget
from judge_bench import Bench
from sender_house import CHAIN_IDS, PASTLESS, limits_of, priced_pool
from signer_limits import uniswap

from pipeline.messages.base import Cause
from pipeline.messages.transactions import Minimum, SubmitTransaction
from pipeline.units import NATIVE
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import start_chain
from streams.devnet.reads import balance, minted_token_id, position, range_around
from streams.devnet.world import World
from streams.submit.judge import Judge
from streams.submit.node import HttpSenderNode
from streams.submit.verdict import Refusal

pytestmark = pytest.mark.anvil

ETHER = 10**18
DOLLARS = 10**6
MANAGER = "uniswap-v3/NonfungiblePositionManager"
STRANGER = "0x" + "ab" * 20


@pytest.fixture(scope="module")
def chain(built: tuple[World, Path, str], tmp_path_factory, cache: Path):
    folder = tmp_path_factory.mktemp("limits")
    with start_chain(folder, cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as running:
        yield running


@pytest.fixture
def bench(chain, built: tuple[World, Path, str], tmp_path: Path) -> Iterator[Bench]:
    snapshot = chain.rpc("evm_snapshot")
    yield Bench(chain, built[0], tmp_path)
    chain.rpc("evm_revert", snapshot)


def changed(intent: SubmitTransaction, **changes) -> SubmitTransaction:
    return msgspec.structs.replace(intent, **changes)


def called(intent: SubmitTransaction, **changes) -> SubmitTransaction:
    return changed(intent, call=msgspec.structs.replace(intent.call, **changes))


# ------------------------------------------------------------------ what is allowed
def test_the_calls_of_a_rerange_pass(bench):
    world, pool = bench.world, bench.world.pool("weth_usdc_low_500")
    ticks = range_around(bench.chain, pool, -600, 600)
    (receipt,) = bench.chain.execute(
        actions.mint_position(world, bench.owner, pool, ticks, world.amounts(pool, 5 * ETHER))
    )
    token_id = minted_token_id(receipt, world)
    liquidity = position(bench.chain, world, token_id).liquidity
    found = bench.judge(withdrawal(bench, token_id, liquidity))
    assert found.effect.deltas[world.weth] > 0
    assert found.effect.deltas[world.usdc_low] > 0
    assert found.effect.deltas[NATIVE] == 0
    bench.judge(bench.approve(world.usdc_low, 3_000 * DOLLARS))
    beyond = balance(bench.chain, world.usdc_low, bench.owner) + DOLLARS
    bench.limits = msgspec.structs.replace(bench.limits, standing_allowances={world.usdc_low: beyond})
    for spender in (world.router, world.position_manager):
        bench.judge(bench.approve(world.usdc_low, beyond, spender))
        with pytest.raises(Refusal, match="may stand"):
            bench.judge(bench.approve(world.usdc_low, beyond + 1, spender))
    with pytest.raises(Refusal, match="approve of"):
        bench.judge(bench.approve(world.usdc_low, 1, STRANGER))
    bench.judge(bench.approve(world.weth, 0, world.position_manager))
    bench.judge(bench.swap(world.usdc_low, 3_000 * DOLLARS, 998 * ETHER // 1000))
    bench.judge(bench.swap(world.weth, ETHER, 2_994 * DOLLARS))
    bench.judge(mint(bench, ticks, slack_bps=100))
    bench.judge(bench.deposit())
    bench.judge(
        bench.intent(world.weth, function("tokens/WETH9", "withdraw").calldata(ETHER), gas_limit=80_000)
    )


def withdrawal(bench, token_id, liquidity, *, recipient=None):
    deadline_s = bench.head().timestamp_s + 600
    parts = [
        function(MANAGER, "decreaseLiquidity").encode((token_id, liquidity, 0, 0, deadline_s)),
        function(MANAGER, "collect").encode((token_id, recipient or bench.owner, 2**128 - 1, 2**128 - 1)),
    ]
    data = function(MANAGER, "multicall").calldata(parts)
    return bench.intent(bench.world.position_manager, data, gas_limit=500_000)


def mint(bench, ticks, *, slack_bps, recipient=None, pool="weth_usdc_low_500", least=None):
    place = bench.world.pool(pool)
    amount = 2 * ETHER
    wanted = [amount if t == bench.world.weth else 6_000 * DOLLARS for t in (place.token0, place.token1)]
    terms = (place.token0, place.token1, place.fee_pips, *ticks, *wanted)
    deadline_s = bench.head().timestamp_s + 600
    if least is None:
        used = actions.mint_position(bench.world, bench.owner, place, ticks, tuple(wanted))
        result = bench.chain.call(used.to, used.data, sender=used.sender)
        _, _, *amounts = function(MANAGER, "mint").answer(bytes.fromhex(result[2:]))
        least = [each * (10_000 - slack_bps) // 10_000 for each in amounts]
    data = function(MANAGER, "mint").calldata((*terms, *least, recipient or bench.owner, deadline_s))
    return bench.intent(bench.world.position_manager, data, gas_limit=700_000)


# ------------------------------------------------------------------ forged: reason and field
def test_a_forged_record_is_refused_for_what_is_wrong_with_it(bench):
    world = bench.world
    good = bench.deposit()
    bench.judge(good)
    swap = bench.swap(world.usdc_low, 300 * DOLLARS, 998 * ETHER // 10_000)
    bench.judge(swap)
    rich = balance(bench.chain, world.usdc_low, bench.owner)
    far = world.pool("weth_usdc_high_500")
    forged = {
        ("malformed", "id: 'x'"): changed(good, id="x"),
        ("malformed", "is of no cause on shard 0"): changed(good, id="reb.1.7.0123456789abcdef"),
        ("malformed", "because_of: shard 1"): changed(
            good, because_of=Cause(shard=1, offset=good.because_of.offset, block=None)
        ),
        ("malformed", "owner"): changed(good, owner="0xAB"),
        ("malformed", "call.to"): called(good, to="nowhere"),
        ("malformed", "call.data"): called(good, data="0xzz"),
        ("malformed", "no lower-case hex of bytes, or too many"): called(good, data="0x" + "00" * 40_000),
        ("malformed", "call.value_wei: -1"): called(good, value_wei=-1),
        ("malformed", "max_age_blocks: -1"): changed(good, max_age_blocks=-1),
        ("malformed", "follows itself"): changed(good, after=good.digest),
        ("predecessor", "which is not known here"): changed(good, after="0123456789abcdef"),
        ("malformed", "minimums"): changed(good, minimums=(Minimum(token=good.digest, delta=1),)),
        ("limits", "acting through a Safe"): changed(good, owner=STRANGER),
        ("limits", "it must go privately"): changed(good, is_private=True),
        ("limits", f"contract {STRANGER} is not on the list"): called(good, to=STRANGER),
        ("limits", "function 0xa9059cbb"): called(
            good, value_wei=0, data=function("tokens/ERC20", "transfer").calldata(STRANGER, 1)
        ),
        ("limits", "approve of"): bench.approve(world.weth, 1, STRANGER),
        ("limits", "an allowance of"): bench.approve(world.usdc_low, rich + 1),
        ("limits", f"for {STRANGER}, which is not on the list"): bench.swap(
            world.usdc_low, 300 * DOLLARS, ETHER // 11, recipient=STRANGER
        ),
        ("limits", "for 0x0000000000000000000000000000000000000002"): bench.swap(
            world.usdc_low, 300 * DOLLARS, ETHER // 11, recipient="0x" + "00" * 19 + "02"
        ),
        ("limits", "the swap's minimum may lose"): bench.swap(world.usdc_low, 300 * DOLLARS, ETHER // 20),
        ("limits", "with a call that takes none"): called(swap, value_wei=1),
        ("limits", "gas limit, at most"): called(good, gas_limit=10**8),
        ("limits", "wei of value, gas and reserve, at most"): called(good, value_wei=10**30),
        ("market", "the cap is 7"): changed(good, max_fee_per_gas_wei=7),
        ("malformed", "not what they encode to"): called(swap, data=swap.call.data + "00" * 32),
        ("malformed", "the arguments of multicall"): called(swap, data=swap.call.data[:74]),
        ("simulation", "must by"): changed(good, minimums=(Minimum(token=world.weth, delta=ETHER + 1),)),
        ("simulation", f"{NATIVE} would change by"): changed(
            good, minimums=(Minimum(token=NATIVE, delta=0),)
        ),
        ("simulation", "Too little received"): bench.swap(world.usdc_low, 300 * DOLLARS, ETHER),
        ("simulation", "it fails on block"): bench.intent(
            world.weth, function("tokens/WETH9", "withdraw").calldata(10**30), gas_limit=80_000
        ),
        ("orphaned", "is 0x"): changed(
            good, made_at=msgspec.structs.replace(good.made_at, hash="0x" + "ab" * 32)
        ),
        ("expired", "its deadline"): changed(good, deadline_s=good.made_at.timestamp_s - 1),
    }
    wrong = {}
    for (reason, says), intent in forged.items():
        refusal = bench.refusal(intent)
        if (refusal.reason, says in refusal.detail) != (reason, True):
            wrong[reason, says] = str(refusal)
    assert not wrong
    bench.limits = limits_of(world, pools=uniswap(bench.limits).pools[:1])
    assert "is not on the list" in bench.refusal(bench.approve(world.usdc_high, 1)).detail
    sold = bench.swap(far.token0, 1, 0, pool="weth_usdc_high_500")
    assert "not on the list" in bench.refusal(sold).detail


def test_an_nft_of_another_and_a_payment_to_another_are_refused(bench):
    pool = bench.world.pool("weth_usdc_low_500")
    ticks = range_around(bench.chain, pool, -600, 600)
    assert "mint of" in bench.refusal(mint(bench, ticks, slack_bps=100, recipient=STRANGER)).detail
    assert "collect of" in bench.refusal(withdrawal(bench, 1, 1, recipient=STRANGER)).detail
    assert bench.refusal(withdrawal(bench, 1, 1)).reason == "simulation"  # the manager's own word: not ours


def test_liquidity_that_is_taken_out_but_not_collected_counts_as_lost(bench):
    world, pool = bench.world, bench.world.pool("weth_usdc_low_500")
    ticks = range_around(bench.chain, pool, -600, 600)
    (receipt,) = bench.chain.execute(
        actions.mint_position(world, bench.owner, pool, ticks, world.amounts(pool, ETHER))
    )
    token_id = minted_token_id(receipt, world)
    terms = (token_id, position(bench.chain, world, token_id).liquidity, 0, 0, bench.head().timestamp_s + 600)
    data = function(MANAGER, "decreaseLiquidity").calldata(terms)
    refusal = bench.refusal(bench.intent(world.position_manager, data, gas_limit=400_000))
    assert "may lose 10000 bps" in refusal.detail


# ------------------------------------------------------------------ a pool that was moved in the head's block
@pytest.mark.parametrize("down", [True, False])
def test_a_moved_spot_price_gets_nothing_signed_that_loses(bench, down):
    world, pool = bench.world, bench.world.pool("weth_usdc_low_500")
    ticks = range_around(bench.chain, pool, -600, 600)
    sell, amount = (world.usdc_low, 6_000_000 * DOLLARS) if down else (world.weth, 2_000 * ETHER)
    if sell == world.usdc_low:
        bench.chain.execute(
            actions.mint_usdc(sell, world.accounts.traders[0], world.accounts.traders[0], amount)
        )
    bench.chain.execute(actions.swap_exact_in(world, world.accounts.traders[0], pool, sell, amount))

    # what the owner buys is dear now: a minimum that spot would meet is below the limit, one at the limit fails
    buy_dear = (
        (
            bench.swap(world.usdc_low, 3_000 * DOLLARS, 1),
            bench.swap(world.usdc_low, 3_000 * DOLLARS, 998 * ETHER // 1000),
        )
        if down
        else (bench.swap(world.weth, ETHER, 1), bench.swap(world.weth, ETHER, 2_994 * DOLLARS))
    )
    assert "the swap's minimum may lose" in bench.refusal(buy_dear[0]).detail
    assert bench.refusal(buy_dear[1]).reason == "simulation"
    moved = range_around(bench.chain, pool, -600, 600)
    for where in (ticks, moved):
        assert "lose" in bench.refusal(mint(bench, where, slack_bps=0, least=(0, 0))).detail
    assert "lose" in bench.refusal(mint(bench, moved, slack_bps=100)).detail


def test_a_pool_without_a_past_prices_nothing(bench):
    world = bench.world
    pool = world.pool(PASTLESS)
    bench.limits = limits_of(world, pools=(priced_pool(pool),))
    trader = world.accounts.traders[0]
    bench.chain.execute(
        actions.swap_exact_in(world, trader, pool, world.weth, 100 * ETHER)
    )  # its one observation
    swap = bench.swap(pool.token0, 10**9, 1, pool=PASTLESS)
    refusal = bench.refusal(swap)
    assert (refusal.reason, "has no price over 60 s" in refusal.detail) == ("market", True)


# ------------------------------------------------------------------ fuzz
def test_calldata_with_flipped_bytes_never_moves_more_than_allowed(bench):
    dice = random.Random(5)
    world, pool = bench.world, bench.world.pool("weth_usdc_low_500")
    ticks = range_around(bench.chain, pool, -600, 600)
    seeds = [
        bench.swap(world.usdc_low, 300 * DOLLARS, 998 * ETHER // 10_000),
        mint(bench, ticks, slack_bps=100),
        bench.approve(world.usdc_low, 100),
    ]
    passed = refused = 0
    for _ in range(60):
        seed = dice.choice(seeds)
        raw = bytearray.fromhex(seed.call.data[2:])
        for _ in range(dice.choice((1, 1, 2, 8))):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        try:
            found = bench.judge(called(seed, data="0x" + raw.hex()))
        except Refusal:
            refused += 1
            continue
        passed += 1
        deltas = found.effect.deltas
        assert deltas[world.usdc_high] == deltas[NATIVE] == 0
    assert refused > passed


def test_other_venues_get_a_price_at_every_reference_of_one_pool_or_two(bench):
    """What a lending market values collateral and debt by: exact, in raw units of the budget's token."""
    world = bench.world
    low, high = world.pool("weth_usdc_low_500"), world.pool("weth_usdc_high_500")
    bench.limits = limits_of(
        world, pools=(priced_pool(low), priced_pool(high)), budget=wide_budget(world.usdc_low)
    )

    async def priced(*tokens: str) -> list[list[Fraction]]:
        node = HttpSenderNode(bench.chain.url, timeout_s=10)
        judge = Judge(node, bench.limits, multicall=world.multicall, stop_of=lambda _: None)
        try:
            head = (await node.newest()).block
            return [list(await judge._prices(token, head)) for token in tokens]
        finally:
            await node.close()

    own, (weth, *_), across = asyncio.run(priced(world.usdc_low, world.weth, world.usdc_high))
    assert own == [1]
    assert abs(weth * ETHER / (3_000 * DOLLARS) - 1) < Fraction(1, 50)
    assert len(across) == 1
    assert abs(across[0] - 1) < Fraction(1, 50), "by way of WETH"
    with pytest.raises(Refusal, match="market: no venue of the signer's file prices"):
        asyncio.run(priced(STRANGER))
