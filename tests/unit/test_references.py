"""References: a book acts only while the spot price of each of its tokens is near every further price in its file."""

import pytest
from builders import BASE, OTHER_POOL, OWNER, POOL, QUOTE, address, policy, started
from desk import Desk, live
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.book.prices import spot_prices
from pipeline.book.pricing import apart_bps
from pipeline.book.references import doubt, references_now
from pipeline.drive import drive
from pipeline.messages.base import Output, Price
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, RebalanceProposed, StepRefused
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import TokenSpec
from pipeline.messages.prices import Asset, FeedAnswer, FeedPrice, MeanPath, Par, PoolPath, Reference
from pipeline.messages.read_values import FeedRead
from pipeline.messages.views import BookView, ViewRemoved
from pipeline.state.shard import Shard
from pipeline.units import Bps, Seconds, ShardId
from streams.cli.sentences import sentence

THIRD = address(0xD0)


def near_the_mean(window_s: int = 60, within_bps: int = 100) -> tuple[Reference, ...]:
    mean = MeanPath(pools=(POOL,), window_s=Seconds(window_s))
    return (Reference(price=mean, within_bps=Bps(within_bps)),)


def reasons(desk: Desk) -> list[str]:
    return [said.reason for said in desk.said(Declined)]


def known(**changes) -> Desk:
    """A book whose mean has been followed for long enough."""
    desk = Desk(live(references=near_the_mean(**changes)))
    for _ in range(3):
        desk.block()
    return desk


def test_a_mean_is_waited_for_and_how_long_still_is_told():
    desk = Desk(live(references=near_the_mean(window_s=240)))
    (waits,) = [said for said in desk.said(Declined) if said.reason == "mean_too_short"]
    block_s = waits.because_of.block.timestamp_s
    assert waits.item == f"pool/{POOL}"
    assert f"not known for another {(waits.until_s - block_s) // 60}m" in sentence(waits, None)
    while desk.watcher.chain.head.timestamp_s < waits.until_s - 12:
        desk.block()
    desk.block(
        push=True
    )  # it still waits, or has only just begun to know: nothing is proposed at a pushed price
    assert not desk.said(RebalanceProposed)
    assert reasons(desk)[-1] == "prices_apart"


def test_a_pushed_price_is_not_acted_at_until_the_mean_has_followed():
    desk = known()
    assert reasons(desk)[-1] == "inside_band"
    pushed_s = desk.watcher.chain.head.timestamp_s
    desk.block(push=True)
    assert reasons(desk)[-1] == "prices_apart"
    for _ in range(10):
        desk.block()
    waited_s = desk.said(RebalanceProposed)[0].because_of.block.timestamp_s - pushed_s
    assert waited_s > 36, "a price that stood for a block or two moves no mean"
    assert Desk(live()).block(push=True), "without a reference it is acted at"


def test_a_plan_under_way_is_held_up_and_goes_on():
    desk = known()
    desk.block(push=True)
    for _ in range(20):
        if not desk.said(PlanOpened):
            desk.block()
    desk.block(push=False)
    held = [said for said in desk.said(StepRefused) if said.reason == "references"]
    assert held
    assert "bps from the reference by pool/" in held[0].detail
    for _ in range(16):
        desk.block()
    assert Done() in [said.outcome for said in desk.said(PlanClosed)]


def test_a_book_that_is_only_watched_waits_for_no_reference():
    desk = Desk(live(references=near_the_mean(window_s=9_000), mode="watch"))
    assert reasons(desk) == ["watch_only"]


@pytest.mark.parametrize(("base", "quote"), [(BASE, QUOTE), (QUOTE, BASE)])
def test_the_farthest_reference_is_told_in_either_order_of_the_tokens(base, quote):
    desk = Desk(live())
    references = (
        Reference(price=PoolPath(pools=(POOL,))),
        Reference(price=Par(unit=quote), within_bps=Bps(100)),
    )
    book = policy(base=base, quote=quote, references=references)
    prices = spot_prices(desk.shard, book)
    found = doubt(desk.shard, book, prices, Seconds(0))
    assert found.item == f"token/{base}", (
        "18 decimals at par with 6 are a million million apart from what the pool says"
    )
    assert found.reason == "prices_apart"
    assert doubt(desk.shard, replace(book, references=references[:1]), prices, Seconds(0)) is None


