"""A live hedged book on a chain with a lending market: what tests of its plans on real bytecode share."""

from collections.abc import Callable
from math import isqrt

from aave_world import NAME, spec_of
from chain_desk import ChainDesk, book_on
from lending_bench import fields_of, read
from msgspec.structs import replace
from price_play import swap_to

from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.decisions import PlanClosed, PlanOpened, StepRefused
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy, Rerange, TargetBand, version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Bps, LogBps, RawAmount, Seconds
from pipeline.venues.abi import function
from streams.devnet import aave, actions
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance, range_around, slot0
from streams.devnet.transactions import Tx
from streams.devnet.world import World

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
    hedge = Hedge(venue=NAME, ratio_bps=Bps(ratio_bps), cooldown_s=Seconds(60), pace_s=Seconds(12))
    return hedged_on(world, owner, spec_of(market), hedge, stall_after_s=120)


def hedged_on(world: World, owner: str, venue: VenueSpec, hedge: Hedge, *, stall_after_s: int) -> Policy:
    """A live book with a hedge at a venue, whose range stays and whose wallet is left alone."""
    usual = book_on(
        world,
        world.pool(POOL),
        owner,
        strategy=STILL,
        action=Rerange(
            half_width_log_bps=LogBps(600),
            stall_after_s=Seconds(stall_after_s),
            reserve_base=RawAmount(KEPT["weth"]),
            reserve_quote=RawAmount(KEPT["usdc"]),
        ),
    )
    made = replace(usual, chain=replace(usual.chain, venues=(venue,)), hedge=hedge)
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


def jump(desk: ChainDesk, market: AaveContracts, dollars: float, *others: Tx) -> None:
    """Let pool and oracle go to another price of WETH in one block, behind what others do."""
    world, pool, trader = desk.world, desk.world.pool(POOL), desk.world.accounts.traders[0]
    before_x96 = slot0(desk.chain, pool).sqrt_price_x96
    # WETH is token1 of the pool: dearer is a lower price of token0
    target_x96 = isqrt(int(ETHER * 2**192 / (dollars * DOLLAR)))
    desk.block(
        *others,
        actions.mint_usdc(world.usdc_low, trader, trader, 1_500_000_000 * DOLLAR),
        swap_to(world, pool, trader, before_x96, target_x96),
        aave.set_price(market, trader, world.weth, int(dollars * aave.BASE_UNIT)),
    )


def read_amounts(intent: SubmitTransaction) -> list[int]:
    """Read the words of a call."""
    words = intent.call.data[10:]
    return [int(words[at : at + 64], 16) for at in range(0, len(words), 64)]


def is_acting(desk: ChainDesk) -> bool:
    return len(desk.said(PlanOpened)) > len(desk.said(PlanClosed))


def allowances(desk: ChainDesk, market: AaveContracts) -> list[int]:
    asked = function("tokens/ERC20", "allowance")
    spenders, tokens = (desk.world.router, market.pool), (desk.world.weth, desk.world.usdc_low)
    return [ask(desk.chain, token, asked, desk.book.owner, to) for token in tokens for to in spenders]
