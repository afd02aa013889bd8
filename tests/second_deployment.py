"""A second deployment of Uniswap V3 on a devnet: its contracts, its pool, and an owner's positions at both."""

from pathlib import Path

from msgspec.structs import replace

from pipeline.messages.chain_profile import ChainProfile, VenueContract, VenueSpec
from pipeline.units import Address, ChainId
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.deployer import Deployer
from streams.devnet.reads import ask, balance, minted_token_id, range_around, read, token_ids
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import DevnetPool, World

MANAGER, FACTORY = "uniswap-v3/NonfungiblePositionManager", "uniswap-v3/UniswapV3Factory"
POOL = "uniswap-v3/UniswapV3Pool"
NOBODY = "0x" + "0" * 40
FORK, HERE = "fork", "weth_usdc_low_500"


def second_deployment(chain: Chain, world: World, cache: Path) -> World:
    """The same contracts once more: a factory, a position manager and a router, with a pool of the same tokens and fee."""
    deployer = Deployer(chain, world.accounts.spare[0], cache)
    factory = deployer.deploy(FACTORY)
    manager = deployer.deploy(MANAGER, factory, world.weth, NOBODY)
    router = deployer.deploy("uniswap-v3/SwapRouter02", NOBODY, factory, manager, world.weth)
    fork = replace(world, factory=factory, position_manager=manager, router=router)
    for actor in (world.accounts.traders[0], world.accounts.providers[0], *world.accounts.owners[:2]):
        chain.execute(*actions.approve_all(fork, actor))
    first = world.pool("weth_usdc_low_500")
    terms = first.token0, first.token1, 500, read(chain, first.address, POOL, "slot0")[0]
    data = function(MANAGER, "createAndInitializePoolIfNecessary").calldata(*terms)
    chain.execute(Tx(sender=world.accounts.spare[0], to=manager, data=data, gas=DEPLOY_GAS))
    address = read(chain, factory, FACTORY, "getPool", *terms[:3]).lower()
    pool = replace(first, name=FORK, address=address)
    assert pool.address != first.address
    provide(chain, fork, world.accounts.providers[0], pool, 200 * 10**18)
    return replace(fork, pools={FORK: pool})


def provide(chain: Chain, world: World, owner: str, pool: DevnetPool, weth: int) -> int:
    ticks = range_around(chain, pool, -900, 900)
    amounts = world.amounts(pool, weth)
    (receipt,) = chain.execute(actions.mint_position(world, owner, pool, ticks, amounts))
    return minted_token_id(receipt, world)


def profile_of(world: World, fork: World, chain_id: int) -> ChainProfile:
    contracts = (
        VenueContract(role="factory", address=Address(fork.factory)),
        VenueContract(role="position_manager", address=Address(fork.position_manager)),
        VenueContract(role="router", address=Address(fork.router)),
    )
    return ChainProfile(
        chain_id=ChainId(chain_id),
        wrapped_native=Address(world.weth),
        position_manager=Address(world.position_manager),
        factory=Address(world.factory),
        router=Address(world.router),
        venues=(VenueSpec(name=FORK, kind="uniswap_v3", contracts=contracts),),
    )


def amounts_of(chain: Chain, worlds: tuple[World, ...], owner: str) -> dict[str, int]:
    """What the chain itself says of an owner: wallet, coin, and what leaving every NFT of every deployment would pay."""
    world = worlds[0]
    held = {token: balance(chain, token, owner) for token in (world.weth, world.usdc_low)}
    held[world.weth] += int(chain.rpc("eth_getBalance", owner, "latest"), 16)
    for each in worlds:
        for token_id in token_ids(chain, each, owner):
            told = read(chain, each.position_manager, MANAGER, "positions", token_id)
            if not (told[7] or told[10] or told[11]):  # nothing in it, and nothing owed
                continue
            calls = {
                "decreaseLiquidity": (token_id, told[7], 0, 0, 2**256 - 1),
                "collect": (token_id, owner, 2**128 - 1, 2**128 - 1),
            }
            for name, terms in calls.items():
                called = function(MANAGER, name)
                paid = ask(chain, each.position_manager, called, terms, sender=owner)
                for token, amount in zip(told[2:4], paid, strict=True):
                    held[token.lower()] += amount
    return held
