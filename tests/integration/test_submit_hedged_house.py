"""A live hedged book with all its processes: deaths and a reorg between the legs of its plans."""

import pytest
from chaos_sender.hedged import HEDGED_POOL, HedgedBook
from chaos_sender.house import opened
from chaos_sender.legs import struck_behind

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.asyncio]

SEED = 5


@pytest.mark.timeout(720)
async def test_whoever_dies_between_two_legs_there_is_one_effect_each(tmp_path) -> None:
    """Each process behind each leg, and reorgs of each, are the campaign's."""
    async with opened(tmp_path, SEED, HEDGED_POOL, book=HedgedBook) as house:
        for leg, blow in (("borrow", "work dies"), ("repay", "submit dies")):
            found = await struck_behind(house, leg, blow)
            assert (found.lost, found.doubled, found.wrong) == ([], [], []), (leg, blow)
