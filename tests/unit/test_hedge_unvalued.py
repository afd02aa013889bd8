"""A feed that values an asset is too old while health is low: what trades nothing secures the debt, and all else waits for the feed."""

from typing import Any

import pytest
from builders import BASE, QUOTE
from msgspec.structs import replace
from worlds.lending.chain import KEEPS, OTHER, STABLE, LendingDesk, hedge_only

from pipeline.messages.account_alerts import HealthLow
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanStalled,
    Quarantined,
    StepRefused,
)
from pipeline.messages.outcomes import Done, Left
from pipeline.messages.policy import Policy, TokenSpec
from pipeline.messages.prices import Asset, FeedPrice
from pipeline.messages.read_values import FeedRead
from pipeline.units import Address, Seconds
from streams.cli.sentences import sentence

UNIT = 10**18
FEED = Address(f"0x{0xFEED:040x}")
LONG = Seconds(10**6)
ASSET = Asset(token=OTHER, price_path=(), valued_by=FeedPrice(feed=FEED, unit=QUOTE, max_age_s=Seconds(60)))
TRADES = {"buy", "sell", "swap", "withdraw", "borrow", "mint"}


def book(hedge: dict[str, Any] | None = None, *, secured_by: Address = QUOTE, **changes: Any) -> Policy:
    """A hedged book with a third token that a feed values, and that may be what secures it."""
    tokens = (*hedge_only().tokens, TokenSpec(address=OTHER, symbol="OTHER", decimals=18))
    usual = {
        "cooldown_s": LONG,
        "pace_s": LONG,
        **({} if secured_by == QUOTE else {"collateral": secured_by}),
    }
    return hedge_only({**usual, **(hedge or {})}, tokens=tokens, assets=(ASSET,), **changes)


class FedDesk(LendingDesk):
    """Its feed answers after each block, as the test says."""

    answer: int | None = 10**8
    stale = False

    def block(self, *args: Any, **kwargs: Any) -> Any:
        self.tell_feed()
        return super().block(*args, **kwargs)

    def tell_feed(self) -> None:
        feeds, now_s = self.watcher.feeds, self.watcher.chain.head.timestamp_s
        if self.answer is None:
            feeds.pop(FEED, None)
        elif not self.stale or FEED not in feeds:
            feeds[FEED] = FeedRead(feed=FEED, round_id=7, answer=self.answer, updated_at_s=now_s, decimals=8)


def desk_at(policy: Policy) -> FedDesk:
    """A book on its target, whose feed is well."""
    desk = FedDesk(policy, third=STABLE)
    run(desk, 20)
    assert desk.chain.debt[BASE] > UNIT
    return desk


def run(desk: FedDesk, blocks: int) -> None:
    for _ in range(blocks):
        desk.block()


def go_stale(desk: FedDesk, how: str = "too old") -> None:
    """Let the feed have no recent answer any more."""
    desk.stale = True
    desk.answer = {"too old": 10**8, "no price": 0, "not read": None}[how]
    if how == "no price":
        desk.watcher.feeds.pop(FEED)
    run(desk, 8)
    assert desk.said(Declined)[-1].item == f"feed/{FEED}", "the book as a whole waits for it"


def steps(desk: LendingDesk, since: int) -> list[str]:
    return [each.step for each in desk.signer.done[since:] if each.step not in {"approve", "reset"}]


def moves(desk: LendingDesk, since: int = 0) -> list[str]:
    return [str(each.goal.terms["move"]) for each in desk.said(PlanOpened)[since:]]


def low(desk: FedDesk, percent: int, **kept: int) -> int:
    """Let the market's price jump, and so much be left; return how many transactions were made before."""
    done = len(desk.signer.done)
    desk.chain.price_percent = percent
    desk.tell_feed()
    desk.keep(**kept)
    assert desk.chain.health < 1.2
    return done


# ------------------------------------------------------------------ what goes
@pytest.mark.parametrize("how", ["too old", "no price", "not read"])
@pytest.mark.parametrize("secured_by", [QUOTE, OTHER])
@pytest.mark.parametrize(
    ("kept", "move", "used"),
    [
        ({}, "secure", ["repay"]),
        ({"base": 0}, "secure", ["supply"]),
        ({"base": 0, "quote": 0, "third": 0}, "secure_from_range", ["free", "repay"]),
    ],
)
def test_the_wallet_and_the_ranges_secure_what_is_owed(
    how: str, secured_by: Address, kept: dict[str, int], move: str, used: list[str]
) -> None:
    desk = desk_at(book(secured_by=secured_by))
    go_stale(desk, how)
    done = low(desk, 122, **kept)
    run(desk, 5)
    assert moves(desk)[1:] == [move]
    assert steps(desk, done)[: len(used)] == used
    assert desk.chain.health >= 1.2
    assert not TRADES & set(steps(desk, done))
    run(desk, 5)
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert not any(desk.chain.allowances.values()), (
        "what was allowed is taken back though the feed is too old"
    )
    assert len(desk.said(HealthLow)) == 1, "an alert does not wait for the feed"
    assert not desk.said(Quarantined)
    last = desk.said(Declined)[-1]
    assert (last.item, last.value_quote) == (f"feed/{FEED}", None)


