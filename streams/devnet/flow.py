"""Generate order flow on the devnet: the same seed gives the same chain, block for block, while nobody else transacts."""

import msgspec

from .actors import Scene, arbitrage, provide, trade_noise
from .chain import Chain, DevnetBlock
from .paths import BaseFeePath, PricePath, PriceSettings, seeded
from .transactions import Tx
from .world import World


class FlowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the chain is."""

    price: PriceSettings = PriceSettings()
    quiet_chance: float = 0.06  # a block without any transaction
    arbitrage_chance: float = 0.85  # of each pool and block
    trades_per_pool: tuple[int, ...] = (0, 0, 1, 1, 2, 3)  # drawn from, each equally likely
    provider_chance: float = 0.08


class OrderFlow:
    """Traders, an arbitrageur and providers about one seeded price path.

    It keeps nothing about the chain, only its paths and dice: it goes on after any rollback.
    """

    def __init__(self, chain: Chain, world: World, seed: int, settings: FlowSettings | None = None) -> None:
        self._chain, self._world = chain, world
        self._settings = settings or FlowSettings()
        self._price = PricePath(seed, self._settings.price)
        self._base_fee = BaseFeePath(seed)
        self._dice = seeded(seed, "orders")

    @property
    def price_usdc(self) -> float:
        """The fair price of WETH at the last block."""
        return self._price.price_usdc

    def block(self, *first: Tx) -> DevnetBlock:
        """Send a block's transactions, `first` and whatever a caller queued before them, and mine one block."""
        orders = self._orders()
        for tx in (*first, *orders):
            self._chain.send(tx)
        return self._chain.mine(base_fee_wei=self._base_fee.step_wei())

    def _orders(self) -> list[Tx]:
        scene = Scene(chain=self._chain, world=self._world, price_usdc=self._price.step())
        settings, dice, pools = self._settings, self._dice, tuple(self._world.pools.values())
        if dice.random() < settings.quiet_chance:
            return []
        orders: list[Tx] = []
        for pool in pools:
            if dice.random() < settings.arbitrage_chance:
                orders += arbitrage(scene, pool)
            orders += trade_noise(scene, pool, dice.choice(settings.trades_per_pool), dice)
        if dice.random() < settings.provider_chance:
            orders += provide(scene, pools, dice)
        return orders
