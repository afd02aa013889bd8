"""An attacker's moves of a pool's price on the real contracts, and the owner's resulting loss."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar

from judge_bench import Bench

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, Seconds
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, minted_token_id, position, range_around, slot0
from streams.devnet.transactions import Tx
from streams.devnet.world import DevnetPool, World
from streams.submit.venues.uniswap_v3.terms import Feed

ETHER, DOLLAR = 10**18, 10**6
T = TypeVar("T")
MANAGER = "uniswap-v3/NonfungiblePositionManager"
_FEED = "0x" + "fe" * 20
FEED_CODE = (
    "0x60003560e01c"
    "80637284e416146048"
    "57"  # description() goes on at 0x48
    "63313ce5671460"
    "3c"
    "57"  # decimals() goes on at 0x3c
    + "".join(f"60{slot:02x}5460{32 * slot:02x}52" for slot in range(5))  # else: slots 0 to 4, in order
    + "60a06000f3"
    + "5b60055460005260206000f3"  # slot 5
    + "5b602060005260065460205260075460405260606000f3"  # a text: its length in slot 6, up to 32 bytes in slot 7
)
"""A stand-in for AggregatorV3: it answers what its storage holds."""


@contextmanager
def undone(chain: Chain) -> Any:
    """Undo every change of the chain inside the block."""
    snapshot = chain.rpc("evm_snapshot")
    try:
        yield
    finally:
        chain.rpc("evm_revert", snapshot)


# ------------------------------------------------------------------ prices
def swap_to(world: World, pool: DevnetPool, trader: str, from_x96: int, to_x96: int) -> Tx:
    """Trade as much as moves the price to a value."""
    sold = pool.token0 if to_x96 < from_x96 else pool.token1
    amount = 150_000 * ETHER if sold == world.weth else 1_500_000_000 * DOLLAR
    return actions.swap_exact_in(world, trader, pool, sold, amount, limit_x96=to_x96)


def push(bench: Bench, pool: DevnetPool, ticks: int) -> None:
    """Move the price by a number of ticks, in the head's block."""
    was = slot0(bench.chain, pool)
    target_x96 = sqrt_price_at_tick(was.tick + ticks)
    if target_x96 == was.sqrt_price_x96:
        return
    trader = bench.world.accounts.traders[0]
    bench.chain.execute(swap_to(bench.world, pool, trader, was.sqrt_price_x96, target_x96))


