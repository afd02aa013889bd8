"""A hedged book on a devnet with one range, its market of either version, and the signer's judge."""

from aave_world import spec_of
from chain_desk import LIMITS, ChainDesk, book_on
from lending_bench import fields_of, read
from msgspec.structs import replace

from pipeline.advance.books import stock_of
from pipeline.hedge.target import centre_of
from pipeline.messages.hedge import Hedge, HedgeBand
from pipeline.messages.policy import Policy, Rerange, TargetBand, version_of
from pipeline.units import Address, Bps, LogBps, RawAmount, Seconds
from streams.devnet import aave, actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance, range_around
from streams.devnet.reads import read as read_token
from streams.devnet.transactions import Tx
from streams.devnet.world import World

ETHER, DOLLAR, WAD = 10**18, 10**6, 10**18
DEPLOY = {"3.0": deploy_aave_v3_0, "3.6": deploy_aave_v3_6}
HEDGE = Hedge(
    venue="lending",
    floor_bps=12_500,
    act_bps=13_000,
    warn_bps=13_500,
    oracle_within_bps=Bps(500),
    cooldown_s=Seconds(24),
    pace_s=Seconds(12),
)
FAR = TargetBand(
    target_share_bps=Bps(3_000),
    band_bps=Bps(6_000),
    hysteresis_bps=Bps(100),
    hold_out_of_range_s=Seconds(10**6),
    cooldown_s=Seconds(48),
)
"""No re-range comes in between."""
KEEPS = Rerange(
    half_width_log_bps=LogBps(600),
    reserve_base=RawAmount(2 * ETHER),
    reserve_quote=RawAmount(300_000 * DOLLAR),
    stall_after_s=Seconds(120),
)


def hedged_book(world: World, market: AaveContracts, owner: str, hedge: Hedge = HEDGE) -> Policy:
    pool = world.pool("weth_usdc_low_500")
    usual = book_on(world, pool, owner, strategy=FAR, action=KEEPS, limits=LIMITS, hedge=hedge)
    made = replace(usual, chain=replace(usual.chain, venues=(spec_of(market),)))
    return replace(made, policy_version=version_of(made))


class HedgedDesk(ChainDesk):
    """A hedged book with one range, and its market."""

    def __init__(self, chain: Chain, world: World, market: AaveContracts) -> None:
        self.owner, self.market = world.accounts.owners[0], market
        pool = world.pool("weth_usdc_low_500")
        ticks = range_around(chain, pool, -1_000, 1_000)
        chain.execute(actions.mint_position(world, self.owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
        for token, kept in ((market.weth.asset, 2 * ETHER), (market.usdc.asset, 300_000 * DOLLAR)):
            more = balance(chain, token, self.owner) - kept
            chain.execute(actions.transfer(token, self.owner, world.accounts.traders[1], more))
        chain.rpc("anvil_setBalance", self.owner, hex(3 * ETHER))  # it is base, too
        chain.rpc("anvil_mine", hex(10), hex(12))
        super().__init__(chain, world, hedged_book(world, market, self.owner))
        self.limits = replace(self.limits, venues=(*self.limits.venues, read(chain, fields_of(market))))

    def settle(self, blocks: int, *first: Tx) -> None:
        self.block(*first)
        for _ in range(blocks):
            self.block()

    def tell_the_oracle(self, percent: int = 100) -> None:
        """Set the market's price of WETH to so much of the pool's."""
        price = stock_of(self.shard, self.book).prices[Address(self.market.weth.asset)]
        told = price.value(ETHER) * aave.BASE_UNIT // DOLLAR * percent // 100
        teller = self.world.accounts.traders[1]
        self.block(aave.set_price(self.market, teller, self.market.weth.asset, told))

    def allowed(self) -> list[int]:
        """What router and market may take of both tokens."""
        return [
            read_token(self.chain, token, "tokens/ERC20", "allowance", self.owner, spender)
            for token in (self.market.weth.asset, self.market.usdc.asset)
            for spender in (self.world.router, self.market.pool)
        ]

    def owed(self) -> int:
        return balance(self.chain, self.market.weth.debt_token, self.owner)

    def secured(self) -> int:
        return balance(self.chain, self.market.usdc.a_token, self.owner)

    def health(self) -> float:
        *_, health_wad = ask(self.chain, self.market.pool, aave.ACCOUNT_DATA, self.owner)
        return health_wad / WAD

    def is_on_target(self, book: Policy) -> bool:
        net = stock_of(self.shard, book).base_amount
        long = net + self.owed()
        assert book.hedge
        assert isinstance(book.hedge.band, HedgeBand)
        return abs(net - centre_of(book.hedge, long)) <= long * book.hedge.band.act_at_bps // 10_000


def steps_of(desk: HedgedDesk, since: int = 0) -> list[str]:
    return [each.step for each in desk.done[since:] if each.step not in {"approve", "reset"}]
