"""A stranger who may write to every topic gets nothing signed that the owner's file does not allow."""

import pytest
from chaos_sender.answers import PAUSED, SIGNED
from chaos_sender.house import opened
from chaos_sender.robbery import is_robbed
from chaos_sender.setting import POOLS

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]


@pytest.mark.timeout(720)
async def test_whatever_is_forged_nothing_is_signed_that_the_file_does_not_allow(tmp_path):
    async with opened(tmp_path, 11, POOLS[0]) as house:
        opened_before = house.story.seen["PlanOpened"]
        house.move_price(0.02)
        await house.until(lambda: house.story.seen["PlanOpened"] > opened_before, "a plan is opened")
        await house.until(lambda: house.story.sent, "something of it is sent")
        robbery = await is_robbed(house, rounds=3, records=30)
    print(robbery.written, robbery.fenced, robbery.signatures, robbery.answers)
    assert robbery.wrong == [], robbery.log
    assert robbery.signatures, f"the signer went on to sign what is allowed:\n{robbery.log}"
    assert len(robbery.written) > 15, "forgeries of many kinds"
    assert robbery.answers[PAUSED] * 4 < robbery.answers.total(), "an operator ends the forger's pauses"
    came_to = {answer.partition(":")[0] for answer in robbery.answers}
    assert {"limits", "orphaned", "simulation", SIGNED} <= came_to, "some of them pass all checks"
    assert robbery.fenced
    assert robbery.halted
