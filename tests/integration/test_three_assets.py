"""A book of WETH, WBTC and USDC over three pools: what it has and what it is worth is what the chain says, to the unit."""

from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any

import pytest
from followed import Followed, node_of, world_policy
from msgspec.structs import replace
from price_play import FEED_CODE

from pipeline.book.exposures import Price
from pipeline.book.price_rings import mean_price, tick_of
from pipeline.messages.decisions import Declined, PlanOpened, Quarantined, StepRefused
from pipeline.messages.policy import Policy, TargetBand, TokenSpec, version_of
from pipeline.messages.prices import Asset, FeedAnswer, FeedPrice, MeanPath, Reference
from pipeline.messages.views import BookView
from pipeline.units import Address, Seconds
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.deployer import Deployer
from streams.devnet.reads import ask, range_around, read, token_ids
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import DevnetPool, World
from streams.node.contract_calls import ContractReader
from streams.node.feed_facts import feed_problems, feeds_told
from streams.node.multicall import MULTICALL3
from streams.yaml_positions import Problem

pytestmark = pytest.mark.anvil

MANAGER, POOL, FACTORY = (
    "uniswap-v3/NonfungiblePositionManager",
    "uniswap-v3/UniswapV3Pool",
    "uniswap-v3/UniswapV3Factory",
)
TOKEN = "tokens/MintableERC20"  # noqa: S105 - a contract's name
WBTC_EACH = 100_000 * 10**8
WBTC_IN_WETH, WBTC_IN_USDC = Fraction(20 * 10**18, 10**8), Fraction(60_000 * 10**6, 10**8)
WETH_TARGET_BPS, WBTC_TARGET_BPS = 3_000, 2_000
WIDTH = 900
FEED = Address("0x" + "fe" * 20)


