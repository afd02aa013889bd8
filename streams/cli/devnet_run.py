"""Run a devnet in the foreground: start it, mine, and stop it on a signal."""

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import DevnetError
from pipeline.messages.policy import Limits
from streams.devnet import actions, net
from streams.devnet.chain import BLOCK_S, Chain
from streams.devnet.deploy import USDC_EACH, WETH_EACH
from streams.devnet.reads import range_around
from streams.devnet.world import FIRST_PRICE_USDC, World
from streams.process import stopping_on_signal

_OWN_ETHER = 10**18  # for gas; counts as base
_OWN_WETH = 5 * 10**18
_OWN_USDC = 6 * FIRST_PRICE_USDC * 10**6
_PROVIDED_WETH = 4 * 10**18
_OWN_RANGE = (-500, 500)


def keep_devnet(
    folder: Path, cache: Path, *, seed: int, block_s: float, with_flow: bool, say: Callable[[str], None]
) -> None:
    """Bring a devnet up, mine until told to end, and end it.

    Raises: DevnetError if it cannot start or a part of it ends.
    """
    with stopping_on_signal(), net.up(folder, seed=seed, cache=cache, say=say) as running:
        leave_positions(running.chain, running.world)
        say(f"broker {running.bootstrap_servers}, chain {running.rpc_url}, in {running.folder}")
        say(
            "next, in another terminal and this folder: evenkeel init, evenkeel apply, evenkeel up. "
            "Ctrl-C here ends all of it"
        )
        _mine(running, block_s, with_flow=with_flow)
    say("the devnet has ended")


def _mine(running: net.Devnet, block_s: float, *, with_flow: bool) -> None:
    while running.is_whole:
        next_s = time.monotonic() + block_s
        if with_flow:
            running.flow.block()
        else:
            running.chain.mine()
        time.sleep(max(0.0, next_s - time.monotonic()))
    raise DevnetError(f"a part of the devnet has ended: see the logs in {running.folder}")


def leave_positions(chain: Chain, world: World) -> None:
    """Leave each owner of the example portfolio a small balanced purse, most of it in a position, and let the pools have a past."""
    elsewhere = world.accounts.spare[0]
    names = ("weth_usdc_low_500", "weth_usdc_high_500")
    for name, owner in zip(names, world.accounts.owners, strict=False):
        pool = world.pool(name)
        ticks = range_around(chain, pool, *_OWN_RANGE)
        usdc = world.usdc_of(pool)
        chain.execute(
            actions.transfer(world.weth, owner, elsewhere, WETH_EACH - _OWN_WETH),
            actions.transfer(usdc, owner, elsewhere, USDC_EACH - _OWN_USDC),
            actions.mint_position(world, owner, pool, ticks, world.amounts(pool, _PROVIDED_WETH)),
        )
        chain.rpc("anvil_setBalance", owner, hex(_OWN_ETHER))
    # a book's means reach back this far: a mean of liquidity over blocks in which a pool held nothing is near nothing
    chain.rpc("anvil_mine", hex(Limits().twap_window_s // BLOCK_S + 1), hex(BLOCK_S))
