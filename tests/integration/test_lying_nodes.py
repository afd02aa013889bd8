"""Nodes that lie, lag, limit and fail: a sample of `make chaos-rpc`, and proof that the campaign fails where a lie gets through."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chaos_rpc.faults import FAULTS
from chaos_rpc.lagging import follow_with_one_behind
from chaos_rpc.play import Act, play
from chaos_rpc.run import Report, deal
from chaos_rpc.watched import Ground, grounded

from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.node.proof.proofs import Proofs

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
