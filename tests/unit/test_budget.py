"""A node is asked as often as its budget allows and no more, in any second and any day; a refused call says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NodeBusyError
from streams.node.budget import NodeBudget, RateLimit, look_every_s


class Time:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def budget(per_second: int | None = None, per_day: int | None = None) -> tuple[NodeBudget, Time]:
    time = Time()
    return NodeBudget(RateLimit(per_second=per_second, per_day=per_day), clock=time), time


MOST = 5
# parts of a second that add up exactly
asks = st.lists(
    st.tuples(
        st.integers(0, 192).map(lambda part: part / 64),
        st.lists(st.integers(1, MOST), min_size=1, max_size=6),
    ),
    max_size=30,
)


@given(asks)
def test_no_second_has_more_than_it_may_and_nothing_waits_for_nothing(moments):
    limited, time = budget(per_second=MOST)
    sent: list[tuple[float, int]] = []
    for later_s, counts in moments:
        time.now_s += later_s
        try:
            turns_s = limited.reserve(counts)
        except NodeBusyError:
            continue
        new = [(time.now_s + turn_s, count) for turn_s, count in zip(turns_s, counts, strict=True)]
        for at_s, count in new:
            sent.append((at_s, count))
            within = [each for when_s, each in sent if at_s - 1 < when_s <= at_s]
            assert sum(within) <= MOST
            if at_s > time.now_s:  # the second before was too full, or another had a later turn
                before = [each for when_s, each in sent if at_s - 1 <= when_s <= at_s]
                assert sum(before) > MOST or at_s == sent[-2][0]
    assert [at_s for at_s, _ in sent] == sorted(at_s for at_s, _ in sent)


@given(st.lists(st.tuples(st.floats(0, 90_000), st.integers(1, 4)), max_size=40))
def test_no_24_hours_have_more_than_they_may(moments):
    limited, time = budget(per_day=10)
    sent: list[tuple[float, int]] = []
    for later_s, count in moments:
        time.now_s += later_s
        try:
            limited.reserve([count])
        except NodeBusyError:
            continue
        sent.append((time.now_s, count))
        assert sum(each for when_s, each in sent if when_s > time.now_s - 86_400) <= 10


def test_a_day_that_is_used_up_says_when_questions_are_free_again():
    limited, time = budget(per_day=10)
    assert limited.reserve([4, 6]) == [0.0, 0.0]
    time.now_s += 3_600
    with pytest.raises(
        NodeBusyError, match="budget of 10 questions per day is used up, the next are free in 23h1m"
    ):
        limited.reserve([1])
    assert limited.asked_in_a_day == 10, "what is refused counts for nothing"
    time.now_s += 23 * 3_600 + 60
    assert limited.reserve([10]) == [0.0]


def test_who_would_wait_for_too_long_is_refused_whole():
    limited, time = budget(per_second=10)
    assert limited.reserve([10] * 11) == [float(turn) for turn in range(11)]
    said = "its budget is 10 questions per second, the last of 10 would have to wait for 11 s"
    with pytest.raises(NodeBusyError, match=said):
        limited.reserve([10])
    time.now_s += 1
    assert limited.reserve([10]) == [10.0], "the refused one has taken no turn"


def test_without_bounds_nothing_waits_and_nothing_is_kept():
    free, _ = budget()
    assert free.reserve([10**6] * 3) == [0.0] * 3
    assert free.asked_in_a_day == 0
    assert not free._turns
    assert not free.is_bounded


@pytest.mark.parametrize(
    ("bounds", "quorum", "every_s"),
    [
        ([], 1, 0.0),
        ([(None, None)], 1, 0.0),
        ([(10, None)], 1, 0.2),
        ([(None, 86_400)], 1, 2.0),
        ([(10, 172_800)], 1, 1.0),
        ([(None, 86_400), (None, 43_200), (None, 100)], 1, 2.0),
        ([(None, 86_400), (None, 43_200), (None, 100)], 2, 4.0),
    ],
)
def test_looks_take_half_of_what_enough_nodes_allow(bounds, quorum, every_s):
    limits = [RateLimit(per_second=second, per_day=day) for second, day in bounds]
    assert look_every_s(limits, quorum) == pytest.approx(every_s)
