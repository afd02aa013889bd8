"""A live book whose base is hedged at Aave V3, both versions on real bytecode: planned, judged by its signer, mined, and unwound."""

import random
from collections.abc import Callable
from itertools import pairwise
from math import isqrt
from statistics import pstdev

import pytest
from aave_world import NAME, is_as_on_the_chain
from chain_desk import ChainDesk, book_on
from chain_plans import cancel_all, is_tracked, undo
from lending_bench import fields_of, read
from msgspec.structs import replace
from price_play import swap_to

from pipeline.advance.books import stock_of
from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.events import PolicySet
from pipeline.messages.goals import HedgeGoal
from pipeline.messages.hedge import Hedge
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, Rerange, TargetBand, version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, Bps, RawAmount, Seconds
from pipeline.venues.abi import function
from streams.devnet import aave, actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance, range_around, slot0
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.unwound import unwound

pytestmark = pytest.mark.anvil

POOL = "weth_usdc_low_500"
ETHER, DOLLAR = 10**18, 10**6
LATE_BLOCKS = 26
"""After which the deadline of what waits is past."""
NOWHERE = "0x" + "00" * 18 + "dead"
KEPT = {"weth": 2 * ETHER, "usdc": 120_000 * DOLLAR}
STILL = TargetBand(
    target_share_bps=Bps(3_500),
    band_bps=Bps(3_400),
    hysteresis_bps=Bps(100),
    hold_out_of_range_s=Seconds(10**6),
    cooldown_s=Seconds(48),
)
"""No re-range comes in between."""


def hedged(world: World, market: AaveContracts, owner: str, ratio_bps: int = 6_500) -> Policy:
    """A live book with a hedge at the market."""
    usual = book_on(
        world,
        world.pool(POOL),
        owner,
        strategy=STILL,
        action=Rerange(
            half_width_ticks=600,
            stall_after_s=Seconds(120),
            reserve_base=RawAmount(KEPT["weth"]),
            reserve_quote=RawAmount(KEPT["usdc"]),
        ),
    )
    contracts = tuple(
        VenueContract(role=role, address=Address(getattr(market, role)))
        for role in ("pool", "configurator", "oracle")
    )
    venues = (VenueSpec(name=NAME, kind="aave_v3", contracts=contracts),)
    hedge = Hedge(venue=NAME, ratio_bps=Bps(ratio_bps), cooldown_s=Seconds(60), pace_s=Seconds(12))
    made = replace(usual, chain=replace(usual.chain, venues=venues), hedge=hedge)
    return replace(made, policy_version=version_of(made))


def endow(chain: Chain, world: World, market: AaveContracts, owner: str, half_width: int) -> None:
    """Give the owner one NFT about the price, some tokens of both kinds, and no allowance."""
    pool = world.pool(POOL)
    ticks = range_around(chain, pool, -half_width, half_width)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, KEPT["weth"]), (world.usdc_low, KEPT["usdc"])):
        chain.execute(actions.transfer(token, owner, NOWHERE, balance(chain, token, owner) - kept))
    chain.rpc("anvil_setBalance", owner, hex(2 * ETHER))
    approve = function("tokens/ERC20", "approve")
    spenders = (world.router, world.position_manager, market.pool)
    chain.execute(
        *(
            Tx(sender=owner, to=token, data=approve.calldata(spender, 0))
            for token in (world.weth, world.usdc_low)
            for spender in spenders
        )
    )


def desk_at(
    chain: Chain, world: World, market: AaveContracts, *, half_width: int = 300, **changes: int
) -> ChainDesk:
    owner = world.accounts.owners[0]
    endow(chain, world, market, owner, half_width)
    desk = ChainDesk(chain, world, hedged(world, market, owner, **changes))
    terms = read(chain, fields_of(market, least_health="1.05", tokens={world.weth: 40, world.usdc_low: 0}))
    desk.limits = replace(desk.limits, venues=(*desk.limits.venues, terms))
    return desk