def test_a_reference_that_nobody_follows_is_a_doubt():
    desk = Desk(live())
    book = policy(references=(Reference(price=PoolPath(pools=(OTHER_POOL,))),))
    found = doubt(desk.shard, book, spot_prices(desk.shard, book), Seconds(0))
    assert (found.reason, found.item) == ("no_price", f"pool/{OTHER_POOL}")


@pytest.mark.parametrize("decimals", [0, 6, 8, 18, 24])
@pytest.mark.parametrize("unit", [BASE, QUOTE])
def test_par_is_unit_for_unit_by_the_decimals(decimals, unit):
    desk = Desk(live())
    tokens = (*policy().tokens, TokenSpec(address=THIRD, symbol="THIRD", decimals=decimals))
    book = policy(tokens=tokens, assets=(Asset(token=THIRD, price_path=(), valued_by=Par(unit=unit)),))
    prices = spot_prices(desk.shard, book)
    assert prices[THIRD].value(10**decimals) == prices[unit].value(10 ** policy().decimals(unit))


@given(st.integers(1, 2**200), st.integers(1, 2**200), st.integers(1, 10_000))
def test_a_distance_is_of_the_reference_and_never_told_too_small(numerator, denominator, bps):
    reference = Price(numerator=numerator, denominator=denominator)
    above = Price(numerator=numerator * (10_000 + bps), denominator=denominator * 10_000)
    below = Price(numerator=numerator * (10_000 - bps) + 1, denominator=denominator * 10_000)
    assert apart_bps(above, reference) == bps
    assert apart_bps(replace(above, numerator=above.numerator + 1), reference) == bps + 1
    assert bps - 1 <= apart_bps(below, reference) <= bps


# ------------------------------------------------------------------ feeds
FEED = address(0xFEED)


def answered(usd: float, at_s: int, feed: str = FEED, **changes) -> FeedRead:
    said = FeedRead(feed=feed, round_id=7, answer=round(usd * 10**8), updated_at_s=at_s, decimals=8)
    return replace(said, **changes)


def fed(book, **changes) -> Desk:
    """A desk whose feed says what the pool says: a raw unit for a raw unit, so a million million dollars a token."""
    desk = Desk(book)
    desk.watcher.feeds[FEED] = answered(10.0**12, desk.watcher.chain.head.timestamp_s, **changes)
    desk.block()
    return desk


def near_the_feed(max_age_s: int = 120) -> tuple[Reference, ...]:
    return (Reference(price=FeedPrice(feed=FEED, unit=QUOTE, max_age_s=Seconds(max_age_s))),)


def test_a_feed_that_is_not_read_or_says_something_else_stops_a_book_and_one_that_agrees_does_not():
    desk = Desk(live(references=near_the_feed()))
    assert reasons(desk) == ["not_observed"]
    assert desk.said(Declined)[-1].item == f"feed/{FEED}"
    desk = fed(live(references=near_the_feed()))
    assert reasons(desk)[-1] == "inside_band"
    desk.watcher.feeds[FEED] = answered(1.03 * 10**12, desk.watcher.chain.head.timestamp_s)
    desk.block()
    assert reasons(desk)[-1] == "prices_apart"


def test_an_answer_gets_too_old_with_time_alone_and_a_new_one_ends_it():
    desk = fed(live(references=near_the_feed(max_age_s=60)))
    desk.watcher.coins_change = False
    for _ in range(6):
        desk.block()
    assert reasons(desk)[-1] == "price_too_old"
    said = desk.said(Declined)[-1]
    assert said.because_of.block.timestamp_s - desk.watcher.feeds[FEED].updated_at_s in range(61, 73)
    assert "the answer of feed/" in sentence(said, None)
    desk.watcher.feeds[FEED] = answered(10.0**12, desk.watcher.chain.head.timestamp_s, round_id=8)
    desk.block()
    assert reasons(desk)[-1] == "inside_band"


