"""Shared by tests of another deployer's chain: a fork of it, and the portfolio that `look` has written, made live."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import BLOCK_S, Chain
from streams.devnet.ports import HOST, free_port
from streams.node.blocking_rpc import BlockingRpc

ASKED_BPS = 1_000
"""By so much the wanted share is another than the one that stands there."""


@contextmanager
def fork_of(chain: Chain, folder: Path, cache: Path) -> Iterator[Chain]:
    """Start a fork that mines on request, like the chain."""
    folder.mkdir()
    port = free_port()
    words = ["--no-mining", "--fork-url", chain.url, "--port", str(port), "--order", "fifo"]
    words += ["--no-storage-caching", "--prune-history", "300", "--silent", "--config-out", "anvil.json"]
    argv = [str(anvil_program(cache=cache)), *words]
    forked = Chain(folder=folder, port=port, argv=argv, rpc=BlockingRpc(HOST, port), chain_id=chain.chain_id)
    forked.start()
    try:
        forked.rpc("anvil_setBlockTimestampInterval", BLOCK_S)
        yield forked
    finally:
        forked.stop()


def with_a_share_to_reach(text: str, share_bps: int, **strategy: str) -> str:
    """Make the file that `look` has written live, with another target share and otherwise unchanged."""
    written = yaml.safe_load(text)
    written["chain"]["live_on"] = written["chain"]["id"]
    (book,) = written["books"]
    book["mode"] = "live"
    book["strategy"] = {
        "name": "target_band",
        "target_share": f"{share_bps / 100}%",
        "band": "6%",
        **strategy,
    }
    book["limits"] = {
        "max_notional": 1_000_000,
        "max_daily_notional": 5_000_000,
        "max_cost": "5%",
        "max_daily_cost": "5%",
        "max_slippage": "3%",
        "max_spot_from_twap": "15%",
        "signer": {"max_loss": "5%", "max_share_of_depth": "100%"},
    }
    return yaml.safe_dump(written)
