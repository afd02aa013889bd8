"""The traders and liquidity providers of the devnet. Each looks at the head and returns what it sends into the next block."""

import math
import random
from collections.abc import Sequence

import msgspec

from . import actions
from .chain import Chain
from .reads import position, slot0, token_ids
from .transactions import Tx
from .world import Q96, DevnetPool, Pair, World

_PIPS = 1_000_000
_DEEP_POCKET_WEI = 20_000 * 10**18
_MEDIAN_TRADE_WETH = 1.5
_TRADE_SPREAD = 1.1  # of the trade's logarithm
_EXACT_OUT_SHARE = 0.35
_TOGETHER_SHARE = 0.15
_MEDIAN_POSITION_WETH = 60.0


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What every actor sees before a block."""

    chain: Chain
    world: World
    price_usdc: float

    def usdc(self, weth: float) -> int:
        """Return the dollars that some WETH is worth, raw."""
        return int(weth * self.price_usdc * 10**6)


def arbitrage(scene: Scene, pool: DevnetPool) -> list[Tx]:
    """Pull a pool towards the fair price, as far as its fee leaves a profit."""
    fair_x96 = sqrt_price_x96(scene.world, pool, scene.price_usdc)
    margin_x96 = fair_x96 * pool.fee_pips // (2 * _PIPS)  # half, being a square root
    now_x96 = slot0(scene.chain, pool).sqrt_price_x96
    if now_x96 < fair_x96 - margin_x96:
        token_in, limit_x96 = pool.token1, fair_x96 - margin_x96
    elif now_x96 > fair_x96 + margin_x96:
        token_in, limit_x96 = pool.token0, fair_x96 + margin_x96
    else:
        return []
    world = scene.world
    pocket = _DEEP_POCKET_WEI if token_in == world.weth else scene.usdc(_DEEP_POCKET_WEI / 10**18)
    return [
        actions.swap_exact_in(world, world.accounts.arbitrageur, pool, token_in, pocket, limit_x96=limit_x96)
    ]


def sqrt_price_x96(world: World, pool: DevnetPool, price_usdc: float) -> int:
    """Return a price of WETH in dollars as the pool writes it."""
    token1_per_token0 = price_usdc / 10**12 if pool.token0 == world.weth else 10**12 / price_usdc
    return int(math.sqrt(token1_per_token0) * Q96)


def trade_noise(scene: Scene, pool: DevnetPool, count: int, dice: random.Random) -> list[Tx]:
    """Swap both ways for reasons of one's own, now and then several times in one transaction."""
    world = scene.world
    swaps: list[Tx] = []
    trader = dice.choice(world.accounts.traders)
    for _ in range(count):
        token_in = dice.choice((pool.token0, pool.token1))
        size_weth = _MEDIAN_TRADE_WETH * math.exp(dice.gauss(0, _TRADE_SPREAD))
        amounts = {world.weth: int(size_weth * 10**18), world.usdc_of(pool): scene.usdc(size_weth)}
        if dice.random() < _EXACT_OUT_SHARE:
            (token_out,) = {pool.token0, pool.token1} - {token_in}
            swaps.append(actions.swap_exact_out(world, trader, pool, token_in, amounts[token_out]))
        else:
            swaps.append(actions.swap_exact_in(world, trader, pool, token_in, amounts[token_in]))
    if len(swaps) > 1 and dice.random() < _TOGETHER_SHARE:
        return [actions.swaps_together(world, swaps)]
    return swaps


def provide(scene: Scene, pools: Sequence[DevnetPool], dice: random.Random) -> list[Tx]:
    """Let one provider open, thin out, collect from or close a position."""
    world = scene.world
    provider = dice.choice(world.accounts.providers)
    # what the world began with stays: every pool keeps liquidity everywhere
    lasting = len(world.accounts.providers) * len(world.pools)
    own = token_ids(scene.chain, world, provider)
    others = [token_id for token_id in own if token_id > lasting]
    act = dice.choice((_thin_out, _collect, _close, None, None))
    if act is _collect:
        return _collect(scene, provider, dice.choice(own), dice)
    if act is None or not others:
        return _open(scene, provider, dice.choice(pools), dice)
    return act(scene, provider, dice.choice(others), dice)


def _open(scene: Scene, provider: str, pool: DevnetPool, dice: random.Random) -> list[Tx]:
    ticks = _some_range(scene, pool, dice)
    weth = _MEDIAN_POSITION_WETH * math.exp(dice.gauss(0, 0.7))
    amounts = scene.world.amounts(pool, int(weth * 10**18))
    return [actions.mint_position(scene.world, provider, pool, ticks, amounts)]


def _thin_out(scene: Scene, provider: str, token_id: int, dice: random.Random) -> list[Tx]:
    part = position(scene.chain, scene.world, token_id).liquidity * dice.randrange(10, 60) // 100
    return [actions.decrease(scene.world, provider, token_id, part)] if part else []


def _collect(scene: Scene, provider: str, token_id: int, _: random.Random) -> list[Tx]:
    return [actions.collect(scene.world, provider, token_id)]


def _close(scene: Scene, provider: str, token_id: int, _: random.Random) -> list[Tx]:
    liquidity = position(scene.chain, scene.world, token_id).liquidity
    return [
        *([actions.decrease(scene.world, provider, token_id, liquidity)] if liquidity else []),
        actions.collect(scene.world, provider, token_id),
        actions.burn_position(scene.world, provider, token_id),
    ]


def _some_range(scene: Scene, pool: DevnetPool, dice: random.Random) -> Pair:
    """Return a range about the price, or now and then beside it."""
    spacing = pool.tick_spacing
    middle = slot0(scene.chain, pool).tick // spacing
    width = dice.randrange(60, 1_500) // spacing + 1
    shift = dice.choice((0, 0, 0, -2, 2)) * width
    return (middle + shift - width) * spacing, (middle + shift + width) * spacing