def until(desk: ChainDesk, holds: Callable[[], object], most: int = 40) -> None:
    for _ in range(most):
        if holds():
            return
        desk.block()
    raise AssertionError((desk.refusals, desk.said(StepRefused)[-3:], [i.step for i in desk.done]))


def health(desk: ChainDesk, market: AaveContracts) -> float:
    *_, health_wad = ask(desk.chain, market.pool, aave.ACCOUNT_DATA, desk.book.owner)
    return health_wad / ETHER


def debt_and_collateral(desk: ChainDesk, market: AaveContracts) -> tuple[int, int]:
    tokens = (market.weth.debt_token, market.usdc.a_token)
    debt, collateral = (balance(desk.chain, token, desk.book.owner) for token in tokens)
    return debt, collateral


def jump(desk: ChainDesk, market: AaveContracts, dollars: float) -> None:
    """Let pool and oracle go to another price of WETH in one block."""
    world, pool, trader = desk.world, desk.world.pool(POOL), desk.world.accounts.traders[0]
    before_x96 = slot0(desk.chain, pool).sqrt_price_x96
    # WETH is token1 of the pool: dearer is a lower price of token0
    target_x96 = isqrt(int(ETHER * 2**192 / (dollars * DOLLAR)))
    desk.block(
        actions.mint_usdc(world.usdc_low, trader, trader, 1_500_000_000 * DOLLAR),
        swap_to(world, pool, trader, before_x96, target_x96),
        aave.set_price(market, trader, world.weth, int(dollars * aave.BASE_UNIT)),
    )


@pytest.mark.parametrize("deploy", [deploy_aave_v3_0, deploy_aave_v3_6], ids=["3.0", "3.6"])
def test_a_hedge_is_taken_on_secured_and_unwound_by_what_its_signer_allows(
    chain: Chain, world: World, cache, deploy
) -> None:
    market = deploy(chain, world, cache=cache)
    desk = desk_at(chain, world, market)
    policy = desk.book
    # taken on: of all base 65 % is owed, within what a step leaves
    until(desk, lambda: desk.said(PlanClosed))
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert isinstance(desk.said(PlanOpened)[0].goal, HedgeGoal)
    assert steps(desk) == ["approve", "supply", "borrow", "approve", "sell"]
    is_hedged(desk, market)

    # secured: the price jumps, and the wallet pays for it at once
    done = len(desk.done)
    jump(desk, market, 3_750)
    assert health(desk, market) < 1.2
    until(desk, lambda: health(desk, market) >= 1.2, most=8)
    assert {i.step for i in desk.done[done:]} <= {"approve", "repay", "supply"}
    assert desk.refusals == []

    # unwound: nothing is left, no dust either
    jump(desk, market, 3_000)
    until(desk, lambda: not is_acting(desk))
    plans = len(desk.said(PlanOpened))
    desk.append(PolicySet(policy=unwound(policy)))
    until(desk, lambda: debt_and_collateral(desk, market) == (0, 0))
    # the first purchase may go into the reserve of base, which securing has used up
    assert len(desk.said(PlanOpened)) <= plans + 2
    assert [aave.MOST in read_amounts(i) for i in desk.done if i.step in {"repay", "withdraw"}][-2:] == [
        True
    ] * 2
    until(desk, lambda: not is_acting(desk))
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert allowances(desk, market) == [0] * 4


def read_amounts(intent: SubmitTransaction) -> list[int]:
    """Read the words of a call."""
    words = intent.call.data[10:]
    return [int(words[at : at + 64], 16) for at in range(0, len(words), 64)]


def is_acting(desk: ChainDesk) -> bool:
    return len(desk.said(PlanOpened)) > len(desk.said(PlanClosed))


def steps(desk: ChainDesk) -> list[str]:
    return [i.step for i in desk.done if i.step != "reset"]


