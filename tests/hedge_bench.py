"""A live book hedged at a venue of any kind, with the reads and actions on the chain that the port's tests need."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from chain_desk import ChainDesk
from hedged_desk import DEPLOY, SHORT_OF_DOLLARS, HedgedDesk
from perp_desk import PerpDesk
from wbtc_desk import WbtcDesk

from pipeline import keys
from pipeline.act.settle import is_open
from pipeline.advance.books import stock_of
from pipeline.book.exposures import ONE_FOR_ONE
from pipeline.hedge.port import HedgePosition, HedgeVenue
from pipeline.messages.base import Price
from pipeline.messages.effects import Plan
from pipeline.venues.registry import hedge_venue
from streams.devnet import aave
from streams.devnet.chain import Chain
from streams.devnet.reads import ask
from streams.devnet.reads import read as read_token
from streams.devnet.transactions import Tx
from streams.devnet.world import World

WHOLE_BPS = 10_000
DOLLARS_OF_WBTC = Price(numerator=60_000 * 10**6, denominator=10**8)


class Truth(NamedTuple):
    """The chain's values of a position; None as health where nothing is owed."""

    size: int
    collateral: int
    health_bps: int | None


class HedgeBench:
    """A book with the chain's own values of its position, which are compared after each block."""

    def __init__(
        self,
        desk: ChainDesk,
        truth: Callable[[], Truth],
        spenders: Sequence[str],
        price: Callable[[float], Tx],
        *,
        size_costs: bool,
        collateral_price: Price = ONE_FOR_ONE,
    ) -> None:
        self.desk, self.truth, self.spenders, self.price = desk, truth, spenders, price
        self.size_costs = size_costs
        """A short pays; else longs pay it."""
        self.collateral_price = collateral_price
        """In raw quote."""
        self.compared = 0
        """Blocks after which there was something to compare."""

    @property
    def venue(self) -> HedgeVenue:
        found = hedge_venue(self.desk.book)
        assert found is not None
        return found

    def position(self) -> HedgePosition:
        return self.venue.position(self.desk.shard, self.desk.book)

    def net(self) -> int:
        return stock_of(self.desk.shard, self.desk.book).base_amount

    def equity(self) -> int:
        """Return the position's equity: its collateral less its size, at 3,000 dollars."""
        held = self.position()
        return self.collateral_price.value(held.collateral) - held.size * 3_000 // 10**12

    def block(self, *others: Tx) -> None:
        self.desk.block(*others)
        self.is_true()

    def is_true(self) -> None:
        held, truth = self.position(), self.truth()
        assert Truth(held.size, held.collateral, held.health_bps) == truth
        self.compared += bool(truth.size)

    def rest(self, most: int = 40) -> None:
        """Mine blocks until nothing is done any more, and three more."""
        for _ in range(most):
            self.block()
            if not self.is_acting():
                break
        assert not self.is_acting()
        for _ in range(3):
            self.block()

    def is_acting(self) -> bool:
        tables = self.desk.shard.tables
        return is_open(tables.find(keys.plan(self.desk.book.book), Plan), tables)

    def allowed(self) -> list[int]:
        tokens = dict.fromkeys((self.desk.book.base, self.desk.book.quote, self.desk.book.collateral_token))
        return [
            read_token(self.desk.chain, token, "tokens/ERC20", "allowance", self.desk.book.owner, each)
            for token in tokens
            for each in self.spenders
        ]


def aave_bench(version: str, *, with_wbtc: bool = False) -> Callable[[Chain, World, Path], HedgeBench]:
    def make(chain: Chain, world: World, cache: Path) -> HedgeBench:
        if with_wbtc:
            desk: HedgedDesk = WbtcDesk(chain, world, version, cache)
        else:
            desk = HedgedDesk(chain, world, DEPLOY[version](chain, world, cache=cache), SHORT_OF_DOLLARS)
        market = desk.market

        def truth() -> Truth:
            _, owed_base, *_, health_wad = ask(chain, market.pool, aave.ACCOUNT_DATA, desk.book.owner)
            return Truth(desk.owed(), desk.secured(), health_wad * WHOLE_BPS // 10**18 if owed_base else None)

        def price(dollars: float) -> Tx:
            return aave.set_price(
                market, world.accounts.traders[1], world.weth, int(dollars * aave.BASE_UNIT)
            )

        secures = DOLLARS_OF_WBTC if with_wbtc else ONE_FOR_ONE
        spenders = (world.router, market.pool)
        return HedgeBench(desk, truth, spenders, price, size_costs=True, collateral_price=secures)

    return make


def perp_bench(chain: Chain, world: World, cache: Path) -> HedgeBench:
    desk = PerpDesk(chain, world, cache)

    def truth() -> Truth:
        size, collateral, equity = desk.perp.truth(chain, desk.owner)
        worth = collateral - equity
        health = equity * WHOLE_BPS * WHOLE_BPS // (500 * worth) if worth else None
        return Truth(size, collateral, health)

    desk.block(desk.perp.set_funding(10))
    return HedgeBench(desk, truth, (world.router, desk.perp.at), desk.perp.set_price, size_costs=False)


BENCHES = {
    "aave 3.0": aave_bench("3.0"),
    "aave 3.6": aave_bench("3.6"),
    "aave 3.0, secured by WBTC": aave_bench("3.0", with_wbtc=True),
    "aave 3.6, secured by WBTC": aave_bench("3.6", with_wbtc=True),
    "future": perp_bench,
}
