"""The campaign's check of plans finds each fault that it is made for."""

from collections import Counter
from types import SimpleNamespace

import pytest
from chaos_sender import judged
from chaos_sender.run import Report
from told_plans import DOLLAR, FORESEEN, closed, opened

from pipeline.messages.decisions import PlanClosed


@pytest.fixture
def verdict(monkeypatch):
    """Judge one plan that took so long, left such a deviation and lost so much in its swap."""

    def run(*, idle: int = 100, ends_at_s: int = 60, ours: int = 100, lost: int = DOLLAR):
        begun = opened(1)
        end = closed(1 + ends_at_s, begun)
        cost = type(end.cost)(
            **{f: getattr(end.cost, f) for f in end.cost.__struct_fields__} | {"swap_loss": lost}
        )
        fields = {name: getattr(end, name) for name in end.__struct_fields__}
        end = PlanClosed(**fields | {"cost": cost})
        story = SimpleNamespace(opened={begun.plan: begun}, closed={begun.plan: end})
        house = SimpleNamespace(
            story=story, over_bps=[], world=None, pool=None, verdicts=Counter(), judged_wrong=[]
        )
        action = SimpleNamespace(action=SimpleNamespace(stall_after_s=600))
        monkeypatch.setattr(judged, "_deviations", lambda *_: (ours, idle))
        monkeypatch.setattr(judged, "policy_of", lambda *_: action)
        return house, judged.judged_plans(house, set())

    return run


def test_a_plan_that_did_well_has_no_fault(verdict):
    house, found = verdict()
    assert found.wrong == []
    assert found.told == {"plans judged": 1, "plans within the foreseen cost + 10 bps": 1}
    assert len(house.over_bps) == 1


def test_a_plan_that_leaves_the_book_further_off_than_doing_nothing_is_found(verdict):
    assert not verdict(idle=100, ours=250)[1].wrong
    assert "251 bps off the target, 100 without it" in verdict(idle=100, ours=251)[1].wrong[0]


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        # the price rose by 0.8 % from the withdrawal to the swap's block: the old range would be at the target by that alone
        ({"withdraw": 167, "swap": 170, "mint": 172}, (273, 561)),
        ({"withdraw": 167, "mint": 172}, (272, 57)),
        ({}, None),
    ],
)
def test_a_swap_is_held_against_the_book_without_it_at_the_price_of_its_block(monkeypatch, steps, found):
    by_block = {166: 57, 169: 561, 170: 273, 172: 272}
    monkeypatch.setattr(judged, "_mined", lambda *_: ((block, step) for step, block in steps.items()))
    monkeypatch.setattr(judged, "slot0", lambda *_, block: SimpleNamespace(sqrt_price_x96=block))
    monkeypatch.setattr(judged, "_deviation", lambda _, block, __: by_block[block])
    world = SimpleNamespace(pool=lambda _: None)
    assert judged._deviations(SimpleNamespace(chain=None, world=world, pool=""), "plan") == found


def test_a_plan_that_takes_too_long_is_found(verdict):
    most = 600 + judged.FINAL_DEPTH_BLOCKS * 12
    assert not verdict(ends_at_s=most)[1].wrong
    house, found = verdict(ends_at_s=most + 1)
    assert house.judged_wrong == list(house.story.closed), "its course is printed"
    assert f"took {most + 1} s" in found.wrong[0]


def test_plans_that_cost_more_than_foreseen_are_counted_and_more_than_one_in_a_hundred_is_wrong(verdict):
    margin = 150_000 * DOLLAR // 1_000
    house, found = verdict(lost=FORESEEN.total - 3 * DOLLAR + margin)
    assert found.told["plans within the foreseen cost + 10 bps"] == 1
    assert house.over_bps == [10]
    house, found = verdict(lost=FORESEEN.total - 3 * DOLLAR + margin + 15 * DOLLAR)
    assert found.told["plans dearer than that"] == 1
    assert house.over_bps == [11]
    assert not Report(over_bps=[0] * 99 + [11]).dear
    assert Report(over_bps=[0] * 98 + [11]).dear
