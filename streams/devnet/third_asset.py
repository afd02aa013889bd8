"""Add WBTC to the devnet's world: the token, its two pools, and those who trade in them."""

from fractions import Fraction
from math import isqrt
from pathlib import Path

import msgspec

from pipeline.venues.abi import function

from . import actions
from .chain import Chain
from .deployer import Deployer
from .reads import balance, range_around, read
from .transactions import DEPLOY_GAS, Tx
from .world import DevnetPool, World

_MANAGER, _TOKEN = "uniswap-v3/NonfungiblePositionManager", "tokens/MintableERC20"
_EACH = 100_000 * 10**8
_IN_WETH, _IN_USDC = Fraction(20 * 10**18, 10**8), Fraction(60_000 * 10**6, 10**8)
_PROVIDED, _WIDTH_TICKS = 500 * 10**8, 900


class Wbtc(msgspec.Struct, frozen=True, kw_only=True):
    """The token and its pools: one with WETH, one with `usdc_low`."""

    token: str
    with_weth: DevnetPool
    with_usdc: DevnetPool

    @property
    def pools(self) -> tuple[DevnetPool, DevnetPool]:
        return self.with_weth, self.with_usdc


def add_wbtc(chain: Chain, world: World, holders: tuple[str, ...], *, above_weth: bool, cache: Path) -> Wbtc:
    """Deploy WBTC on one side of WETH, give it to accounts, and let the first of them provide in both pools."""
    sides = Deployer(chain, holders[0], cache).deploy_on_both_sides(
        world.weth, _TOKEN, "Wrapped BTC", "WBTC", 8
    )
    token = sides[above_weth].lower()
    for holder in holders:
        chain.execute(
            actions.mint_usdc(token, holder, holder, _EACH),
            *(actions.approve(token, holder, each) for each in (world.router, world.position_manager)),
        )
    with_weth = _create(chain, world, holders[0], (token, world.weth), price=_IN_WETH, fee_pips=3_000)
    with_usdc = _create(chain, world, holders[0], (token, world.usdc_low), price=_IN_USDC, fee_pips=500)
    made = Wbtc(token=token, with_weth=with_weth, with_usdc=with_usdc)
    for pool in made.pools:
        provide(chain, world, holders[0], pool, (token, _PROVIDED))
    return made


def provide(chain: Chain, world: World, owner: str, pool: DevnetPool, most: tuple[str, int]) -> None:
    """Open a position about the price with an amount of one token, and as much of the other as that takes."""
    token, amount = most
    amount0, amount1 = (
        amount if each == token else balance(chain, each, owner) for each in (pool.token0, pool.token1)
    )
    ticks = range_around(chain, pool, -_WIDTH_TICKS, _WIDTH_TICKS)
    chain.execute(actions.mint_position(world, owner, pool, ticks, (amount0, amount1)))


def _create(
    chain: Chain, world: World, sender: str, pair: tuple[str, str], *, price: Fraction, fee_pips: int
) -> DevnetPool:
    """Make a pool that begins at a price of the first token in the second, raw."""
    token0, token1 = sorted(pair)
    ratio = price if token0 == pair[0] else 1 / price
    root_x96 = isqrt((ratio.numerator << 192) // ratio.denominator)
    data = function(_MANAGER, "createAndInitializePoolIfNecessary").calldata(
        token0, token1, fee_pips, root_x96
    )
    chain.execute(Tx(sender=sender, to=world.position_manager, data=data, gas=DEPLOY_GAS))
    address = read(chain, world.factory, "uniswap-v3/UniswapV3Factory", "getPool", token0, token1, fee_pips)
    return DevnetPool(
        name=f"wbtc_{fee_pips}",
        address=address.lower(),
        token0=token0,
        token1=token1,
        fee_pips=fee_pips,
        tick_spacing=read(chain, address, "uniswap-v3/UniswapV3Pool", "tickSpacing"),
    )
