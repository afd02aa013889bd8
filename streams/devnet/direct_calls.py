"""Build transactions that bypass the periphery: the callee calls the pool itself, pays for it, and owns the position."""

from eth_abi.abi import encode

from pipeline.venues.abi import Function, function

from .callee import through_callee
from .transactions import Tx
from .world import DevnetPool, Pair, World

_POOL = "uniswap-v3/UniswapV3Pool"
_MIN_LIMIT_X96 = 4_295_128_739 + 1
_MAX_LIMIT_X96 = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342 - 1


def swap_directly(
    world: World,
    sender: str,
    pool: DevnetPool,
    *,
    zero_for_one: bool,
    amount: int,
    limit_x96: int | None = None,
) -> Tx:
    """Swap an exact input (amount > 0) or output (amount < 0), up to any price unless limited."""
    furthest_x96 = _MIN_LIMIT_X96 if zero_for_one else _MAX_LIMIT_X96
    limit_x96 = furthest_x96 if limit_x96 is None else limit_x96
    return _through(
        world, sender, pool, function(_POOL, "swap"), world.callee, zero_for_one, amount, limit_x96, b""
    )


def mint_directly(world: World, sender: str, pool: DevnetPool, ticks: Pair, liquidity: int) -> Tx:
    return _through(world, sender, pool, function(_POOL, "mint"), world.callee, *ticks, liquidity, b"")


def burn_directly(world: World, sender: str, pool: DevnetPool, ticks: Pair, liquidity: int) -> Tx:
    """Take liquidity out, or with 0 only bring the position's fees up to date."""
    return _through(world, sender, pool, function(_POOL, "burn"), *ticks, liquidity)


def collect_directly(world: World, sender: str, pool: DevnetPool, ticks: Pair, amounts_max: Pair) -> Tx:
    """Collect what the callee is owed; a position that never existed gives a Collect of nothing."""
    return _through(world, sender, pool, function(_POOL, "collect"), world.callee, *ticks, *amounts_max)


def flash(world: World, sender: str, pool: DevnetPool, amounts: Pair) -> Tx:
    """Borrow within one call and pay back with the fee."""
    lent = encode(["uint256", "uint256"], amounts)
    return _through(world, sender, pool, function(_POOL, "flash"), world.callee, *amounts, lent)


def _through(world: World, sender: str, pool: DevnetPool, called: Function, *arguments: object) -> Tx:
    return Tx(sender=sender, to=world.callee, data=through_callee(pool.address, called.calldata(*arguments)))