@pytest.mark.parametrize(
    "broken",
    [
        {"answer": 0},
        {"answer": -1},
        {"round_id": 0},
        {"updated_at_s": 0},
        {"decimals": 37},
        {"updated_at_s": 2**40},
    ],
)
def test_an_answer_that_is_no_price_is_not_left_out(broken):
    desk = fed(live(references=near_the_feed(max_age_s=2**41)), **broken)
    assert reasons(desk)[-1] == "no_price"


def test_a_block_that_does_not_tell_and_a_reorg_take_an_answer_back():
    desk = fed(live(references=near_the_feed()))
    base, before = desk.watcher.fork("other"), desk.shard.tables.find(f"feed/{FEED}", FeedAnswer)
    desk.watcher.feeds[FEED] = answered(2.0 * 10**12, desk.watcher.chain.head.timestamp_s, round_id=8)
    desk.block()
    assert desk.shard.tables.need(f"feed/{FEED}", FeedAnswer).round_id == 8
    desk.watcher.revert_to(base)
    desk.take()
    assert desk.shard.tables.find(f"feed/{FEED}", FeedAnswer) == before
    desk.watcher.feeds.clear()
    desk.block()
    assert desk.shard.tables.find(f"feed/{FEED}", FeedAnswer) is None
    assert reasons(desk)[-1] == "not_observed"


@pytest.mark.parametrize("unit", [BASE, QUOTE])
@pytest.mark.parametrize("decimals", [0, 8, 18, 24])
def test_an_asset_is_valued_at_its_feed_until_the_answer_is_too_old(unit, decimals):
    tokens = (*policy().tokens, TokenSpec(address=THIRD, symbol="THIRD", decimals=decimals))
    feed = FeedPrice(feed=FEED, unit=unit, max_age_s=Seconds(60))
    book = live(mode="watch", tokens=tokens, assets=(Asset(token=THIRD, price_path=(), valued_by=feed),))
    watcher = started(5, live())
    watcher.chain.balances[OWNER, THIRD] = 5 * 10**decimals
    watcher.set_policy(book)
    watcher.coins_change = False
    shard = Shard(ShardId(0))

    def told(kind: type) -> list:
        watcher.block(0)
        return [said for said in drive(shard, watcher.log[shard.cursor + 1 :]) if isinstance(said, kind)]

    assert [said.reason for said in told(Declined)] == ["not_observed"]
    watcher.feeds[FEED] = answered(2.5, watcher.chain.head.timestamp_s)
    (view,) = told(BookView)
    value = {each.token: each.value_quote for each in view.shares}[THIRD]
    one = spot_prices(shard, book)[unit].value(10 ** policy().decimals(unit))
    assert value in (25 * one // 2, 25 * one // 2 - 1)
    for _ in range(3):
        assert not told(Declined)
    late = [*told(Output), *told(Output), *told(Output)]
    assert [said.reason for said in late if isinstance(said, Declined)] == ["price_too_old"]
    assert [said for said in late if isinstance(said, ViewRemoved)], "it has no value any more, and no view"


# ------------------------------------------------------------------ as people see them
def test_each_reference_is_listed_with_price_age_and_distance():
    both = (*near_the_feed(max_age_s=600), *near_the_mean(window_s=240))
    book = live(references=both)
    desk = fed(book)
    now_s = desk.watcher.chain.head.timestamp_s
    prices = spot_prices(desk.shard, book)
    feed, mean = references_now(desk.shard, book, prices, now_s)
    assert (feed.item, feed.doubt, feed.apart_bps) == (f"feed/{FEED}", None, 1)
    assert feed.age_s == now_s - desk.watcher.feeds[FEED].updated_at_s > 0
    assert (mean.price, mean.apart_bps, mean.age_s) == (None, None, None)
    assert mean.doubt is not None
    assert mean.doubt.reason == "mean_too_short"
    desk.watcher.feeds[FEED] = answered(1.03 * 10**12, now_s)
    desk.block()
    (feed, _) = references_now(desk.shard, book, prices, now_s + 12)
    assert feed.doubt is not None
    assert (feed.doubt.reason, feed.apart_bps) == ("prices_apart", 292)
    assert doubt(desk.shard, book, prices, now_s + 12) is not None
