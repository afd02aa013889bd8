"""A chain of another deployer, known by its file alone, and a fork of it: `look`, the written portfolio made live, and a complete plan on each."""

from pathlib import Path

import pytest
from chain_desk import ChainDesk
from chain_files import chain_file
from chain_plans import until_closed
from cli_run import Run
from msgspec.structs import replace
from strangers import ASKED_BPS, fork_of, with_a_share_to_reach
from worlds import strangers_chain
from worlds.strangers_chain import StrangersChain, build_strangers_chain

from pipeline.messages.decisions import PlanOpened
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView
from streams.devnet.chain import Chain, start_chain
from streams.devnet.reads import token_ids
from streams.portfolio import load_portfolio

pytestmark = pytest.mark.anvil

FILE, FOUND = Path("strangers.toml"), Path("found.yaml")


def live_policy(share_bps: int) -> Policy:
    """Rewrite the file so, and read it."""
    text = with_a_share_to_reach(FOUND.read_text(), share_bps)
    FOUND.write_text(text)
    (policy,) = load_portfolio(text, str(FOUND))
    return policy


def carried_out(chain: Chain, theirs: StrangersChain, policy: Policy) -> list[object]:
    """Act until the plan is closed, and return its result without gas, whose price is the node's own."""
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
