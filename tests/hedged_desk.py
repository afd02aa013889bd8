"""A live book hedged at Aave V3 of either version, with the signer's judge: shared by tests on real bytecode."""

from collections.abc import Callable
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import pytest
from aave_world import NAME, spec_of
from chain_desk import ChainDesk
from hedged_play import DOLLAR, ETHER, KEPT, POOL, endow, hedged_on
from lending_bench import fields_of, read
from msgspec.structs import replace
from price_play import swap_to

from pipeline.advance.books import stock_of
from pipeline.hedge.target import centre_of
from pipeline.messages.decisions import PlanClosed, PlanOpened, StepRefused
from pipeline.messages.hedge import Hedge, HedgeBand
from pipeline.messages.policy import Policy
from pipeline.units import Address, Bps, Seconds
from streams.devnet import aave, actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance, slot0
from streams.devnet.reads import read as read_token
from streams.devnet.transactions import Tx
from streams.devnet.world import World

WAD = 10**18
DEPLOY = {"3.0": deploy_aave_v3_0, "3.6": deploy_aave_v3_6}
HEDGE = Hedge(
    venue=NAME,
    floor_bps=12_500,
    act_bps=13_000,
    warn_bps=13_500,
    oracle_within_bps=Bps(500),
    cooldown_s=Seconds(24),
    pace_s=Seconds(12),
)
DOLLARS = 300_000 * DOLLAR


class Given(NamedTuple):
    """A test's set-up: the book's tokens, its hedge, and the market's entry in the signer's file."""

    hedge: Hedge = HEDGE
    usdc: int = DOLLARS
    half_width: int = 1_000
    """Of its range, in ticks."""
    least_health: str = "1.2"
    most_weth: int = 25


SHORT_OF_DOLLARS = Given(
    hedge=Hedge(venue=NAME, ratio_bps=Bps(6_500), cooldown_s=Seconds(60), pace_s=Seconds(12)),
    usdc=KEPT["usdc"],
    half_width=300,
    least_health="1.05",
    most_weth=40,
)
"""So much of the wallet secures the debt that a jump of the price needs the rest of it at once."""


def hedged_book(
    world: World, market: AaveContracts, owner: str, hedge: Hedge = HEDGE, usdc: int = DOLLARS
) -> Policy:
    return hedged_on(world, owner, spec_of(market), hedge, stall_after_s=120, usdc=usdc)


@pytest.fixture(params=list(DEPLOY))
def market(request: pytest.FixtureRequest, chain: Chain, world: World, cache: Path) -> AaveContracts:
    """Deploy Aave V3 on a chain: a test that asks for it runs on each version."""
    return DEPLOY[request.param](chain, world, cache=cache)


class HedgedDesk(ChainDesk):
    """A hedged book with one range, and its market."""

    def __init__(self, chain: Chain, world: World, market: AaveContracts, given: Given = Given()) -> None:  # noqa: B008 - it does not change
        self.owner, self.market = world.accounts.owners[0], market
        spenders = (market.pool,)
        endow(chain, world, self.owner, spenders=spenders, half_width=given.half_width, usdc=given.usdc)
        chain.rpc("anvil_mine", hex(10), hex(12))
        super().__init__(chain, world, hedged_book(world, market, self.owner, given.hedge, given.usdc))
        debts = {market.weth.asset: given.most_weth, market.usdc.asset: 0}
        terms = read(chain, fields_of(market, least_health=given.least_health, tokens=debts))
        self.limits = replace(self.limits, venues=(*self.limits.venues, terms))

    # -------------------------------------------------------------- the chain goes on
    def settle(self, blocks: int, *first: Tx) -> None:
        self.block(*first)
        for _ in range(blocks):
            self.block()

    def until(self, holds: Callable[[], object], most: int = 40) -> None:
        for _ in range(most):
            if holds():
                return
            self.block()
        raise AssertionError((self.refusals, self.said(StepRefused)[-3:], [i.step for i in self.done]))

    def tell_the_oracle(self, percent: int = 100) -> None:
        """Set the market's price of WETH to a share of the pool's."""
        price = stock_of(self.shard, self.book).prices[Address(self.market.weth.asset)]
        told = price.value(ETHER) * aave.BASE_UNIT // DOLLAR * percent // 100
        teller = self.world.accounts.traders[1]
        self.block(aave.set_price(self.market, teller, self.market.weth.asset, told))

    def jump(self, dollars: float, *others: Tx) -> None:
        """Move pool and oracle to another price of WETH in one block, after others' transactions."""
        world, pool, trader = self.world, self.world.pool(POOL), self.world.accounts.traders[0]
        before_x96 = slot0(self.chain, pool).sqrt_price_x96
        # WETH is token1 of the pool: dearer is a lower price of token0
        target_x96 = isqrt(int(ETHER * 2**192 / (dollars * DOLLAR)))
        self.block(
            *others,
            actions.mint_usdc(world.usdc_low, trader, trader, 1_500_000_000 * DOLLAR),
            swap_to(world, pool, trader, before_x96, target_x96),
            aave.set_price(self.market, trader, world.weth, int(dollars * aave.BASE_UNIT)),
        )

    # -------------------------------------------------------------- how it stands
    @property
    def is_acting(self) -> bool:
        return len(self.said(PlanOpened)) > len(self.said(PlanClosed))

    def allowed(self) -> list[int]:
        """Return the allowances of router and market for both tokens."""
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
