"""Build the world on an empty chain: published contracts, pools, balances and first liquidity."""

import math
from pathlib import Path

import msgspec

from pipeline.errors import DevnetError
from pipeline.venues.abi import function

from . import actions
from .cache import DEFAULT_CACHE
from .callee import callee_runtime
from .chain import CHAIN_ID, Chain
from .deployer import Deployer
from .reads import range_around, read
from .transactions import DEPLOY_GAS, Tx
from .world import FIRST_PRICE_USDC, MULTICALL, Q96, Accounts, DevnetPool, World

WETH_EACH = 200_000 * 10**18
USDC_EACH = 2_000_000_000 * 10**6
_CARDINALITY_NEXT = {"weth_usdc_low_500": 32, "weth_usdc_high_500": 40}
"""Enough for a mean over five minutes, which is what a book asks for unless told otherwise, at a block every 12 s."""
_RANGES = ((-1_800, 1_800), (-420, 420), (-240, 1_200))  # ticks about the price, after the full range
_WETH_PROVIDED = (2_000 * 10**18, 600 * 10**18, 300 * 10**18, 200 * 10**18)
_CALLEE = "0x00000000000000000000000000000000ca11ee00"
_NOBODY = "0x" + "00" * 20
_MANAGER = "uniswap-v3/NonfungiblePositionManager"


def build_world(chain: Chain, *, cache: Path = DEFAULT_CACHE) -> World:
    """Deploy everything on an empty chain and return what stands where.

    Raises: DevnetError if the chain is not empty, or a deployment fails.
    """
    if chain.header().number != 0:
        raise DevnetError(
            f"the chain already has {chain.header().number} blocks: the world is built on an empty one"
        )
    accounts = _accounts(chain.rpc("eth_accounts"))
    world = _deploy_contracts(chain, accounts, cache)
    pools = (
        _create_pool(chain, world, "weth_usdc_low_500", world.usdc_low, 500),
        _create_pool(chain, world, "weth_usdc_high_500", world.usdc_high, 500),
        _create_pool(chain, world, "weth_usdc_low_3000", world.usdc_low, 3_000),
    )
    world = msgspec.structs.replace(world, pools={pool.name: pool for pool in pools})
    _fund(chain, world)
    _provide(chain, world)
    return world


def first_sqrt_price_x96(*, weth_is_token0: bool) -> int:
    """Return the price at which every pool begins, rounded down."""
    usdc, weth = FIRST_PRICE_USDC * 10**6, 10**18
    amount0, amount1 = (weth, usdc) if weth_is_token0 else (usdc, weth)
    return math.isqrt(amount1 * Q96 * Q96 // amount0)


def _accounts(addresses: list[str]) -> Accounts:
    return Accounts(
        deployer=addresses[0],
        arbitrageur=addresses[1],
        traders=tuple(addresses[2:5]),
        providers=tuple(addresses[5:9]),
        owners=tuple(addresses[9:13]),
        spare=tuple(addresses[13:]),
    )


def _deploy_contracts(chain: Chain, accounts: Accounts, cache: Path) -> World:
    """Deploy all but the pools."""
    contracts = Deployer(chain, accounts.deployer, cache)
    weth = contracts.deploy("tokens/WETH9")
    usdc_low, usdc_high = contracts.deploy_on_both_sides(weth, "tokens/MintableERC20", "USD Coin", "USDC", 6)
    factory = contracts.deploy("uniswap-v3/UniswapV3Factory")
    first_block = chain.header().number
    library = contracts.deploy("uniswap-v3/NFTDescriptor")
    label = b"ETH".ljust(32, b"\0")
    descriptor = contracts.deploy(
        "uniswap-v3/NonfungibleTokenPositionDescriptor", weth, label, libraries={"NFTDescriptor": library}
    )
    position_manager = contracts.deploy(_MANAGER, factory, weth, descriptor)
    contracts.place("multicall/Multicall3", MULTICALL)
    chain.rpc("anvil_setCode", _CALLEE, callee_runtime())
    return World(
        chain_id=CHAIN_ID,
        weth=weth,
        usdc_low=usdc_low,
        usdc_high=usdc_high,
        factory=factory,
        position_manager=position_manager,
        router=contracts.deploy("uniswap-v3/SwapRouter02", _NOBODY, factory, position_manager, weth),
        quoter=contracts.deploy("uniswap-v3/QuoterV2", factory, weth),
        tick_lens=contracts.deploy("uniswap-v3/TickLens"),
        multicall=MULTICALL,
        callee=_CALLEE,
        accounts=accounts,
        pools={},
        first_block=first_block,
    )


def _create_pool(chain: Chain, world: World, name: str, usdc: str, fee_pips: int) -> DevnetPool:
    token0, token1 = sorted((world.weth, usdc))
    sender = world.accounts.deployer
    price_x96 = first_sqrt_price_x96(weth_is_token0=token0 == world.weth)
    data = function(_MANAGER, "createAndInitializePoolIfNecessary").calldata(
        token0, token1, fee_pips, price_x96
    )
    chain.execute(Tx(sender=sender, to=world.position_manager, data=data, gas=DEPLOY_GAS))
    address = read(chain, world.factory, "uniswap-v3/UniswapV3Factory", "getPool", token0, token1, fee_pips)
    pool = DevnetPool(
        name=name,
        address=address,
        token0=token0,
        token1=token1,
        fee_pips=fee_pips,
        tick_spacing=read(chain, address, "uniswap-v3/UniswapV3Pool", "tickSpacing"),
    )
    if name in _CARDINALITY_NEXT:
        chain.execute(actions.grow_observations(pool, sender, _CARDINALITY_NEXT[name]))
    return pool


def _fund(chain: Chain, world: World) -> None:
    """Give everybody WETH and both USDCs, and let the router and the manager take them."""
    accounts = world.accounts
    usdcs = (world.usdc_low, world.usdc_high)
    for actor in (
        accounts.arbitrageur,
        *accounts.traders,
        *accounts.providers,
        *accounts.owners,
        *accounts.spare,
    ):
        chain.execute(
            actions.wrap(world, actor, WETH_EACH),
            *(actions.mint_usdc(usdc, actor, actor, USDC_EACH) for usdc in usdcs),
            *actions.approve_all(world, actor),
        )
    purse = accounts.deployer
    chain.execute(
        actions.wrap(world, purse, WETH_EACH),
        actions.transfer(world.weth, purse, world.callee, WETH_EACH),
        *(actions.mint_usdc(usdc, purse, world.callee, USDC_EACH) for usdc in usdcs),
    )


def _provide(chain: Chain, world: World) -> None:
    """Put full-range liquidity of one provider and ranges of the others into every pool."""
    for pool in world.pools.values():
        ranges = (pool.full_range(), *(range_around(chain, pool, *ticks) for ticks in _RANGES))
        shares = zip(world.accounts.providers, ranges, _WETH_PROVIDED, strict=True)
        mints = (
            actions.mint_position(world, provider, pool, ticks, world.amounts(pool, weth))
            for provider, ticks, weth in shares
        )
        chain.execute(*mints)
