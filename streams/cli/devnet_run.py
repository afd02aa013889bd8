"""A devnet in the foreground: up, mining, and down again when told."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipeline.errors import DevnetError
from streams.devnet import actions, net
from streams.devnet.deploy import USDC_EACH, WETH_EACH
from streams.devnet.reads import range_around
from streams.devnet.world import FIRST_PRICE_USDC

_OWN_ETHER = 2 * 10**18  # counts as base, so no more than gas for a while
_OWN_WETH = 25 * 10**18
_OWN_USDC = 25 * FIRST_PRICE_USDC * 10**6
_PROVIDED_WETH = 20 * 10**18
_OWN_RANGE = (-500, 500)


class _Stopped(Exception):  # noqa: N818 - no error: the wish to end
    """SIGTERM or Ctrl-C."""


def keep_devnet(
    folder: Path, cache: Path, *, seed: int, block_s: float, with_flow: bool, say: Callable[[str], None]
) -> None:
    """Bring a devnet up, mine until told to end, and end it.

    Raises: DevnetError if it cannot start or a part of it ends.
    """
    with _until_told(say), net.up(folder, seed=seed, cache=cache, say=say) as running:
        _open_positions(running)
        say(f"broker {running.bootstrap_servers}, chain {running.rpc_url}, in {running.folder}")
        say("next, elsewhere: evenkeel init, evenkeel apply, evenkeel up. Ctrl-C ends all of it")
        _mine(running, block_s, with_flow=with_flow)


def _mine(running: net.Devnet, block_s: float, *, with_flow: bool) -> None:
    while running.is_whole:
        next_s = time.monotonic() + block_s
        if with_flow:
            running.flow.block()
        else:
            running.chain.mine()
        time.sleep(max(0.0, next_s - time.monotonic()))
    raise DevnetError(f"a part of the devnet has ended: see the logs in {running.folder}")


def _open_positions(running: net.Devnet) -> None:
    """Leave each owner of the example portfolio a small balanced purse, most of it in a position."""
    world, chain = running.world, running.chain
    elsewhere = world.accounts.spare[0]
    names = ("weth_usdc_low_500", "weth_usdc_high_500")
    for name, owner in zip(names, world.accounts.owners, strict=False):
        pool = world.pool(name)
        ticks = range_around(chain, pool, *_OWN_RANGE)
        usdc = world.usdc_of(pool)
        chain.rpc("anvil_setBalance", owner, hex(_OWN_ETHER))
        chain.execute(
            actions.transfer(world.weth, owner, elsewhere, WETH_EACH - _OWN_WETH),
            actions.transfer(usdc, owner, elsewhere, USDC_EACH - _OWN_USDC),
            actions.mint_position(world, owner, pool, ticks, world.amounts(pool, _PROVIDED_WETH)),
        )


@contextmanager
def _until_told(say: Callable[[str], None]) -> Iterator[None]:
    """End the block quietly on SIGTERM and Ctrl-C."""

    def stop(_: int, __: FrameType | None) -> None:
        raise _Stopped

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except _Stopped:
        say("the devnet has ended")
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
