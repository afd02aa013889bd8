"""The books of the fault campaigns, and their owners' actions."""

import random
from collections.abc import Sequence

import msgspec

from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.policy import Policy, TargetBand, TokenSpec
from pipeline.units import Address, BookId, Bps, ChainId, Seconds
from streams.devnet import actions, reads
from streams.devnet.chain import Chain
from streams.devnet.deploy import USDC_EACH, WETH_EACH
from streams.devnet.reads import minted_token_id, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import FIRST_PRICE_USDC, World
from streams.portfolio import publishing

POOLS_OF = {
    "alpha": ("weth_usdc_low_500",),
    "beta": ("weth_usdc_high_500",),
    "gamma": ("weth_usdc_low_500", "weth_usdc_low_3000"),
    "delta": ("weth_usdc_high_500",),
}
"""Two of them live on one shard, and one shard has no book."""
PUBLISHED_BY = {"alpha": "weth_usdc_low_500", "beta": "weth_usdc_high_500", "gamma": "weth_usdc_low_3000"}
WIDER = "weth_usdc_low_3000"
COOLDOWN_S = 96

_OWN_WETH = 25 * 10**18
_OWN_USDC = 25 * FIRST_PRICE_USDC * 10**6
_POSITION_WETH = 5 * 10**18
_RANGES = (150, 900)


def policy_of(world: World, book: str, *extra: str) -> Policy:
    """Say how a book is kept, on its own pools and some more."""
    owner = Address(world.accounts.owners[list(POOLS_OF).index(book)])
    pools = [world.pool(name) for name in dict.fromkeys((*POOLS_OF[book], *extra))]
    tokens = {world.weth: 18, world.usdc_low: 6, world.usdc_high: 6}
    quote = world.usdc_of(pools[0])
    policy = Policy(
        book=BookId(book),
        chain=ChainProfile(
            chain_id=ChainId(world.chain_id),
            wrapped_native=Address(world.weth),
            position_manager=Address(world.position_manager),
            factory=Address(world.factory),
            check_every_blocks=15,
            report_every_blocks=10,
        ),
        owner=owner,
        accounts=(owner,),
        base=Address(world.weth),
        quote=Address(quote),
        tokens=tuple(
            TokenSpec(address=Address(token), symbol=token[:6], decimals=decimals)
            for token, decimals in tokens.items()
        ),
        quote_equivalents=tuple(Address(t) for t in (world.usdc_low, world.usdc_high) if t != quote),
        pools=tuple(Address(pool.address) for pool in pools),
        reference_pool=Address(pools[0].address),
        strategy=TargetBand(
            band_bps=Bps(150),
            hysteresis_bps=Bps(50),
            hold_out_of_range_s=Seconds(60),
            cooldown_s=Seconds(COOLDOWN_S),
        ),
    )
    published = [world.pool(PUBLISHED_BY[book]).address] if book in PUBLISHED_BY else []
    return publishing(policy, [Address(pool) for pool in published])


class Owner(msgspec.Struct):
    """Who holds a book's NFTs."""

    book: str
    account: str
    token_ids: list[int]


def endow(chain: Chain, world: World) -> tuple[list[Owner], list[int]]:
    """Leave each owner a small purse and two NFTs; return them, and the NFTs of a stranger."""
    stranger = world.accounts.spare[0]
    owners = []
    for account, (book, pools) in zip(world.accounts.owners, POOLS_OF.items(), strict=True):
        chain.execute(
            actions.transfer(world.weth, account, stranger, WETH_EACH - _OWN_WETH),
            actions.transfer(world.usdc_low, account, stranger, USDC_EACH - _OWN_USDC),
            actions.transfer(world.usdc_high, account, stranger, USDC_EACH - _OWN_USDC),
        )
        owners.append(Owner(book, account, [_mint(chain, world, account, pools[0], t) for t in _RANGES]))
    strange = [_mint(chain, world, stranger, name, 300) for name in world.pools]
    return owners, strange


def _mint(chain: Chain, world: World, account: str, name: str, ticks: int) -> int:
    pool = world.pool(name)
    spread = range_around(chain, pool, -ticks, ticks)
    amounts = world.amounts(pool, _POSITION_WETH)
    (receipt,) = chain.execute(actions.mint_position(world, account, pool, spread, amounts))
    return minted_token_id(receipt, world)


def tend(chain: Chain, world: World, owner: Owner, dice: random.Random) -> Sequence[Tx]:
    """Let an owner do one thing with what is its own just now."""
    held = reads.token_ids(chain, world, owner.account)
    mine = [token_id for token_id in owner.token_ids if token_id in held]
    act = dice.choice(("wrap", "unwrap", "collect", "decrease", "mint"))
    if act == "wrap":
        return [actions.wrap(world, owner.account, dice.randrange(1, 10**16))]
    if act == "unwrap":
        return [actions.unwrap(world, owner.account, dice.randrange(1, 10**16))]
    if act == "mint" or not mine:
        pool = world.pool(dice.choice(POOLS_OF[owner.book]))
        spread = range_around(chain, pool, -dice.randrange(50, 900), dice.randrange(50, 900))
        return [actions.mint_position(world, owner.account, pool, spread, world.amounts(pool, 10**16))]
    token_id = dice.choice(mine)
    liquidity = reads.position(chain, world, token_id).liquidity
    if act == "collect" or not liquidity:
        return [actions.collect(world, owner.account, token_id)]
    return [actions.decrease(world, owner.account, token_id, max(liquidity // dice.randrange(5, 50), 1))]