def hold(bench: Bench, seconds: int) -> None:
    """Let a time pass, with a block every 12 s."""
    bench.chain.rpc("anvil_mine", hex(seconds // 12 + 1), hex(12))


def rising(pool: DevnetPool, token: str) -> int:
    """Return the direction of ticks in which a token of the pool becomes more expensive."""
    return 1 if token == pool.token0 else -1


# ------------------------------------------------------------------ an owner's transaction
def send(bench: Bench, intent: SubmitTransaction) -> str:
    call = intent.call
    return bench.chain.send(Tx(sender=intent.owner, to=call.to, data=call.data, gas=call.gas_limit))


def brings(bench: Bench, token: str, intent: SubmitTransaction) -> int:
    """Return how much of a token an intent brings on the head, without other traders."""
    with undone(bench.chain):
        had = balance(bench.chain, token, bench.owner)
        tx_hash = send(bench, intent)
        bench.chain.mine()
        assert bench.chain.receipt(tx_hash).succeeded
        return balance(bench.chain, token, bench.owner) - had


def sandwiched(bench: Bench, pool: DevnetPool, bought: str, intent: SubmitTransaction) -> int:
    """Push the price before an intent as far as its minimum allows, and return what it then brings."""
    chain, world, trader = bench.chain, bench.world, bench.world.accounts.traders[1]
    spot_x96, had = slot0(chain, pool).sqrt_price_x96, balance(chain, bought, bench.owner)
    far_x96 = spot_x96 * 12 // 10 if bought == pool.token0 else spot_x96 * 8 // 10

    def brought_at(pushed_x96: int) -> int | None:
        with undone(chain):
            chain.send(swap_to(world, pool, trader, spot_x96, pushed_x96))
            tx_hash = send(bench, intent)
            chain.send(swap_to(world, pool, trader, pushed_x96, spot_x96))
            chain.mine()
            return balance(chain, bought, bench.owner) - had if chain.receipt(tx_hash).succeeded else None

    return _farthest(brought_at, spot_x96, far_x96)


def best_sandwich(bench: Bench, pool: DevnetPool, sold: str, amount: int) -> int:
    """Return the largest gain, in the sold token, of somebody who trades before and after a swap in its block."""
    chain, world, (victim, robber) = bench.chain, bench.world, bench.world.accounts.traders[:2]
    bought = pool.token1 if sold == pool.token0 else pool.token0

    def gained_by(front_amount: int) -> int:
        with undone(chain):
            had = balance(chain, sold, robber)
            front = actions.swap_exact_in(world, robber, pool, sold, front_amount)
            got = int(chain.call(front.to, front.data, sender=robber), 16)
            chain.send(front)
            chain.send(actions.swap_exact_in(world, victim, pool, sold, amount))
            chain.send(actions.swap_exact_in(world, robber, pool, bought, got))
            chain.mine()
            return balance(chain, sold, robber) - had

    return max(gained_by(amount * percent // 100) for percent in (2, 10, 50, 200))


def amount_to(bench: Bench, pool: DevnetPool, sold: str, to_x96: int) -> int:
    """Return how much must be sold to move the price to a value."""
    chain, trader = bench.chain, bench.world.accounts.traders[0]
    with undone(chain):
        had = balance(chain, sold, trader)
        chain.execute(swap_to(bench.world, pool, trader, slot0(chain, pool).sqrt_price_x96, to_x96))
        return had - balance(chain, sold, trader)


def sandwiched_mint(
    bench: Bench, pool: DevnetPool, intent: SubmitTransaction, *, up: bool
) -> tuple[int, int]:
    """Push the price before a mint as far as its minimums allow, and return what it takes and the largest loss.

    Counted in token1 at the price before the push, at which the pool ends again.
    """
    chain, world, trader = bench.chain, bench.world, bench.world.accounts.traders[1]
    spot_x96 = slot0(chain, pool).sqrt_price_x96
    far_x96 = spot_x96 * 12 // 10 if up else spot_x96 * 8 // 10

    def wealth() -> int:
        amount0, amount1 = (balance(chain, token, bench.owner) for token in (pool.token0, pool.token1))
        return (amount0 * spot_x96 * spot_x96 >> 192) + amount1

    had = wealth()

    def kept_at(pushed_x96: int) -> tuple[int, int] | None:
        with undone(chain):
            chain.send(swap_to(world, pool, trader, spot_x96, pushed_x96))
            tx_hash = send(bench, intent)
            chain.send(swap_to(world, pool, trader, pushed_x96, spot_x96))
            chain.mine()
            receipt = chain.receipt(tx_hash)
            if not receipt.succeeded:
                return None
            went_in, token_id = had - wealth(), minted_token_id(receipt, world)
            liquidity = position(chain, world, token_id).liquidity
            chain.execute(
                actions.decrease(world, bench.owner, token_id, liquidity),
                actions.collect(world, bench.owner, token_id),
            )
            return went_in, had - wealth()

    return _farthest(kept_at, spot_x96, far_x96)


def _farthest(brought_at: Callable[[int], T | None], near_x96: int, far_x96: int) -> T:
    """Find the result of the farthest push that does not make the transaction fail."""
    least: T | None = None
    for _ in range(24):
        middle_x96 = (near_x96 + far_x96) // 2
        brought = brought_at(middle_x96)
        if brought is None:
            far_x96 = middle_x96
        else:
            near_x96, least = middle_x96, brought
    assert least is not None
    return least


def mint(
    bench: Bench,
    pool: DevnetPool,
    ticks: tuple[int, int],
    *,
    weth: int = ETHER,
    wanted: tuple[int, int] | None = None,
    slack_bps: int = 100,
    least: Any = None,
) -> SubmitTransaction:
    """Open a position around the present price, with minimums below what it takes now."""
    if wanted is None:
        usdc = weth * 3_000 // 10**12
        wanted = (weth, usdc) if pool.token0 == bench.world.weth else (usdc, weth)
    if least is None:
        used = actions.mint_position(bench.world, bench.owner, pool, ticks, wanted)
        result = bench.chain.call(used.to or "", used.data, sender=used.sender)
        _, _, *amounts = function(MANAGER, "mint").answer(bytes.fromhex(result[2:]))
        least = [each * (10_000 - slack_bps) // 10_000 for each in amounts]
    terms = (pool.token0, pool.token1, pool.fee_pips, *ticks, *wanted, *least, bench.owner)
    data = function(MANAGER, "mint").calldata((*terms, bench.head().timestamp_s + 600))
    return bench.intent(bench.world.position_manager, data, gas_limit=900_000)


def around(bench: Bench, pool: DevnetPool, half_width: int = 600) -> tuple[int, int]:
    return range_around(bench.chain, pool, -half_width, half_width)


# ------------------------------------------------------------------ references
def give_past(bench: Bench, pool: DevnetPool) -> None:
    """Let a pool keep observations, and write some."""
    trader = bench.world.accounts.traders[2]
    bench.chain.execute(actions.grow_observations(pool, trader, 60))
    for ticks in (5, -5, 5, -5):
        push(bench, pool, ticks)
    hold(bench, 240)


def place_feed(bench: Bench, *, usd: int = 3_000, decimals: int = 8, age_s: int = 0, **fields: int) -> Feed:
    """Put a feed of WETH in dollars on the chain, whose last round the test sets."""
    chain, now_s = bench.chain, bench.head().timestamp_s
    round_ = {
        "round_id": 7,
        "answer": usd * 10**decimals,
        "started_at": now_s - age_s,
        "updated_at": now_s - age_s,
        "answered_in": 7,
    } | fields
    chain.rpc("anvil_setCode", _FEED, FEED_CODE)
    for slot, value in enumerate((*round_.values(), decimals)):
        chain.rpc("anvil_setStorageAt", _FEED, hex(slot), f"0x{value % 2**256:064x}")
    chain.mine()
    return Feed(
        address=Address(_FEED),
        base=Address(bench.world.weth),
        quote=Address(bench.world.usdc_low),
        base_decimals=18,
        quote_decimals=6,
        max_age_s=Seconds(3_960),
    )
