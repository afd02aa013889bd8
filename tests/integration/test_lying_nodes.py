"""Nodes that lie, lag, limit and fail: a sample of `make chaos-rpc`, and a check that the campaign fails if a lie is accepted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chaos_rpc.faults import FAULTS, SETUPS
from chaos_rpc.lagging import follow_with_one_behind
from chaos_rpc.play import Act, play
from chaos_rpc.relay import relayed
from chaos_rpc.run import Report, deal
from chaos_rpc.watched import Ground, Watched, grounded
from structlog.testing import capture_logs
from watching import assert_equals_chain

from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.node import head_hints
from streams.node.budget import RateLimit
from streams.node.head_hints import HeadHints
from streams.node.proof.proofs import Proofs
from streams.node.several_nodes import SeveralNodes

pytestmark = pytest.mark.anvil

EACH_ONCE = list(deal(61, len(FAULTS)))
"""A seed by which all setups are there, and those that take long strike where other nodes answer."""
HALF = len(EACH_ONCE) // 2


@pytest.fixture
async def ground(chain: Chain, world: World, tmp_path: Path, cache: Path) -> AsyncIterator[Ground]:
    async with grounded(chain, world, tmp_path, cache) as ready:
        yield ready


@pytest.mark.parametrize("acts", [EACH_ONCE[:HALF], EACH_ONCE[HALF:]], ids=["one half", "the other"])
async def test_each_fault_is_followed_through_or_told_and_no_lie_is_taken(
    ground: Ground, acts: list[Act]
) -> None:
    found = await play(ground, acts)
    assert [each.all_wrong for each in found] == [[] for _ in acts]
    assert all(each.told and each.taken for each in found)


async def test_nobody_is_accused_for_lagging(ground: Ground) -> None:
    lagged = await follow_with_one_behind(ground, 60, seed=1)
    assert lagged.wrong == []
    assert lagged.told


async def test_another_node_takes_over_from_one_whose_budget_is_used_up(ground: Ground) -> None:
    watched = Watched(ground, SETUPS["one of two"], first_may=RateLimit(per_second=20, per_day=60))
    async with watched.running():
        for _ in range(5):
            await ground.mine(5)
            await watched.until_caught_up()
    first, second = watched.witnesses.values()
    said = [reason for reason in first.failed if "budget of 60 questions per day is used up" in reason]
    assert said
    assert not second.failed
    assert isinstance(watched.node, SeveralNodes)
    seen = watched.node.seen()[0]
    assert seen.asked_in_a_day is not None
    assert 50 < seen.asked_in_a_day <= 60
    assert "budget" in (seen.trouble or "")
    assert_equals_chain(watched.taken_in(), ground.chain)


async def test_a_node_alone_whose_budget_is_used_up_is_a_standstill_that_says_so(ground: Ground) -> None:
    watched = Watched(ground, SETUPS["alone"], first_may=RateLimit(per_day=60))
    async with watched.running():
        await watched.until(
            lambda: any("questions per day is used up" in stall.cause for stall in watched.stalls()),
            "a word about the budget",
        )


@pytest.mark.parametrize(
    ("fault", "check"), [("log edited", "check_receipts"), ("header changed", "check_header")]
)
async def test_a_lie_that_is_not_seen_fails_the_campaign(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, fault: str, check: str
) -> None:
    monkeypatch.setattr(Proofs, check, lambda *_: None)
    found = await play(ground, [Act(fault, "one of two", 1)])
    assert found[0].unseen
    assert Report(seed=1, found=found).wrong


def test_every_fault_is_dealt_before_any_comes_again() -> None:
    assert {act.fault for act in EACH_ONCE} == set(FAULTS)
    assert len(set(deal(1, 500))) == 500, "each has dice of its own"


async def test_a_websocket_that_freezes_is_told_and_the_chain_is_followed_all_the_same(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_hints, "_FIRST_S", 0.05)
    async with relayed(ground.chain.port) as relay:
        hints = HeadHints(f"ws://127.0.0.1:{relay.port}/?key=s3cretkey", silence_s=2.0)
        watched = Watched(ground, SETUPS["alone"], hints=hints)
        with capture_logs() as logs:
            async with watched.running():
                for _ in range(300):
                    await ground.mine(1)
                    await watched.until_caught_up()
                    if hints.is_heard:
                        break
                assert hints.is_heard
                relay.frozen.set()
                before = relay.connections
                await watched.until(lambda: relay.connections > before, "another connection")
                assert not hints.is_heard
                for _ in range(3):
                    await ground.mine(1)
                    await watched.until_caught_up()
    (told, *_) = [each for each in logs if each["event"] == "the websocket for new blocks is reconnected"]
    assert told["why"] == "silent"
    assert "s3cretkey" not in str(logs)
    assert_equals_chain(watched.taken_in(), ground.chain)
