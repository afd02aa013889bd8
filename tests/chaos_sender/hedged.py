"""A book that is hedged at a lending market: its owner's tokens, its policy, and its signer's file."""

import os
import random
from pathlib import Path
from string import Template

from aave_world import spec_of
from chaos_sender.setting import RerangedBook, policy_of
from hedged_desk import DEPLOY, DOLLARS, HEDGE
from hedged_play import ETHER, FAR, POOL, endow, keeping
from lending_allowed import LendingFile, faults_of_call, faults_of_standing
from lending_allowed import standing as lending_standing
from lending_bench import STRANGER
from lending_forgery import LendingForger, Target
from msgspec.structs import replace

from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call
from streams.devnet import aave
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.ended_hedges import unwound
from streams.portfolio import publishing

HEDGED_POOL = POOL
MOST_WETH, LEAST_HEALTH = 30, 1.05
"""What the signer's file allows to be owed, and the health that it asks for."""
_TERMS = Template(
    'venues:\n  - {name: lending, kind: aave_v3, pool: "$pool", tokens: {"$weth": $most, "$usdc": 0}, '
    "least_health: $health, shock: 30%, max_oracle_deviation: 10%}\n"
)
_MOVED = 0.95
"""What a health factor may have become by prices alone, from a signature to its block."""
_HALF_WIDTH = 1_000


class HedgedBook(RerangedBook):
    """A book that keeps its range, and owes WETH against its dollars at Aave of a version."""

    def __init__(self, chain: Chain, world: World, pool: str, version: str) -> None:
        cache = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
        self.market = DEPLOY[version](chain, world, cache=cache)
        super().__init__(chain, world, pool)
        self.spenders |= {"market": self.market.pool}

    def endow(self, chain: Chain) -> str:
        owner, spenders = self.world.accounts.owners[0], (self.market.pool,)
        endow(chain, self.world, owner, spenders=spenders, half_width=_HALF_WIDTH, usdc=DOLLARS)
        return owner

    def policy(self) -> Policy:
        """Begin with a hedge that has ended."""
        return unwound(self.hedging())

    def hedging(self) -> Policy:
        """Take the hedge on."""
        usual = policy_of(self.world, self.pool, strategy=FAR, action=keeping(DOLLARS), hedge=HEDGE)
        chain = replace(usual.chain, venues=(spec_of(self.market),))
        return publishing(replace(usual, chain=chain), usual.publishes)

    def signer_file(self) -> str:
        world, market = self.world, self.market
        terms = _TERMS.substitute(
            pool=market.pool,
            weth=world.weth,
            usdc=market.usdc.asset,
            most=MOST_WETH,
            health=LEAST_HEALTH,
        )
        return super().signer_file() + terms

    def each_block(self, price_usdc: float) -> tuple[Tx, ...]:
        """Let the market's oracle follow the fair price."""
        teller, price = self.world.accounts.traders[2], int(price_usdc * aave.BASE_UNIT)
        return (aave.set_price(self.market, teller, self.world.weth, price),)

    def forged(self, chain: Chain, dice: random.Random) -> Call | None:
        target = Target(
            chain=chain,
            market=self.market,
            owner=self.owner,
            stranger=STRANGER,
            foreign_token=self.world.usdc_high,
            foreign_pools=(),
            router=self.world.router,
            deadline_s=chain.header().timestamp_s + 300,
        )
        return LendingForger(dice, target).draw().call

    @property
    def _file(self) -> LendingFile:
        most = {self.market.weth.asset: MOST_WETH * ETHER, self.market.usdc.asset: 0}
        return LendingFile(most, LEAST_HEALTH * _MOVED, shock_bps=0)

    def faults_of_call(self, to: str, data: bytes) -> list[str] | None:
        return [*faults_of_call(self._file, self.owner, data)] if to == self.market.pool else None

    def faults_of_block(self, chain: Chain, block: int) -> list[str]:
        before, after = (
            lending_standing(chain, self.market, self.owner, (STRANGER,), block=each)
            for each in (block - 1, block)
        )
        return [*faults_of_standing(self._file, before, after)]

    def standing(self, chain: Chain, block: int) -> tuple[int, int, float]:
        """Ask the chain for the owner's debt, raw WETH, collateral, raw dollars, and health factor at the end of a block."""
        *_, health_wad = ask(chain, self.market.pool, aave.ACCOUNT_DATA, self.owner, block=block)
        debt = balance(chain, self.market.weth.debt_token, self.owner, block=block)
        return debt, balance(chain, self.market.usdc.a_token, self.owner, block=block), health_wad / ETHER
