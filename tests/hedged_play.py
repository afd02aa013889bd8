"""The holdings and the policy of the tests' live hedged books, at any venue."""

from collections.abc import Sequence

from chain_desk import book_on
from msgspec.structs import replace

from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy, Rerange, TargetBand, version_of
from pipeline.units import Bps, LogBps, RawAmount, Seconds
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import World

POOL = "weth_usdc_low_500"
ETHER, DOLLAR = 10**18, 10**6
LATE_BLOCKS = 26
"""After which the deadline of what waits is past."""
NOWHERE = "0x" + "00" * 18 + "dead"
KEPT = {"weth": 2 * ETHER, "usdc": 120_000 * DOLLAR}
"""What the wallet has at first, and no plan of a range takes."""
NATIVE_WEI = 3 * ETHER
"""It is base, too."""
FAR = TargetBand(
    target_share_bps=Bps(3_000),
    band_bps=Bps(6_000),
    hysteresis_bps=Bps(100),
    hold_out_of_range_s=Seconds(10**6),
    cooldown_s=Seconds(48),
)
"""No re-range comes in between."""


def keeping(usdc: int = KEPT["usdc"], *, stall_after_s: int = 120) -> Rerange:
    """Make settings that leave the wallet's initial tokens alone."""
    return Rerange(
        half_width_log_bps=LogBps(600),
        stall_after_s=Seconds(stall_after_s),
        reserve_base=RawAmount(KEPT["weth"]),
        reserve_quote=RawAmount(usdc),
    )


def hedged_on(
    world: World, owner: str, venue: VenueSpec, hedge: Hedge, *, stall_after_s: int, usdc: int = KEPT["usdc"]
) -> Policy:
    """Make a policy of a live book with a hedge at a venue, whose range and wallet are left alone."""
    action = keeping(usdc, stall_after_s=stall_after_s)
    usual = book_on(world, world.pool(POOL), owner, strategy=FAR, action=action)
    made = replace(usual, chain=replace(usual.chain, venues=(venue,)), hedge=hedge)
    return replace(made, policy_version=version_of(made))


def endow(
    chain: Chain,
    world: World,
    owner: str,
    *,
    spenders: Sequence[str],
    half_width: int,
    usdc: int = KEPT["usdc"],
) -> None:
    """Give the owner one NFT around the price and tokens of both kinds, without allowances for router, manager and others."""
    pool = world.pool(POOL)
    ticks = range_around(chain, pool, -half_width, half_width)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, KEPT["weth"]), (world.usdc_low, usdc)):
        chain.execute(actions.transfer(token, owner, NOWHERE, balance(chain, token, owner) - kept))
    chain.rpc("anvil_setBalance", owner, hex(NATIVE_WEI))
    take_approvals_back(chain, world, owner, *spenders)


def take_approvals_back(chain: Chain, world: World, owner: str, *others: str) -> None:
    """Revoke the approvals that the devnet's set-up gave, because a book begins without allowances."""
    approve = function("tokens/ERC20", "approve")
    chain.execute(
        *(
            Tx(sender=owner, to=token, data=approve.calldata(spender, 0))
            for token in world.tokens
            for spender in (world.router, world.position_manager, *others)
        )
    )
