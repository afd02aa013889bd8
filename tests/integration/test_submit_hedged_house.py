"""A live hedged book with all its processes: deaths and a reorg between the legs of its plans."""

from functools import partial

import pytest
from chaos_sender.hedged import HEDGED_POOL, HedgedBook
from chaos_sender.house import opened
from chaos_sender.legs import UNSENT, struck_behind, struck_unsent

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.asyncio]

SEED = 5


@pytest.mark.timeout(720)
@pytest.mark.parametrize(
    ("version", "leg", "blow"), [("3.0", "borrow", "work dies"), ("3.6", "repay", "submit dies")]
)
async def test_whoever_dies_between_two_legs_there_is_one_effect_each(tmp_path, version, leg, blow) -> None:
    """Each process behind each leg, and reorgs of each, at both versions, are the campaign's."""
    async with opened(tmp_path, SEED, HEDGED_POOL, book=partial(HedgedBook, version=version)) as house:
        found = await struck_behind(house, leg, blow)
        assert (found.lost, found.doubled, found.wrong) == ([], [], [])


@pytest.mark.timeout(720)
async def test_whoever_dies_between_two_legs_that_go_out_together_there_is_one_effect_each(tmp_path) -> None:
    """Each process between the legs of each pair, and reorgs, at both versions, are the campaign's."""
    async with opened(tmp_path, SEED, HEDGED_POOL, book=partial(HedgedBook, version="3.6")) as house:
        found = await struck_unsent(house, ("borrow", "sell"))
        assert (found.lost, found.doubled, found.wrong) == ([], [], [])
        assert house.verdicts[UNSENT] == 1
