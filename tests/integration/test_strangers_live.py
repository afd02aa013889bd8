"""A chain of another deployer, known by its file alone, and a fork of it: a look, its portfolio made live, a plan to its end on each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from chain_desk import ChainDesk
from chain_files import chain_file
from chain_plans import until_closed
from cli_run import Run
from msgspec.structs import replace
from worlds import strangers_chain
from worlds.strangers_chain import StrangersChain, build_strangers_chain

from pipeline.messages.decisions import PlanOpened
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import BLOCK_S, Chain, start_chain
from streams.devnet.ports import HOST, free_port
from streams.devnet.reads import token_ids
from streams.node.blocking import BlockingRpc
from streams.portfolio import load_portfolio

pytestmark = pytest.mark.anvil

FILE, FOUND = Path("strangers.toml"), Path("found.yaml")
ASKED_BPS = 1_000
"""By so much the wanted share is another than the one that stands there."""


@contextmanager
def fork_of(chain: Chain, folder: Path, cache: Path) -> Iterator[Chain]:
    """A fork that mines when it is told to, as the chain does."""
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


def live_policy(share_bps: int) -> Policy:
    """Make the file that the look has written live, with a share to reach: all else is as the look has found it."""
    written = yaml.safe_load(FOUND.read_text())
    written["chain"]["live_on"] = written["chain"]["id"]
    (book,) = written["books"]
    book["mode"] = "live"
    book["strategy"] = {"name": "target_band", "target_share": f"{share_bps / 100}%", "band": "6%"}
    book["limits"] = {
        "max_notional": 1_000_000,
        "max_daily_notional": 5_000_000,
        "max_cost": "5%",
        "max_daily_cost": "5%",
        "max_slippage": "3%",
        "max_spot_from_twap": "15%",
        "signer": {"max_loss": "5%", "max_share_of_depth": "100%"},
    }
    text = yaml.safe_dump(written)
    FOUND.write_text(text)
    (policy,) = load_portfolio(text, str(FOUND))
    return policy


def carried_out(chain: Chain, theirs: StrangersChain, policy: Policy) -> list[object]:
    """Act until the plan is closed, and tell what it came to but for the gas, whose price is the node's own."""
    desk = ChainDesk(chain, replace(theirs.world, pools={theirs.pool.name: theirs.pool}), policy)
    before = token_ids(chain, theirs.world, theirs.owner)
    desk.block()
    assert isinstance(until_closed(desk), Done)
    assert desk.refusals == []
    assert set(token_ids(chain, theirs.world, theirs.owner)) - set(before), "it has minted a range"
    desk.block()
    view = desk.said(BookView)[-1]
    assert abs(view.base_share_bps - policy.strategy.target_share_bps) < policy.strategy.band_bps
    holdings = [(each.token, each.wallet, each.principal, each.fees) for each in view.holdings]
    return [desk.said(PlanOpened)[0].goal, [each.step for each in desk.done], holdings]


def test_what_a_look_has_written_acts_on_a_strangers_chain_as_on_a_fork_of_it(
    tmp_path: Path, cache: Path, evenkeel: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with start_chain(tmp_path / "theirs", cache=cache, chain_id=strangers_chain.CHAIN_ID) as chain:
        theirs = build_strangers_chain(chain, cache)
        FILE.write_text(chain_file(theirs.world, chain, cache))
        monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
        monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(strangers_chain.CHAIN_ID))
        looked = evenkeel(
            "look", theirs.owner, "--rpc", chain.url, "--chain", str(FILE), "--write", str(FOUND), "--json"
        )
        assert looked.code == 0, looked.err
        (seen,) = looked.objects
        share_bps = int(seen["pairs"][0]["inventory"]["base_share_bps"])
        policy = live_policy(share_bps - ASKED_BPS)
        checked = evenkeel("check", str(FOUND))
        assert checked.code == 0, checked.err
        head = chain.header()
        with fork_of(chain, tmp_path / "fork", cache) as forked:
            assert forked.header().hash == head.hash
            forked.rpc(
                "anvil_impersonateAccount", theirs.owner
            )  # its own accounts are others, with coins of their own
            there = carried_out(forked, theirs, policy)
        assert chain.header() == head, "nothing of it has reached their chain"
        assert carried_out(chain, theirs, policy) == there
        assert evenkeel("check", str(FOUND)).code == 0
