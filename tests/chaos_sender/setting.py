"""The campaign's set-up: a busy devnet, one book that makes re-ranges, and its signer's file."""

import random
from collections.abc import Callable
from string import Template

from chain_desk import book_on
from hedged_play import take_approvals_back
from msgspec.structs import replace

from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand
from pipeline.messages.signers_limits import SignersLimits
from pipeline.messages.transactions import Call
from pipeline.units import Address, BookId, Bps, LogBps, RawAmount, Seconds
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.deploy import USDC_EACH, WETH_EACH
from streams.devnet.flow import FlowSettings
from streams.devnet.paths import PriceSettings
from streams.devnet.reads import minted_token_id, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import FIRST_PRICE_USDC, World
from streams.portfolio import publishing

BOOK = BookId("alpha")
LIVELY = FlowSettings(price=PriceSettings(volatility_bps=30, jump_chance_bps=400, jump_bps=120))
POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
"""The base is token0 in one of them and token1 in the other."""
FINAL_DEPTH_BLOCKS = 12

_OWN_NATIVE_WEI = 4 * 10**18
_OWN_WETH = 18 * 10**18
_OWN_USDC = 18 * FIRST_PRICE_USDC * 10**6
_POSITION_WETH = 10 * 10**18
_HALF_WIDTH = 600
_SIGNER = Template(
    """chain: $chain_id
devnet_account: "$account"
pools: ["$pool"]
twap_window: 3m
max_spot_from_twap: 8.33%
budget_token: "$usdc"
max_loss_per_day: 20000000
max_notional: 400000
max_notional_per_day: 1000000000
max_actions_per_hour: 1000
max_loss: 10%
swap_tolerance: 1%
max_share_of_depth: 100%
max_gas_ether_per_day: 100
max_transactions_per_day: 10000
final_depth_blocks: $depth
"""
)

LIMITS = Limits(
    twap_window_s=Seconds(48),
    max_spot_from_twap_log_bps=LogBps(800),
    max_slippage_bps=Bps(300),
    swap_tolerance_bps=Bps(100),
    max_cost_bps=Bps(300),
    max_actions_per_day=10_000,
    max_daily_cost_bps=Bps(10_000),
    max_daily_gas_bps=Bps(10_000),
    max_age_blocks=12,
    deadline_s=Seconds(600),
    signer=SignersLimits(
        max_loss_bps=Bps(1_000),
        max_share_of_depth_bps=Bps(10_000),
        twap_window_s=Seconds(180),
        swap_tolerance_bps=Bps(100),
    ),
)


def endow(chain: Chain, world: World, name: str) -> str:
    """Leave the owner a small purse and one NFT about the price; return who it is."""
    owner, elsewhere = world.accounts.owners[0], world.accounts.spare[0]
    pool = world.pool(name)
    usdc = world.usdc_of(pool)
    native_wei = int(chain.rpc("eth_getBalance", owner, "latest"), 16)
    chain.execute(
        Tx(sender=owner, to=elsewhere, value_wei=native_wei - _OWN_NATIVE_WEI),
        actions.transfer(world.weth, owner, elsewhere, WETH_EACH - _OWN_WETH),
        actions.transfer(usdc, owner, elsewhere, USDC_EACH - _OWN_USDC),
    )
    ticks = range_around(chain, pool, -_HALF_WIDTH, _HALF_WIDTH)
    (minted,) = chain.execute(
        actions.mint_position(world, owner, pool, ticks, world.amounts(pool, _POSITION_WETH))
    )
    assert minted_token_id(minted, world)
    take_approvals_back(chain, world, owner)
    return owner


def policy_of(world: World, name: str, **changes: object) -> Policy:
    """Keep the book's share within a narrow band, so that it acts often."""
    pool = world.pool(name)
    usual = book_on(
        world,
        pool,
        world.accounts.owners[0],
        strategy=TargetBand(
            band_bps=Bps(700),
            hysteresis_bps=Bps(100),
            hold_out_of_range_s=Seconds(36),
            cooldown_s=Seconds(96),
        ),
        limits=LIMITS,
        action=Rerange(
            half_width_log_bps=LogBps(_HALF_WIDTH),
            reserve_quote=RawAmount(4 * FIRST_PRICE_USDC * 10**6),
            stall_after_s=Seconds(600),
        ),
    )
    chain = replace(usual.chain, check_every_blocks=20, report_every_blocks=20)
    return publishing(replace(usual, chain=chain, **changes), [Address(pool.address)])


class RerangedBook:
    """A book that really re-ranges, its owner and its signer's file."""

    def __init__(self, chain: Chain, world: World, pool: str) -> None:
        self.world, self.pool = world, pool
        self.owner = Address(self.endow(chain))
        self.spenders = {"router": world.router, "manager": world.position_manager}

    def endow(self, chain: Chain) -> str:
        return endow(chain, self.world, self.pool)

    def policy(self) -> Policy:
        return policy_of(self.world, self.pool)

    def signer_file(self) -> str:
        world = self.world
        return _SIGNER.substitute(
            chain_id=world.chain_id,
            account=world.accounts.owners[0],
            pool=world.pool(self.pool).address,
            usdc=world.usdc_of(world.pool(self.pool)),
            depth=FINAL_DEPTH_BLOCKS,
        )

    def each_block(self, price_usdc: float) -> tuple[Tx, ...]:
        """List what is sent before the order flow of each block."""
        del price_usdc
        return ()

    # -------------------------------------------------------------- what lies elsewhere than in ranges
    def forged(self, chain: Chain, dice: random.Random) -> Call | None:
        """Draw a call that a thief would have signed of another contract that the signer's file names; None where it names none."""
        del chain, dice
        return None

    def faults_of_call(self, to: str, data: bytes) -> list[str] | None:
        """Name what the signer's file does not allow of a call of such a contract; None where it is none."""
        del to, data
        return None

    def faults_of_block(self, chain: Chain, block: int) -> list[str]:
        """Name what a block with the owner's transactions has made of it that the file does not allow."""
        del chain, block
        return []


MakesBook = Callable[[Chain, World, str], RerangedBook]
"""Sets a book up on a chain, with the range of a pool."""
