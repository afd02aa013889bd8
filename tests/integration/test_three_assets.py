"""A book of WETH, WBTC and USDC over three pools: its amounts and its value equal the chain's, to the unit."""

from fractions import Fraction
from pathlib import Path

import pytest
from followed import Followed, node_of, world_policy
from msgspec.structs import replace
from price_play import FEED_CODE

from pipeline.advance.books import stock_of
from pipeline.book.price_rings import mean_price
from pipeline.book_view import book_fields
from pipeline.math.log_prices import log_of_price
from pipeline.messages.base import Price
from pipeline.messages.decisions import Declined, PlanOpened, Quarantined, StepRefused
from pipeline.messages.policy import Policy, TargetBand, TokenSpec, version_of
from pipeline.messages.prices import Asset, FeedAnswer, FeedPrice, MeanPath, Reference
from pipeline.messages.views import BookView
from pipeline.state.policies import policies
from pipeline.units import Address, Seconds
from streams.cli.demo.second_opinion import ChainInventory, PricedAsset, Terms, inventory_at
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import read
from streams.devnet.third_asset import add_wbtc, provide
from streams.devnet.world import DevnetPool, World
from streams.node.contract_calls import ContractReader
from streams.node.feed_facts import describe_feeds, feed_problems
from streams.node.multicall import MULTICALL3
from streams.yaml_positions import Problem

pytestmark = pytest.mark.anvil

POOL = "uniswap-v3/UniswapV3Pool"
WETH_TARGET_BPS, WBTC_TARGET_BPS = 3_000, 2_000
FEED = Address("0x" + "fe" * 20)


class Scene:
    """The devnet's world with WBTC, in the hands of a provider, a trader and an owner."""

    def __init__(self, chain: Chain, world: World, cache: Path, *, above: bool) -> None:
        self.chain, self.world = chain, world
        self.owner, self.trader = world.accounts.owners[0], world.accounts.traders[0]
        holders = world.accounts.spare[0], self.trader, self.owner
        self.wbtc = add_wbtc(chain, world, holders, above_weth=above, cache=cache)
        self.reference = world.pool("weth_usdc_low_500")

    @property
    def pools(self) -> tuple[DevnetPool, ...]:
        return self.reference, *self.wbtc.pools

    def provide(self, pool: DevnetPool, token: str, amount: int) -> None:
        provide(self.chain, self.world, self.owner, pool, (token, amount))

    def truth(self) -> ChainInventory:
        """What the chain itself says of the owner's book, with nothing of the pipeline."""
        terms = Terms(
            owner=self.owner,
            usdc=self.world.usdc_low,
            usdc_at_par=(self.world.usdc_low,),
            others=(PricedAsset(token=self.wbtc.token, path=(self.wbtc.with_weth, self.reference)),),
            pools=self.pools,
            reference=self.reference,
            target_bps=WETH_TARGET_BPS,
            band_bps=1_000,
            hysteresis_bps=100,
            cooldown_s=0,
        )
        return inventory_at(self.chain, self.world, terms, self.chain.header().number)


@pytest.mark.parametrize("above", [False, True], ids=["wbtc-below-weth", "wbtc-above-weth"])
async def test_inventory_value_and_shares_are_those_of_the_chain(
    chain: Chain, world: World, cache: Path, above: bool
) -> None:
    scene = Scene(chain, world, cache, above=above)
    wbtc = scene.wbtc.token
    scene.provide(scene.reference, world.weth, 50 * 10**18)
    scene.provide(scene.wbtc.with_weth, wbtc, 3 * 10**8)
    scene.provide(scene.wbtc.with_usdc, wbtc, 2 * 10**8)
    node = node_of(chain.url)
    followed = Followed(node, three_assets(scene))
    await followed.begin()
    compared = 0
    for number in range(1, 7):
        chain.execute(
            actions.swap_exact_in(world, scene.trader, scene.pools[1 + number % 2], wbtc, number * 10**8),
            actions.swap_exact_in(world, scene.trader, scene.reference, world.weth, number * 10**18),
        )
        await followed.catch_up()
        compare(followed, scene)
        compared += 1
    assert compared == 6
    assert not [said for said in followed.said if isinstance(said, Quarantined)]
    refused = [said for said in followed.said if isinstance(said, Declined)][-1]
    assert (refused.gate, refused.reason, refused.item) == ("lever", "no_lever", f"token/{wbtc}")
    await node.close()


def three_assets(scene: Scene) -> Policy:
    world, reference = scene.world, scene.reference
    path = (scene.wbtc.with_weth.address, reference.address)
    return world_policy(
        world,
        scene.owner,
        reference,
        int(scene.chain.rpc("eth_chainId"), 16),
        tokens=(
            TokenSpec(address=world.weth, symbol="WETH", decimals=18),
            TokenSpec(address=scene.wbtc.token, symbol="WBTC", decimals=8),
            TokenSpec(address=world.usdc_low, symbol="USDC", decimals=6),
        ),
        assets=(Asset(token=scene.wbtc.token, price_path=path, target_share_bps=WBTC_TARGET_BPS),),
        pools=tuple(pool.address for pool in scene.pools),
        strategy=TargetBand(target_share_bps=WETH_TARGET_BPS, band_bps=1_000, hysteresis_bps=100),
        mode="dry-run",
    )


def compare(followed: Followed, scene: Scene) -> None:
    """Hold the book's inventory against the chain at the same block, and the last view where it is of that block."""
    (book,) = policies(followed.shard.tables)
    present, truth = book_fields(book, stock_of(followed.shard, book)), scene.truth()
    view = [said for said in followed.said if isinstance(said, BookView)][-1]
    if view.because_of.block == followed.shard.tables.head:
        assert {name: getattr(view, name) for name in present} == present
    held = {h.token: h.wallet + h.native + h.principal + h.fees for h in present["holdings"]}
    assert held == truth.amounts
    assert present["value_quote"] == truth.value_quote
    targets = {scene.world.weth: WETH_TARGET_BPS, scene.wbtc.token: WBTC_TARGET_BPS}
    shares = present["shares"]
    told = {each.token: (each.value_quote, each.share_bps, each.target_share_bps) for each in shares}
    assert told == {
        token: (value, value * 10_000 // truth.value_quote, targets.get(token))
        for token, value in truth.values_quote.items()
    }


async def test_a_live_book_opens_no_plan_while_the_price_of_an_asset_may_have_been_pushed(
    chain: Chain, world: World, cache: Path
) -> None:
    scene = Scene(chain, world, cache, above=True)
    reference, with_weth, wbtc = scene.reference, scene.wbtc.with_weth, scene.wbtc.token
    scene.provide(reference, world.weth, 50 * 10**18)
    node = node_of(chain.url)
    book = three_assets(scene)
    asset = Asset(token=wbtc, price_path=(with_weth.address, reference.address))
    limits = replace(book.limits, max_spot_from_twap_log_bps=100)
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
    chain.execute(actions.swap_exact_in(world, scene.trader, with_weth, wbtc, 200 * 10**8))
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
            assert log_of_price(found) == (after - before) // ago_s
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
        assert await describe_feeds(reader, book, at) or not followed.shard.tables.find(
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
