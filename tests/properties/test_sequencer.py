"""For any answers of a sequencer's uptime feed: nothing is proposed or opened while it is down or in its grace period."""

from collections import Counter

from depth import examples
from desk import Desk, live
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uptime import DOWN, FEED, UP, answer, by_the_sequencer
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline import keys
from pipeline.messages.decisions import PlanOpened, RebalanceProposed
from pipeline.messages.policy import Policy
from pipeline.messages.sequencer import SequencerAnswer
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sequencer import sequencer_trouble
from pipeline.units import Seconds

REACHED: Counter[str] = Counter()
ALWAYS = {"repay", "supply", "free", "approve", "reset"}

acts = st.lists(
    st.tuples(
        st.sampled_from([UP, UP, UP, DOWN, 2, None]),
        st.sampled_from([10**6, 0, 12, 60, 119, 120, 121, 240, -30]),
        st.booleans(),
        st.integers(1, 8),
    ),
    min_size=3,
    max_size=12,
)


def trouble_at(desk: Desk) -> str | None:
    book = desk.shard.tables.need("policy/alpha", Policy)
    head = desk.shard.tables.head
    assert book.chain.sequencer
    assert head is not None
    told = desk.shard.tables.find(keys.sequencer(FEED), SequencerAnswer)
    found = sequencer_trouble(book.chain.sequencer, told, head.timestamp_s)
    return None if found is None else found.reason


def live_through(desk: Desk, story: list[tuple[int | None, int, bool, int]]) -> None:
    """Let the feed answer and the price swing, and hold each block's outputs against what the feed had said by then."""
    down = True
    for says, ago_s, swings, blocks in story:
        if says is None:
            desk.watcher.feeds.pop(FEED, None)
        else:
            answer(desk.watcher, says, ago_s)
        for place in range(blocks):
            pushed = (
                swings and not place and not desk.pending
            )  # what waits would revert where the price jumps
            out = desk.block(push=down if pushed else None)
            down = down != pushed
            found = trouble_at(desk)
            plans = [each for each in out if isinstance(each, PlanOpened | RebalanceProposed)]
            REACHED[f"{found or 'up'}: blocks"] += 1
            REACHED[f"{found or 'up'}: plans"] += sum(isinstance(each, PlanOpened) for each in plans)
            if found is None:
                continue
            assert {each.trigger for each in plans} <= {"health_low", "leg_failed"}
            sent = {each.step for each in out if isinstance(each, SubmitTransaction)}
            if found == "sequencer_down" or not isinstance(desk, LendingDesk):
                assert sent <= ALWAYS


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1_000), acts)
def test_a_book_opens_no_plan_and_sends_nothing_but_what_takes_permissions_back(seed, story):
    desk = Desk(by_the_sequencer(live()), seed=seed)
    answer(desk.watcher, UP)
    live_through(desk, story)


@settings(max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts, st.sampled_from([90, 100, 110, 122, 130]), st.sampled_from([0, 5, 100]))
def test_a_hedge_opens_no_plan_but_for_low_health(story, percent, kept):
    desk = LendingDesk(by_the_sequencer(hedge_only({"pace_s": Seconds(12)})))
    answer(desk.watcher, UP)
    for _ in range(12):
        desk.block()
    desk.keep(base=kept, quote=kept, ranges=kept)
    desk.chain.price_percent = percent
    live_through(desk, story)


def test_the_stories_have_plans_while_it_is_up_and_low_health_while_it_is_not():
    REACHED.clear()
    for seed in range(6):
        desk = Desk(by_the_sequencer(live()), seed=seed)
        answer(desk.watcher, UP)
        live_through(desk, [(UP, 10**6, True, 6), (DOWN, 60, True, 6), (UP, 0, False, 14), (2, 0, True, 3)])
    assert REACHED["up: plans"] >= 6
    assert REACHED["sequencer_down: blocks"] >= 36
    assert REACHED["sequencer_grace: blocks"] >= 36
    assert REACHED["sequencer_down: plans"] == REACHED["sequencer_grace: plans"] == 0
    for percent in (122, 130):
        desk = LendingDesk(by_the_sequencer(hedge_only({"pace_s": Seconds(12)})))
        answer(desk.watcher, UP)
        live_through(desk, [(UP, 10**6, False, 8)])
        desk.chain.price_percent = percent
        live_through(desk, [(DOWN, 60, False, 8)])
    assert REACHED["sequencer_down: plans"] >= 2
