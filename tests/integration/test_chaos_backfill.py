"""A small run of `make chaos-backfill`: the log equals its chain, and leads to the same as its blocks one by one."""

from pathlib import Path

import pytest
from chaos_backfill.past import Built
from chaos_backfill.play import Size, play
from chaos_backfill.run import MOST_BLOCKS, Report, deal

from streams.devnet.broker import Broker
from streams.devnet.world import World


@pytest.mark.kafka
@pytest.mark.anvil
async def test_a_past_that_is_killed_in_between_equals_its_chain(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> None:
    found = await play(
        Built(built[0], built[1], cache), broker.bootstrap_servers, tmp_path / "run", Size(900, 40), seed=1
    )
    assert found.wrong == []
    judged = found.judged
    assert judged.blocks == 2 * 940
    assert judged.passed > 900
    assert judged.logs > 40
    assert judged.said["BookView"] > 20
    assert min(judged.compared[each] for each in ("pools", "positions", "balances")) > 0


@pytest.mark.parametrize(
    ("quiet", "busy"), [(200_000, 20_000), (1, 0), (4_000, 400), (4_001, 400), (9, 5_000)]
)
def test_a_past_is_dealt_whole(quiet: int, busy: int) -> None:
    sizes = deal(quiet, busy)
    assert (sum(size.quiet for size in sizes), sum(size.busy for size in sizes)) == (quiet, busy)
    assert all(sum(size) <= MOST_BLOCKS + 1 for size in sizes)


def test_a_run_that_broke_fails_the_campaign() -> None:
    assert Report(seed=1, dealt=deal(10, 1), broken=["seed 1000: it ended"]).wrong == ["seed 1000: it ended"]