def test_a_plan_that_secures_goes_on_where_the_feed_grows_old_under_way() -> None:
    desk = desk_at(book())
    desk.fails = {"free"}
    done = low(desk, 122, base=0, quote=0)
    run(desk, 2)
    desk.stale = True
    run(desk, 8)
    assert desk.said(Declined)[-1].item == f"feed/{FEED}"
    desk.fails = set()
    run(desk, 6)
    assert list(dict.fromkeys(steps(desk, done)))[:2] == ["free", "repay"]
    assert desk.chain.health >= 1.2
    assert desk.said(PlanClosed)[-1].outcome == Done()


def test_a_step_that_waits_for_the_feed_makes_way_for_low_health() -> None:
    policy = book(
        {"cooldown_s": Seconds(12), "pace_s": Seconds(12)}, action=replace(KEEPS, stall_after_s=LONG)
    )
    desk = FedDesk(replace(policy, mode="watch"), third=STABLE)
    desk.set_policy(policy)
    desk.fails = {"sell"}
    run(desk, 8)
    assert desk.chain.debt[BASE] > UNIT
    go_stale(desk)
    desk.fails = set()
    opened, done = len(desk.said(PlanOpened)), low(desk, 122)
    run(desk, 6)
    assert moves(desk, opened) == ["secure"]
    assert [each.outcome for each in desk.said(PlanClosed)] == [
        Left(phase="sell", reason="health_low"),
        Done(),
    ]
    assert not TRADES & set(steps(desk, done))
    assert desk.chain.health >= 1.2


def test_a_deleverage_whose_purchase_waits_for_the_feed_has_its_collateral_supplied_again() -> None:
    policy = book(action=replace(KEEPS, stall_after_s=LONG))
    desk = desk_at(policy)
    desk.fails = {"buy"}
    low(desk, 121, base=0, quote=0, ranges=0)
    run(desk, 3)
    assert moves(desk)[-1] == "deleverage"
    taken = desk.chain.health
    go_stale(desk)
    desk.fails = set()
    run(desk, 10)
    assert moves(desk)[-1] == "secure"
    assert "supply" in steps(desk, 0)[-2:]
    assert desk.chain.health > taken


# ------------------------------------------------------------------ what waits
def test_what_would_have_to_be_traded_waits_and_names_the_feed() -> None:
    desk = desk_at(book())
    go_stale(desk)
    opened, done = len(desk.said(PlanOpened)), low(desk, 121, base=0, quote=0, ranges=0)
    run(desk, 12)
    assert len(desk.said(PlanOpened)) == opened
    assert not steps(desk, done)
    refused = desk.said(StepRefused)[-1]
    assert refused.reason == "no_goal"
    assert f"trades wait for feed/{FEED} (price_too_old)" in refused.detail
    assert "repay base by hand" in sentence(refused, book())
    desk.stale = False
    run(desk, 12)
    assert moves(desk, opened)[0] == "deleverage", "it goes on once the feed answers"
    assert desk.chain.health > 1.2


def test_nothing_but_low_health_is_acted_on() -> None:
    policy = book({"cooldown_s": Seconds(12), "pace_s": Seconds(12)})
    desk = desk_at(policy)
    go_stale(desk)
    opened, done = len(desk.said(PlanOpened)), len(desk.signer.done)
    desk.set_policy(book({"cooldown_s": Seconds(12), "pace_s": Seconds(12), "ratio_bps": 3_000}))
    run(desk, 10)
    desk.set_policy(book({"cooldown_s": Seconds(12), "pace_s": Seconds(12), "unwound": True}))
    run(desk, 10)
    assert (len(desk.said(PlanOpened)), len(desk.signer.done)) == (opened, done)
    assert desk.chain.health > 1.2
    desk.stale = False
    run(desk, 20)
    assert desk.chain.debt[BASE] == 0


def test_a_pause_holds_it_and_a_book_that_is_only_watched_proposes_nothing() -> None:
    desk = desk_at(book())
    desk.set_policy(book(mode="watch"))
    go_stale(desk)
    opened, done = len(desk.said(PlanOpened)), low(desk, 122)
    run(desk, 6)
    assert (len(desk.said(PlanOpened)), len(desk.signer.done)) == (opened, done)


def test_a_waiting_plan_tells_once_that_it_waits() -> None:
    desk = desk_at(book())
    desk.fails = {"buy"}
    desk.set_policy(book({"unwound": True}, action=replace(KEEPS, stall_after_s=Seconds(36))))
    run(desk, 2)
    go_stale(desk)
    run(desk, 8)
    assert [each.reason for each in desk.said(PlanStalled)].count("price_too_old") <= 1
    assert desk.chain.debt[BASE] > UNIT
