"""A chain that Evenkeel did not set up, with another id, deployer and coin, and an owner with existing positions."""

from dataclasses import dataclass
from math import isqrt
from pathlib import Path

from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.deployer import Deployer
from streams.devnet.reads import range_around, read
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import MULTICALL, Accounts, DevnetPool, World

CHAIN_ID = 4_242
DAI_A_WETH = 2_500
FEE_PIPS = 3_000
_ETHER = 10**18
_MINUTES = 12
_NOBODY = "0x" + 40 * "0"
_MANAGER = "uniswap-v3/NonfungiblePositionManager"


@dataclass(frozen=True)
class StrangersChain:
    """The addresses of the chain's contracts, and the owner of positions there."""

    world: World
    pool: DevnetPool
    owner: str


def build_strangers_chain(chain: Chain, cache: Path) -> StrangersChain:
    """Deploy Uniswap V3, WETH and a dollar of 18 decimals from the last account; let two accounts provide."""
    accounts = chain.rpc("eth_accounts")
    deployer, owner, other = accounts[-1], accounts[-2], accounts[-3]
    contracts = Deployer(chain, deployer, cache)
    factory = contracts.deploy("uniswap-v3/UniswapV3Factory")
    dai = contracts.deploy("tokens/MintableERC20", "Dai Stablecoin", "DAI", 18)
    weth = contracts.deploy("tokens/WETH9")
    library = contracts.deploy("uniswap-v3/NFTDescriptor")
    descriptor = contracts.deploy(
        "uniswap-v3/NonfungibleTokenPositionDescriptor",
        weth, b"ETH".ljust(32, b"\0"), libraries={"NFTDescriptor": library},
    )  # fmt: skip
    manager = contracts.deploy(_MANAGER, factory, weth, descriptor)
    contracts.place("multicall/Multicall3", MULTICALL)
    world = World(
        chain_id=CHAIN_ID,
        weth=weth,
        usdc_low=dai,
        usdc_high=dai,
        factory=factory,
        position_manager=manager,
        router=contracts.deploy("uniswap-v3/SwapRouter02", _NOBODY, factory, manager, weth),
        quoter=_NOBODY,
        tick_lens=_NOBODY,
        multicall=MULTICALL,
        callee=_NOBODY,
        accounts=Accounts(deployer=deployer, arbitrageur=other, traders=(), providers=(), owners=(owner,), spare=()),
        pools={},
        first_block=1,
    )  # fmt: skip
    pool = _pool(chain, world)
    for account, wei, dollars in ((other, 60_000, 200_000_000), (owner, 160, 260_000)):
        chain.execute(
            actions.wrap(world, account, wei * _ETHER),
            actions.mint_usdc(dai, account, account, dollars * _ETHER),
            *(actions.approve(token, account, to) for token in (weth, dai) for to in (world.router, manager)),
        )
    ranges = (
        (other, None, 10_000),
        (other, (-600, 600), 30_000),
        (owner, (-900, 900), 60),
        (owner, (1_200, 3_000), 40),
    )
    for account, ticks, wei in ranges:
        span = pool.full_range() if ticks is None else range_around(chain, pool, *ticks)
        dollars = DAI_A_WETH * wei * _ETHER
        amounts = (wei * _ETHER, dollars) if pool.token0 == weth else (dollars, wei * _ETHER)
        chain.execute(actions.mint_position(world, account, pool, span, amounts))
    chain.rpc("anvil_setBalance", owner, hex(5 * _ETHER))  # the coin counts like what wraps it
    _trade(chain, world, pool, other)
    return StrangersChain(world=world, pool=pool, owner=owner)


def _trade(chain: Chain, world: World, pool: DevnetPool, trader: str) -> None:
    """Let somebody trade for a while, so that the pool has a mean price of some minutes."""
    for minute in range(_MINUTES):
        chain.rpc("evm_setNextBlockTimestamp", chain.header().timestamp_s + 60)
        token, amount = ((world.weth, 2), (world.usdc_low, 2 * DAI_A_WETH))[minute % 2]
        chain.execute(actions.swap_exact_in(world, trader, pool, token, amount * _ETHER))


def _pool(chain: Chain, world: World) -> DevnetPool:
    token0, token1 = sorted((world.weth, world.usdc_low))
    ratio = DAI_A_WETH << 192 if token0 == world.weth else (1 << 192) // DAI_A_WETH
    key = (token0, token1, FEE_PIPS)
    data = function(_MANAGER, "createAndInitializePoolIfNecessary").calldata(*key, isqrt(ratio))
    chain.execute(Tx(sender=world.accounts.deployer, to=world.position_manager, data=data, gas=DEPLOY_GAS))
    address = read(chain, world.factory, "uniswap-v3/UniswapV3Factory", "getPool", *key)
    pool = DevnetPool(
        name="weth_dai",
        address=address,
        token0=token0,
        token1=token1,
        fee_pips=FEE_PIPS,
        tick_spacing=read(chain, address, "uniswap-v3/UniswapV3Pool", "tickSpacing"),
    )
    chain.execute(actions.grow_observations(pool, world.accounts.deployer, 40))
    return pool
