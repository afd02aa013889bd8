"""The demo's third book: WETH, WBTC and USDC over three pools, valued and compared at every turn, never traded."""

from pathlib import Path

import msgspec

from pipeline.units import BookId
from streams.cli.demo.files import THREE_ASSETS
from streams.cli.demo.second_opinion import PricedAsset, Terms
from streams.devnet import actions, third_asset
from streams.devnet.chain import Chain
from streams.devnet.third_asset import Wbtc, add_wbtc
from streams.devnet.world import DevnetPool, World

BOOK = BookId("three-assets")
TARGET_BPS, BAND_BPS, HYSTERESIS_BPS, WBTC_TARGET_BPS = 3_000, 1_000, 100, 2_000
_OWN = ((20 * 10**18), 3 * 10**8, 2 * 10**8)
_TRADED = 15 * 10**7


class ThreeAssets(msgspec.Struct, frozen=True, kw_only=True):
    """What the book stands on: its owner, WBTC, and the pools."""

    world: World
    owner: str
    trader: str
    wbtc: Wbtc

    @property
    def reference(self) -> DevnetPool:
        return self.world.pool("weth_usdc_low_500")

    def terms(self) -> Terms:
        """Tell an outsider what the portfolio file says of the book."""
        return Terms(
            owner=self.owner,
            usdc=self.world.usdc_low,
            usdc_at_par=(self.world.usdc_low,),
            others=(PricedAsset(token=self.wbtc.token, path=(self.wbtc.with_weth, self.reference)),),
            pools=(self.reference, *self.wbtc.pools),
            reference=self.reference,
            target_bps=TARGET_BPS,
            band_bps=BAND_BPS,
            hysteresis_bps=HYSTERESIS_BPS,
            cooldown_s=0,
        )

    def section(self) -> str:
        """Write the book's part of the portfolio file."""
        return THREE_ASSETS.substitute(
            book=BOOK,
            owner=self.owner,
            weth=self.world.weth,
            wbtc=self.wbtc.token,
            usdc=self.world.usdc_low,
            reference=self.reference.address,
            with_weth=self.wbtc.with_weth.address,
            with_usdc=self.wbtc.with_usdc.address,
        )

    def trade(self, chain: Chain, number: int) -> None:
        """Queue a swap of WBTC, in each pool in turn, one way and then the other."""
        pool = self.wbtc.pools[number % 2]
        token = self.wbtc.token if number % 4 < 2 else ({pool.token0, pool.token1} - {self.wbtc.token}).pop()
        in_wbtc = {self.wbtc.token: 1, self.world.weth: 20 * 10**10, self.world.usdc_low: 600}
        chain.send(actions.swap_exact_in(self.world, self.trader, pool, token, _TRADED * in_wbtc[token]))


def three_assets(chain: Chain, world: World, cache: Path) -> ThreeAssets:
    """Put WBTC on the chain, below WETH, and give the owner a position in each of the three pools."""
    owner, (trader, *_) = world.accounts.owners[3], world.accounts.spare
    wbtc = add_wbtc(chain, world, (trader, owner), above_weth=False, cache=cache)
    made = ThreeAssets(world=world, owner=owner, trader=trader, wbtc=wbtc)
    weth, *rest = _OWN
    third_asset.provide(chain, world, owner, made.reference, (world.weth, weth))
    for pool, amount in zip(wbtc.pools, rest, strict=True):
        third_asset.provide(chain, world, owner, pool, (wbtc.token, amount))
    return made
