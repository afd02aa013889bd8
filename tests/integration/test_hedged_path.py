"""A hedged book over a seeded path of prices, on both versions' bytecode: followed to the unit, never liquidated, back in its band, unwound."""

import random
from collections import Counter

import pytest
from aave_world import is_as_on_the_chain
from chain_plans import cancel_all, undo
from depth import examples
from hedged_desk import DEPLOY, SHORT_OF_DOLLARS, HedgedDesk
from hedged_play import DOLLAR, ETHER, LATE_BLOCKS
from msgspec.structs import replace

from pipeline.advance.books import stock_of
from pipeline.messages.decisions import PlanClosed, Quarantined
from pipeline.messages.events import IntentRefused, PolicySet
from pipeline.messages.policy import version_of
from pipeline.units import Bps
from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

BLOCKS = 64
LOWEST, HIGHEST = 1_800.0, 4_200.0
JUMPS = {4: 1.25, 19: 0.8, 34: 0.75, 49: 1.3}
STEPS = (1, 1, 0.99, 1.01)
"""In one block; of the second, each is as likely where no jump is due."""
LEGS = ("supply", "borrow", "sell", "repay", "buy", "withdraw")
"""After the first of each, blocks go away: the last two belong to the end of the hedge."""
RATIO_BPS, BAND_BPS = 6_500, 500
LONGEST_END = 60
"""Blocks, those aside that are mined while a reorg's transactions grow too old."""
LONGEST_AWAY = 8
"""Block ends in a row: after a jump nothing is traded until the mean over 4 blocks has come near the price again, and a step rests for 5."""


class Path:
    """One price after the other, and others who lend and borrow meanwhile."""

    def __init__(self, desk: HedgedDesk, market: AaveContracts, seed: int) -> None:
        self.desk, self.market, self.chance = desk, market, random.Random(seed)
        self.dollars = 3_000.0
        self.away = self.longest_away = 0
        """Block ends in a row outside the band while no plan was under way."""
        self.legs: Counter[str] = Counter()
        """Of ours, how many of each a reorg took away."""

    def walk(self) -> None:
        for number in range(BLOCKS):
            made, step = len(self.desk.done), JUMPS.get(number, self.chance.choice(STEPS))
            if step == 1:
                self.desk.block(*self.others())
            else:
                self.dollars = min(max(self.dollars * step, LOWEST), HIGHEST)
                self.desk.jump(self.dollars, *self.others())
            self.look()
            self.strike(made)

    def end(self) -> None:
        """End the hedge, and go on until nothing is owed and nothing secures it."""
        desk = self.desk
        desk.until(lambda: not desk.is_acting)
        closing = replace(desk.book, hedge=replace(desk.book.hedge, ratio_bps=Bps(0)))
        desk.book = replace(closing, policy_version=version_of(closing))
        desk.append(PolicySet(policy=desk.book))
        for _ in range(LONGEST_END):
            made = len(desk.done)
            desk.block()
            self.look()
            self.strike(made)
            if not desk.is_acting and (desk.owed(), desk.secured()) == (0, 0):
                return
        raise AssertionError((desk.owed(), desk.secured(), desk.refusals))

    def strike(self, made: int) -> None:
        """Take blocks away where what was mined since is the first of its kind."""
        if {each.step for each in self.desk.done[made:]} & set(LEGS) - set(self.legs):
            self.take_away(self.chance.randrange(1, 11))

    def others(self) -> list[Tx]:
        """Let a trader borrow dollars against WETH of its own, or repay some, which moves our rate."""
        user, usdc = self.desk.world.accounts.traders[1], self.market.usdc.asset
        match self.chance.randrange(4):
            case 0:
                return [
                    aave.supply(self.market, user, self.market.weth.asset, 100 * ETHER),
                    aave.borrow(self.market, user, usdc, 50_000 * DOLLAR),
                ]
            case 1:
                return [aave.supply(self.market, user, usdc, 10_000 * DOLLAR)]
        return []

    def take_away(self, depth: int) -> None:
        """Lose blocks with all of ours in them; what is lost is cancelled once it is too old."""
        newest = self.desk.chain.header().number
        for number in range(newest - depth + 1, newest + 1):
            block = self.desk.chain.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
            lost = (each for each in self.desk.done if self.desk.hashes[each.digest] in block)
            self.legs.update(each.step for each in lost)
        waiting = list(self.desk.pending)
        undo(self.desk, depth)
        for _ in range(LATE_BLOCKS):
            self.desk.block()
            self.look()
        for intent in waiting:
            self.desk.append(
                IntentRefused(intent=intent.digest, reason="expired", detail="a reorg came between")
            )
        cancel_all(self.desk)

    def look(self) -> None:
        """Hold the account against the chain, and the exposure against its band."""
        desk = self.desk
        is_as_on_the_chain(desk, desk.chain, self.market, desk.book.owner)
        assert desk.health() > 1
        if desk.is_acting or (desk.book.hedge and desk.book.hedge.ends):
            self.away = 0
            return
        owed = desk.owed()
        net = stock_of(desk.shard, desk.book).base_amount
        long = net + owed
        off = abs(net - long * (10_000 - RATIO_BPS) // 10_000)
        self.away = self.away + 1 if off > long * BAND_BPS // 10_000 else 0
        self.longest_away = max(self.away, self.longest_away)


@pytest.mark.parametrize("seed", range(examples(1)))
@pytest.mark.parametrize("version", list(DEPLOY))
def test_a_hedge_withstands_a_path(chain: Chain, world: World, cache, version: str, seed: int) -> None:
    market = DEPLOY[version](chain, world, cache=cache)
    hedge = replace(SHORT_OF_DOLLARS.hedge, ratio_bps=Bps(RATIO_BPS))
    given = SHORT_OF_DOLLARS._replace(hedge=hedge, half_width=5_400)
    desk = HedgedDesk(chain, world, market, given)
    desk.until(lambda: desk.said(PlanClosed))
    path = Path(desk, market, seed)
    path.walk()
    path.end()
    print(path.legs)
    assert set(path.legs) >= set(LEGS)
    assert path.longest_away <= LONGEST_AWAY
    assert {each.reason for each in desk.refusals} <= {"market", "simulation"}, (
        "its file has room for all of it"
    )
    assert not desk.said(Quarantined)
    assert desk.allowed() == [0] * 4