def allowances(desk: ChainDesk, market: AaveContracts) -> list[int]:
    asked = function("tokens/ERC20", "allowance")
    spenders, tokens = (desk.world.router, market.pool), (desk.world.weth, desk.world.usdc_low)
    return [ask(desk.chain, token, asked, desk.book.owner, to) for token in tokens for to in spenders]


# ------------------------------------------------------------------ what goes away
@pytest.mark.parametrize(
    ("deploy", "first"),
    [(deploy_aave_v3_6, "supply"), (deploy_aave_v3_0, "borrow"), (deploy_aave_v3_6, "sell")],
    ids=["3.6-supply", "3.0-borrow", "3.6-sell"],
)
def test_a_leg_that_a_reorg_takes_away_is_made_again(
    chain: Chain, world: World, cache, deploy, first: str
) -> None:
    """All from a leg on goes away and nothing of it comes again: past its deadline the signer cancels it."""
    market = deploy(chain, world, cache=cache)
    desk = desk_at(chain, world, market)
    begun: dict[str, int] = {}
    while not desk.said(PlanClosed):
        for intent in desk.pending[:1]:
            begun.setdefault(intent.step, chain.header().number)
        desk.block()
    assert {"supply", "borrow", "sell"} <= begun.keys()
    undo(desk, chain.header().number - begun[first])
    for _ in range(LATE_BLOCKS):
        desk.block()
    cancel_all(desk)
    until(desk, lambda: len(desk.said(PlanClosed)) > 1)
    assert {each.outcome for each in desk.said(PlanClosed)} == {Done()}
    is_hedged(desk, market)
    is_as_on_the_chain(desk, chain, market, desk.book.owner)
    assert allowances(desk, market) == [0] * 4
    assert is_tracked(desk)
    assert not desk.said(Quarantined)


def is_hedged(desk: ChainDesk, market: AaveContracts) -> None:
    """Of all base 65 % is owed, within what a step leaves, and a gap is withstood."""
    owed, _ = debt_and_collateral(desk, market)
    net = stock_of(desk.shard, desk.book).base_amount
    assert abs(net - (net + owed) * 35 // 100) <= (net + owed) * 3 // 100, (net, owed)
    assert health(desk, market) >= 1.1 * 1.3


# ------------------------------------------------------------------ what it is for
BLOCKS = 70


def test_a_fully_hedged_books_value_moves_a_fifth_of_its_twins(chain: Chain, world: World, cache) -> None:
    """The twin has the same range and the same tokens, and does nothing."""
    market = deploy_aave_v3_6(chain, world, cache=cache)
    desk = desk_at(chain, world, market, ratio_bps=10_000, half_width=2_000)
    until(desk, lambda: desk.said(PlanClosed))
    chance, dollars = random.Random(7), 3_000.0
    values: dict[str, list[float]] = {"hedged": [], "twin": []}
    outside = 0
    for _ in range(BLOCKS):
        dollars *= 1 + chance.gauss(0, 0.006)
        jump(desk, market, dollars)
        stock = stock_of(desk.shard, desk.book)
        owed, secured = debt_and_collateral(desk, market)
        purse = [balance(chain, token, desk.book.owner) for token in (world.weth, world.usdc_low)]
        native = int(chain.rpc("eth_getBalance", desk.book.owner, "latest"), 16)
        ranged = (stock.base_amount + owed - purse[0] - native, stock.quote_amount - secured - purse[1])
        assert min(ranged) >= 0
        price = dollars * DOLLAR / ETHER
        values["hedged"].append(float(stock.value_quote))
        values["twin"].append((ranged[0] + KEPT["weth"] + 2 * ETHER) * price + ranged[1] + KEPT["usdc"])
        long = stock.base_amount + owed
        outside += not is_acting(desk) and abs(stock.base_amount) > long * 5 // 100
    spread = {name: pstdev(b - a for a, b in pairwise(each)) for name, each in values.items()}
    assert spread["hedged"] * 5 <= spread["twin"], spread
    assert outside <= BLOCKS // 10, outside
    assert [each.reason for each in desk.refusals if each.reason == "limits"] == []