class Scene:
    """The devnet's world with WBTC, in the hands of a provider, a trader and an owner."""

    def __init__(self, chain: Chain, world: World, cache: Path, *, above: bool) -> None:
        self.chain, self.world = chain, world
        self.owner, self.trader = world.accounts.owners[0], world.accounts.traders[0]
        self.provider = world.accounts.providers[0]
        deployer = Deployer(chain, world.accounts.spare[0], cache)
        self.wbtc = deployer.deploy_on_both_sides(world.weth, TOKEN, "Wrapped BTC", "WBTC", 8)[above].lower()
        approve = function("tokens/ERC20", "approve")
        for actor in (self.provider, self.trader, self.owner):
            spenders = (world.router, world.position_manager)
            chain.execute(
                actions.mint_usdc(self.wbtc, actor, actor, WBTC_EACH),
                *(
                    Tx(sender=actor, to=self.wbtc, data=approve.calldata(each, 2**256 - 1))
                    for each in spenders
                ),
            )

    def make_pool(self, other: str, price: Fraction, fee_pips: int) -> DevnetPool:
        """Make a pool of WBTC that begins at a price, with the provider's liquidity about it."""
        token0, token1 = sorted((self.wbtc, other))
        ratio = price if token0 == self.wbtc else 1 / price
        terms = token0, token1, fee_pips, isqrt((ratio.numerator << 192) // ratio.denominator)
        data = function(MANAGER, "createAndInitializePoolIfNecessary").calldata(*terms)
        manager = self.world.position_manager
        self.chain.execute(Tx(sender=self.provider, to=manager, data=data, gas=DEPLOY_GAS))
        address = read(self.chain, self.world.factory, FACTORY, "getPool", *terms[:3]).lower()
        spacing = read(self.chain, address, POOL, "tickSpacing")
        pool = DevnetPool(
            name="wbtc",
            address=address,
            token0=token0,
            token1=token1,
            fee_pips=fee_pips,
            tick_spacing=spacing,
        )
        self.provide(self.provider, pool, self.wbtc, 500 * 10**8)
        return pool

    def provide(self, owner: str, pool: DevnetPool, token: str, amount: int) -> None:
        """Open a position about the price with an amount of one token, and as much of the other as that takes."""
        tokens = (pool.token0, pool.token1)
        most = [amount if each == token else self.balance(each, owner) for each in tokens]
        ticks = range_around(self.chain, pool, -WIDTH, WIDTH)
        self.chain.execute(actions.mint_position(self.world, owner, pool, ticks, (most[0], most[1])))

    def balance(self, token: str, account: str) -> int:
        return read(self.chain, token, TOKEN, "balanceOf", account)


class Truth:
    """What the chain itself says of the owner's tokens and of prices, with nothing of the pipeline."""

    def __init__(self, scene: Scene, pools: tuple[DevnetPool, ...]) -> None:
        self.scene, self.pools = scene, pools
        self.chain, self.world, self.owner = scene.chain, scene.world, scene.owner

    def amounts(self) -> dict[str, int]:
        """Wallet, coin, and what leaving every position would pay."""
        tokens = {token for pool in self.pools for token in (pool.token0, pool.token1)}
        held = {token: self.scene.balance(token, self.owner) for token in tokens}
        held[self.world.weth] += int(self.chain.rpc("eth_getBalance", self.owner, "latest"), 16)
        for token_id in token_ids(self.chain, self.world, self.owner):
            told = read(self.chain, self.world.position_manager, MANAGER, "positions", token_id)
            freed = self._asked("decreaseLiquidity", (token_id, told[7], 0, 0, 2**256 - 1))
            fees = self._asked("collect", (token_id, self.owner, 2**128 - 1, 2**128 - 1))
            for token, *parts in zip(told[2:4], freed, fees, strict=True):
                held[token.lower()] += sum(parts)
        return held

    def price(self, pool: DevnetPool, token: str) -> Fraction:
        """Of one of a pool's tokens in the other."""
        root = read(self.chain, pool.address, POOL, "slot0")[0]
        price = Fraction(root * root, 2**192)
        return price if token == pool.token0 else 1 / price

    def _asked(self, name: str, terms: tuple[Any, ...]) -> Any:
        manager = self.world.position_manager
        return ask(self.chain, manager, function(MANAGER, name), terms, sender=self.owner)


@pytest.mark.parametrize("above", [False, True], ids=["wbtc-below-weth", "wbtc-above-weth"])
async def test_inventory_value_and_shares_are_those_of_the_chain(
    chain: Chain, world: World, cache: Path, above: bool
) -> None:
    scene = Scene(chain, world, cache, above=above)
    wbtc, reference = scene.wbtc, world.pool("weth_usdc_low_500")
    with_weth = scene.make_pool(world.weth, WBTC_IN_WETH, 3_000)
    with_usdc = scene.make_pool(world.usdc_low, WBTC_IN_USDC, 500)
    scene.provide(scene.owner, reference, world.weth, 50 * 10**18)
    scene.provide(scene.owner, with_weth, wbtc, 3 * 10**8)
    scene.provide(scene.owner, with_usdc, wbtc, 2 * 10**8)
    pools = (reference, with_weth, with_usdc)
    node = node_of(chain.url)
    followed = Followed(node, three_assets(scene, pools))
    await followed.begin()
    truth, compared = Truth(scene, pools), 0
    for number in range(1, 7):
        chain.execute(
            actions.swap_exact_in(world, scene.trader, pools[1 + number % 2], wbtc, number * 10**8),
            actions.swap_exact_in(world, scene.trader, reference, world.weth, number * 10**18),
        )
        await followed.catch_up()
        compare(followed, truth)
        compared += 1
    assert compared == 6
    assert not [said for said in followed.said if isinstance(said, Quarantined)]
    refused = [said for said in followed.said if isinstance(said, Declined)][-1]
    assert (refused.gate, refused.reason, refused.item) == ("lever", "no_lever", f"token/{wbtc}")
    await node.close()


def three_assets(scene: Scene, pools: tuple[DevnetPool, ...]) -> Policy:
    world, (reference, with_weth, _) = scene.world, pools
    path = (with_weth.address, reference.address)
    return world_policy(
        world,
        scene.owner,
        reference,
        int(scene.chain.rpc("eth_chainId"), 16),
        tokens=(
            TokenSpec(address=world.weth, symbol="WETH", decimals=18),
            TokenSpec(address=scene.wbtc, symbol="WBTC", decimals=8),
            TokenSpec(address=world.usdc_low, symbol="USDC", decimals=6),
        ),
        assets=(Asset(token=scene.wbtc, price_path=path, target_share_bps=WBTC_TARGET_BPS),),
        pools=tuple(pool.address for pool in pools),
        strategy=TargetBand(target_share_bps=WETH_TARGET_BPS, band_bps=1_000, hysteresis_bps=100),
        mode="dry-run",
    )


def compare(followed: Followed, truth: Truth) -> None:
    """Hold the book's view against the chain at the same block."""
    view = [said for said in followed.said if isinstance(said, BookView)][-1]
    assert view.because_of.block == followed.shard.tables.head
    amounts, (reference, with_weth, _) = truth.amounts(), truth.pools
    assert {h.token: h.wallet + h.native + h.principal + h.fees for h in view.holdings} == amounts
    weth, usdc, wbtc = truth.world.weth, truth.world.usdc_low, truth.scene.wbtc
    in_usdc = truth.price(reference, weth)
    prices = {usdc: Fraction(1), weth: in_usdc, wbtc: truth.price(with_weth, wbtc) * in_usdc}
    values = {token: int(amounts[token] * price) for token, price in prices.items()}
    total, targets = sum(values.values()), {weth: WETH_TARGET_BPS, wbtc: WBTC_TARGET_BPS}
    assert view.value_quote == total
    told = {each.token: (each.value_quote, each.share_bps, each.target_share_bps) for each in view.shares}
    shares = {token: value * 10_000 // total for token, value in values.items()}
    assert told == {token: (values[token], shares[token], targets.get(token)) for token in values}


async def test_a_live_book_opens_no_plan_while_the_price_of_an_asset_may_have_been_pushed(
    chain: Chain, world: World, cache: Path
) -> None:
    scene = Scene(chain, world, cache, above=True)
    reference = world.pool("weth_usdc_low_500")
    with_weth = scene.make_pool(world.weth, WBTC_IN_WETH, 3_000)
    scene.provide(scene.owner, reference, world.weth, 50 * 10**18)
    node = node_of(chain.url)
    book = three_assets(scene, (reference, with_weth, with_weth))
    asset = Asset(token=scene.wbtc, price_path=(with_weth.address, reference.address))
    limits = replace(book.limits, max_spot_from_twap_ticks=100)
    pools = (reference.address, with_weth.address)
    band = replace(book.strategy, target_share_bps=6_000, cooldown_s=0)
    live = replace(
        book, assets=(asset,), pools=pools, mode="live", signer=scene.owner, limits=limits, strategy=band
    )
    followed = Followed(node, replace(live, policy_version=version_of(live)))
    await followed.begin()

    def refusals() -> list[str]:
        return [each.detail for each in followed.said if isinstance(each, StepRefused)]

    await blocks(followed, chain, 8)
    assert refusals()[0].startswith(
        f"pool {with_weth.address}, which values an asset: the observations do not"
    )
    assert with_weth.address not in refusals()[-1], (
        "its past reaches back far enough now: something else refuses"
    )
    chain.execute(actions.grow_observations(with_weth, scene.trader, 30))
    before = len(refusals())
    chain.execute(actions.swap_exact_in(world, scene.trader, with_weth, scene.wbtc, 200 * 10**8))
    await blocks(followed, chain, 12)
    since = refusals()[before:]
    pushed = [
        each for each in since if each.startswith(f"spot of pool {with_weth.address}, which values an asset")
    ]
    assert pushed, since
    assert with_weth.address not in since[-1], "the mean has come after"
    assert not [each for each in followed.said if isinstance(each, PlanOpened)]
    await node.close()


async def blocks(followed: Followed, chain: Chain, count: int) -> None:
    for _ in range(count):
        chain.execute()
        await followed.catch_up()


async def test_a_followed_mean_is_that_of_the_pools_own_observations(chain: Chain, world: World) -> None:
    """Of the same seconds, while the price moves: our sums of ticks against the contract's `observe`."""
    reference, owner, trader = world.pool("weth_usdc_low_500"), *world.accounts.traders[:2]
    mean = MeanPath(pools=(reference.address,), window_s=Seconds(24))
    book = world_policy(world, owner, reference, int(chain.rpc("eth_chainId"), 16), mode="dry-run")
    book = replace(book, references=(Reference(price=mean),))
    chain.execute(actions.grow_observations(reference, trader, 60))
    node = node_of(chain.url)
    followed, (ring,) = Followed(node, replace(book, policy_version=version_of(book))), mean.rings()
    await followed.begin()
    compared = 0
    for number in range(12):
        sold, amount = (world.weth, 10**18) if number % 3 else (world.usdc_low, 3_000 * 10**6)
        swap = actions.swap_exact_in(world, trader, reference, sold, (number + 1) * amount)
        chain.execute(swap)
        await followed.catch_up()
        now_s = followed.shard.tables.head.timestamp_s
        found = mean_price(followed.shard.tables, ring, mean.window_s, now_s)
        if isinstance(found, Price):
            ago_s = now_s - (now_s - mean.window_s) // ring.every_s * ring.every_s
            (before, after), _ = read(chain, reference.address, POOL, "observe", [ago_s, 0])
            assert tick_of(found) == (after - before) // ago_s
            compared += 1
    assert compared > 3
    assert {said.reason for said in followed.said if isinstance(said, Declined)} & {
        "mean_too_short",
        "prices_apart",
    }
    await node.close()


async def test_a_feed_is_read_with_each_block_and_told_by_check(chain: Chain, world: World) -> None:
    reference, owner = world.pool("weth_usdc_low_500"), world.accounts.traders[2]
    feed = FeedPrice(feed=FEED, unit=world.usdc_low, max_age_s=Seconds(3_600))
    book = world_policy(world, owner, reference, int(chain.rpc("eth_chainId"), 16), mode="dry-run")
    book = replace(book, references=(Reference(price=feed, within_bps=2_000),))
    node = node_of(chain.url)
    followed = Followed(node, replace(book, policy_version=version_of(book)))
    await followed.begin()

    async def answers(usd: int, age_s: int) -> str:
        put_feed(chain, usd * 10**8, (await node.newest()).block.timestamp_s - age_s)
        await followed.catch_up()
        return [said.reason for said in followed.said if isinstance(said, Declined)][-1]

    async def problems() -> list[Problem]:
        at = (await node.newest()).block
        reader = ContractReader(node, multicall=MULTICALL3, at=at.hash)
        assert await feeds_told(reader, book, at) or not followed.shard.tables.find(
            f"feed/{FEED}", FeedAnswer
        )
        return [each async for each in feed_problems(reader, book, ("books", 0), at)]

    await blocks(followed, chain, 1)
    assert [said.reason for said in followed.said if isinstance(said, Declined)] == ["not_observed"]
    (problem,) = await problems()
    assert problem.path == ("books", 0, "references", 0, "feed")
    price = Fraction(read(chain, reference.address, POOL, "slot0")[0] ** 2, 2**192)
    usd = round((price if reference.token0 == world.weth else 1 / price) * 10**12)
    assert await answers(usd, 10) not in {"prices_apart", "no_price", "price_too_old", "not_observed"}
    assert followed.shard.tables.need(f"feed/{FEED}", FeedAnswer).answer == usd * 10**8
    assert await problems() == []
    assert await answers(2 * usd, 10) == "prices_apart"
    assert await answers(usd, 4_000) == "price_too_old"
    (problem,) = await problems()
    assert problem.path[-1] == "max_age"
    assert await answers(0, 10) == "no_price"
    await node.close()


def put_feed(chain: Chain, answer: int, updated_at_s: int) -> None:
    """Let a stand-in for a feed answer this from the next block on."""
    chain.rpc("anvil_setCode", FEED, FEED_CODE)
    for slot, value in enumerate((7, answer, updated_at_s, updated_at_s, 7, 8)):
        chain.rpc("anvil_setStorageAt", FEED, hex(slot), f"0x{value:064x}")
    chain.mine()
