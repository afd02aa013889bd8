"""A hedge that a token other than the quote secures: a stablecoin with more decimals, and staked base with fewer."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER
from msgspec import UNSET
from msgspec.structs import replace
from worlds.lending.chain import DECIMALS, FAR, KEEPS, LENDING, OTHER, STABLE, STAKED, LendingDesk, Third

from pipeline.advance.books import stock_of
from pipeline.hedge.target import centre_of
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.goals import kind_of
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView
from pipeline.units import Bps, RawAmount, Seconds
from pipeline.venues.aave_v3.act.calldata import EVERYTHING, read_call
from pipeline.venues.acting import VenueTrades
from pipeline.venues.hedging.aim import security_of
from pipeline.venues.hedging.goal import in_wallet
from pipeline.venues.hedging.sizes import HedgePlaces
from pipeline.venues.registry import hedge_venue, venue_named
from streams.cli.hedge import as_object, lending_accounts_of, print_hedges, with_wallet
from streams.cli.hedged_books import capital_of, carry_of, other_collateral, shown_of
from streams.cli.unwinding import print_unwinding
from streams.cli.wording import named_in
from streams.ended_hedges import unwound, with_other_collateral
from streams.look.fold_once import book_in_memory

UNIT = 10**18
THIRDS = [pytest.param(STABLE, id="stable"), pytest.param(STAKED, id="staked")]
PATIENT = {"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}


def desk_at(third: Third, hedge: dict[str, Any] | None = None, **world: Any) -> LendingDesk:
    desk = LendingDesk(third.book(hedge), third=third, **world)
    rest(desk)
    return desk


def rest(desk: LendingDesk, blocks: int = 20) -> None:
    for _ in range(blocks):
        desk.block()


def steps(desk: LendingDesk, since: int = 0) -> list[str]:
    return [each.step for each in desk.signer.done[since:] if each.step not in {"approve", "reset"}]


def moves(desk: LendingDesk) -> list[str]:
    return [str(each.goal.terms["move"]) for each in desk.said(PlanOpened)]


def is_on_target(desk: LendingDesk, policy: Policy) -> bool:
    net = stock_of(desk.shard, policy).base_amount
    long = net + desk.chain.debt[BASE]
    assert policy.hedge
    return abs(net - centre_of(policy.hedge, long)) <= long * 500 // 10_000


# ------------------------------------------------------------------ from nothing to nothing
@pytest.mark.parametrize("third", THIRDS)
def test_it_is_supplied_out_of_the_wallet_and_what_is_borrowed_is_sold_for_the_quote(third: Third) -> None:
    policy, desk = third.book(), desk_at(third)
    assert steps(desk) == ["supply", "borrow", "sell"]
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    chain = desk.chain
    assert is_on_target(desk, policy)
    assert 1.1 * 1.3 <= chain.health < 1.1 * 1.3 + 0.01, "no more of it is supplied than is needed"
    assert third.begins_with - chain.balances[OWNER, OTHER] == chain.collateral[OTHER] > 0
    assert chain.collateral[QUOTE] == 0
    assert chain.balances[OWNER, QUOTE] > 21 * UNIT, "it began with 20, the rest is what the sale brought"
    assert not any(chain.allowances.values())
    assert not desk.said(Quarantined)
    shown = desk.said(BookView)[-1].hedge
    assert shown
    assert (shown.collateral_token, shown.collateral) == (OTHER, chain.collateral[OTHER])


@pytest.mark.parametrize("third", THIRDS)
def test_a_ratio_that_falls_is_bought_for_quote_and_sets_it_free_and_an_end_leaves_nothing(
    third: Third,
) -> None:
    policy = third.book()
    desk = desk_at(third)
    owed, secured = desk.chain.debt[BASE], desk.chain.collateral[OTHER]
    less = replace(policy, hedge=replace(policy.hedge, ratio_bps=Bps(3_000)))
    desk.set_policy(replace(less, policy_version=version_of(less)))
    before = len(desk.signer.done)
    rest(desk)
    assert steps(desk, before) == ["buy", "repay", "withdraw"]
    assert desk.chain.debt[BASE] < owed
    assert desk.chain.collateral[OTHER] < secured
    assert is_on_target(desk, less)
    assert desk.chain.health >= 1.1 * 1.3
    desk.set_policy(unwound(less))
    rest(desk)
    assert desk.chain.debt[BASE] == desk.chain.collateral[OTHER] == 0
    assert not any(desk.chain.allowances.values())


def test_without_quote_in_the_wallet_an_end_waits_for_it_and_says_so() -> None:
    desk = desk_at(STABLE)
    desk.keep(quote=0)
    desk.set_policy(unwound(STABLE.book()))
    rest(desk)
    assert desk.chain.debt[BASE] > 0
    assert any("the wallet lacks" in each.detail for each in desk.said(StepRefused))
    bring(desk, QUOTE, 10 * UNIT)
    rest(desk, 40)
    assert desk.chain.debt[BASE] == desk.chain.collateral[OTHER] == 0


def test_collateral_that_does_not_suffice_makes_a_step_of_it_however_much_quote_there_is() -> None:
    desk = desk_at(STABLE._replace(percent=10))
    opened = desk.said(PlanOpened)[0]
    assert "can be borrowed" in opened.cut_short
    assert 0 < desk.chain.debt[BASE] < 2 * UNIT
    assert desk.chain.health >= 1.1 * 1.3


def test_a_plan_does_not_go_on_under_a_policy_of_another_collateral() -> None:
    policy = STABLE.book()
    assert policy.carries_plans_of(policy)
    assert not policy.carries_plans_of(STABLE.book({"collateral": QUOTE}))


# ------------------------------------------------------------------ no sum mixes tokens
@pytest.mark.parametrize("decimals", [0, 8, 18])
def test_how_many_decimals_the_collateral_has_changes_nothing_but_its_own_amounts(decimals: int) -> None:
    """The same book, whose collateral is counted in other units: every plan, step and amount of base and quote is the same."""
    like_quote, other = Third(6, QUOTE), Third(decimals, QUOTE)
    told = [_life(third) for third in (like_quote, other)]
    (plans, amounts), (same_plans, same_amounts) = told
    assert {move for move, _ in plans} == {"up", "secure", "secure_from_range", "secure_by_purchase", "close"}
    assert len(amounts) >= 7
    assert [move for move, _ in same_plans] == [move for move, _ in plans]
    for (_, moved), (_, same) in zip(plans, same_plans, strict=True):
        assert abs(moved - same) * 10**6 <= moved
    assert [step for step, _ in same_amounts] == [step for step, _ in amounts]
    for (step, amount), (_, same) in zip(amounts, same_amounts, strict=True):
        assert abs(amount - same) * 10**6 <= amount, (step, amount, same)


def _life(third: Third) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """A hedge that is taken on, secured by all sources, and ended: its plans with what they move, and the calls of the market in whole units."""
    desk = desk_at(third, PATIENT)
    for percent, kept in (
        (122, {"base": 0}),
        (132, {"base": 0, "third": 0, "quote": 0}),
        (170, {"base": 0, "third": 0}),
    ):
        desk.chain.price_percent = percent
        desk.keep(**kept)
        rest(desk, 14)
    bring(desk, QUOTE, 10 * UNIT)
    desk.chain.price_percent = 220
    desk.keep(base=0)
    rest(desk, 14)
    desk.chain.price_percent = 100
    desk.set_policy(unwound(third.book()))
    rest(desk)
    assert desk.chain.debt[BASE] == desk.chain.collateral[OTHER] == 0
    plans = [(str(each.goal.terms["move"]), each.notional_quote) for each in desk.said(PlanOpened)]
    return plans, [call for each in desk.signer.done if (call := _whole(third, each)) is not None]


@pytest.mark.parametrize(("decimals", "share_bps"), [(8, 6_500), (18, 6_500), (18, 2_500)])
def test_a_step_with_a_re_range_does_not_depend_on_the_collaterals_decimals_either(
    decimals: int, share_bps: int
) -> None:
    told = [_life_with_range(Third(each, QUOTE), share_bps) for each in (6, decimals)]
    (kinds, amounts), (same_kinds, same_amounts) = told
    assert kinds == same_kinds
    assert "rerange_hedged" in kinds
    assert [step for step, _ in amounts] == [step for step, _ in same_amounts]
    assert ("borrow" if share_bps > 4_500 else "repay") in [step for step, _ in amounts[2:]]
    for (step, amount), (_, same) in zip(amounts, same_amounts, strict=True):
        assert abs(amount - same) * 10**6 <= amount, (step, amount, same)


def _life_with_range(third: Third, share_bps: int) -> tuple[list[str], list[tuple[str, int]]]:
    desk = _with_range(third, share_bps)
    calls = [call for each in desk.signer.done if (call := _whole(third, each)) is not None]
    return [kind_of(each.goal) for each in desk.said(PlanOpened)], calls


def _with_range(third: Third, share_bps: int) -> LendingDesk:
    """A book whose target share goes to another one; the market may take a little of what it takes from the owner."""
    action = replace(
        KEEPS, reserve_base=RawAmount(UNIT), reserve_quote=RawAmount(6 * UNIT), stall_after_s=Seconds(600)
    )

    def book(target_bps: int) -> Policy:
        strategy = replace(FAR, target_share_bps=Bps(target_bps), band_bps=Bps(500))
        return third.book({"cooldown_s": Seconds(10**6)}, strategy=strategy, action=action)

    desk = LendingDesk(book(4_500), third=third)
    rest(desk, 24)
    desk.chain.allowances |= {(OWNER, token, LENDING): 5 for token in (BASE, OTHER)}
    desk.set_policy(book(share_bps))
    rest(desk, 24)
    assert not desk.said(Quarantined)
    return desk


def test_a_plan_of_range_and_hedge_takes_back_what_the_market_was_left_to_take() -> None:
    desk = _with_range(STABLE, 2_500)
    assert kind_of(desk.said(PlanOpened)[-1].goal) == "rerange_hedged"
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert not any(desk.chain.allowances.values())


def bring(desk: LendingDesk, token: str, amount: int) -> None:
    desk.chain.mine(0)
    desk.chain.move(token, STRANGER, OWNER, amount)
    desk.watcher.tell()
    desk.take()


def _whole(third: Third, intent: SubmitTransaction) -> tuple[str, int] | None:
    if intent.call.to != LENDING:
        return None
    call = read_call(intent.call.data)
    amount = 0 if call.amount == EVERYTHING else call.amount
    return call.name, third.worth(amount) if call.asset == OTHER else amount


def test_what_the_wallet_has_is_one_amount_where_the_quote_secures_and_two_where_it_does_not() -> None:
    desk = desk_at(STABLE)
    of_other = in_wallet(desk.shard, STABLE.book(), "secure").changed(base=1, quote=-2, collateral=5)
    before = in_wallet(desk.shard, STABLE.book(), "secure")
    assert (of_other.quote - before.quote, of_other.collateral - before.collateral) == (-2, 5)
    of_quote = in_wallet(desk.shard, STABLE.book({"collateral": QUOTE}), "secure")
    assert of_quote.quote == of_quote.collateral
    then = of_quote.changed(base=1, quote=-2, collateral=5)
    assert then.quote == then.collateral == of_quote.quote + 3


# ------------------------------------------------------------------ low health
def low_desk(secures: Third, percent: int, **kept: int) -> LendingDesk:
    desk = desk_at(secures, PATIENT)
    desk.chain.price_percent = percent
    if secures is STAKED:
        desk.chain.third_percent = 10_000 // percent  # it does not follow the base
    desk.keep(**kept)
    assert desk.chain.health < 1.2
    return desk


@pytest.mark.parametrize("third", THIRDS)
@pytest.mark.parametrize(
    ("kept", "used"),
    [
        ({}, [("secure", ["repay"])]),
        ({"base": 0}, [("secure", ["supply"])]),
        ({"base": 0, "third": 0, "quote": 0}, [("secure_from_range", ["free", "repay"])]),
        ({"base": 0, "third": 0}, [("secure_by_purchase", ["buy", "repay"])]),
        ({"base": 0, "third": 0, "ranges": 0}, [("secure_by_purchase", ["buy", "repay"])]),
    ],
)
def test_low_health_is_secured_by_the_first_source_that_comes_to_something(
    third: Third, kept: dict[str, int], used: list[tuple[str, list[str]]]
) -> None:
    desk = low_desk(third, 122, **kept)
    done, low = len(desk.signer.done), desk.chain.health
    assert moves(desk)[1:] == [move for move, _ in used]
    seen = [low]
    for _ in range(12):
        desk.block()
        seen.append(desk.chain.health)
    assert steps(desk, done)[: len(used[0][1])] == used[0][1]
    assert seen[-1] >= 1.2 > low
    assert all(after >= was - 0.002 for was, after in pairwise(seen)), "by others' trades alone it falls"


@pytest.mark.parametrize("decimals", [0, 6, 18])
def test_what_the_wallet_has_of_it_is_valued_before_it_is_weighed_against_other_sources(
    decimals: int,
) -> None:
    """A part of what is missing is supplied, for it comes to more than a twentieth of what is owed; the quote buys the rest."""
    desk = low_desk(Third(decimals, QUOTE), 140, base=0, third=5)
    done = len(desk.signer.done)
    rest(desk, 16)
    assert moves(desk)[1:] == ["secure", "secure_by_purchase"]
    assert steps(desk, done) == ["supply", "buy", "repay"]


def test_once_nothing_is_left_that_secures_it_the_operator_is_told_what_to_do() -> None:
    desk = low_desk(STABLE, 122, base=0, third=0, quote=0, ranges=0)
    done = len(desk.signer.done)
    rest(desk, 8)
    assert steps(desk, done) == [], "what is supplied stays, no plan sells it"
    says = f"no plan sells collateral {OTHER}: repay base by hand, or bring base, quote or collateral into the wallet"
    assert any(says in each.detail for each in desk.said(StepRefused))
    bring(desk, OTHER, STABLE.begins_with // 2)
    rest(desk, 8)
    assert steps(desk, done) == ["supply"]
    assert desk.chain.health >= 1.2


# ------------------------------------------------------------------ prices
@pytest.mark.parametrize(("third", "percent"), [(STABLE, 75), (STABLE, 130), (STAKED, 75)])
def test_a_price_of_the_collateral_that_is_far_from_the_books_keeps_it_from_growing(
    third: Third, percent: int
) -> None:
    desk = LendingDesk(third.book(), third=third, third_percent=percent)
    rest(desk, 4)
    assert steps(desk) == []
    assert {each.reason for each in desk.said(StepRefused)} == {"oracle"}


def test_a_price_of_the_collateral_that_nobody_has_told_for_long_keeps_it_from_growing() -> None:
    desk = LendingDesk(STABLE.book(), third=STABLE, third_age_s=90_001)
    rest(desk, 4)
    assert steps(desk) == []
    assert {each.reason for each in desk.said(StepRefused)} == {"oracle_stale"}


# ------------------------------------------------------------------ people and programs
@pytest.mark.parametrize("third", THIRDS)
def test_the_screens_count_it_in_its_own_token_and_value_it_in_the_quote(
    third: Third, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = desk_at(third)
    book = book_in_memory(desk.shard)
    assert book.stock is not None
    secured, kept = desk.chain.collateral[OTHER], desk.chain.balances[OWNER, OTHER]
    price = Fraction(1) if third is STABLE else Fraction(*book.stock.base_price.ratio)
    assert capital_of(book).secures == int(
        Fraction(secured * 10 ** DECIMALS[third.at_par_with], 10**third.decimals) * price
    )
    (loan,) = lending_accounts_of(book)
    assert loan.pair is not None
    assert loan.pair.price == pytest.approx(desk.chain.price(BASE) / desk.chain.price(QUOTE), rel=1e-6)
    whole = float(third.worth(secured) * price) / 10**6
    assert loan.pair.position.quote_collateral == pytest.approx(whole * 0.8, rel=1e-6)
    more = with_wallet(loan, loan.pair)
    assert more.position.quote_collateral == pytest.approx(whole * 0.8 * (secured + kept) / secured, rel=1e-6)
    at = loan.pair.position.liquidation_price()
    assert at == pytest.approx(loan.pair.price * desk.chain.health, rel=1e-6)
    shown = shown_of(book)
    assert shown is not None
    earns = replace(shown, pays_base=RawAmount(0), earns=RawAmount(secured))
    assert -carry_of(book, earns).a_year == capital_of(book).secures
    print_hedges([book])
    said = " ".join("".join(capsys.readouterr()).split())
    assert "OTHER secures its hedge" in said
    assert "No plan sells it: below hedge.act plans repay base, supply OTHER and buy base with USDC" in said
    assert as_object(book)["hedge"]["collateral_token"] == OTHER  # type: ignore[index]
    print_unwinding(book, unwound(third.book()), None)
    assert f"{named_in(third.book()).amount(OTHER, RawAmount(secured))}" in capsys.readouterr().out


def test_what_is_supplied_beside_it_is_named() -> None:
    desk = desk_at(STABLE)
    desk.chain.mine(0)
    desk.chain.supply(QUOTE, 10**18)
    desk.watcher.tell()
    desk.take()
    lines = list(other_collateral(book_in_memory(desk.shard)))
    assert lines[1:] == [
        "1,000,000,000,000.00 USDC is supplied beside its hedge.collateral, OTHER: no plan takes it back, withdraw it by hand"
    ]


def test_of_an_automatic_ratio_all_of_it_secures_and_no_quote_does() -> None:
    """What the debt's sale brought is in the quote, so nothing is taken off."""
    policy = STABLE.book()
    desk = desk_at(STABLE)
    stock, venue = stock_of(desk.shard, policy), hedge_venue(policy)
    assert venue is not None
    places = HedgePlaces(venue, _need_trades(policy))
    found = security_of(places, desk.shard, policy, stock, venue.position(desk.shard, policy))
    assert found.own_quote == STABLE.worth(STABLE.begins_with)


def _need_trades(policy: Policy) -> VenueTrades:
    actions = venue_named(policy.chain, policy.acting_venue()).actions
    assert actions is not None
    assert actions.trades is not None
    return actions.trades


def test_an_end_that_the_wallets_quote_does_not_pay_for_at_once_says_what_it_waits_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = desk_at(STABLE)
    desk.keep(base=0, quote=5)
    print_unwinding(book_in_memory(desk.shard), unwound(STABLE.book()), None)
    said = " ".join("".join(capsys.readouterr()).split())
    assert "with what USDC is in the wallet by then: no plan sells the collateral, OTHER" in said


@pytest.mark.parametrize(
    ("before", "is_refused"),
    [
        ({}, True),
        ({"mode": "watch"}, False),
        ({"hedge": {"unwound": True}}, False),
        ({"hedge": {"collateral": OTHER}}, False),
    ],
)
def test_a_live_hedge_is_not_secured_by_another_token_before_it_has_ended(
    before: dict[str, Any], is_refused: bool
) -> None:
    wanted, quotes = STABLE.book(), STABLE.book({"collateral": UNSET, **before.pop("hedge", {})}, **before)
    found = list(with_other_collateral([quotes, wanted], {wanted.book: quotes}))
    assert [place for place, _ in found] == ([1] if is_refused else [])
    for _, says in found:
        assert says.startswith(f"is {QUOTE} in what is in force")
        assert "`evenkeel unwind alpha` first" in says


@pytest.mark.parametrize("third", THIRDS)
def test_what_was_borrowed_and_cannot_be_sold_is_repaid_and_the_collateral_stays(third: Third) -> None:
    waits = {"compensate_after_s": Seconds(60), "cooldown_s": Seconds(600), "ratio_bps": Bps(0)}
    desk = LendingDesk(third.book(waits), third=third)
    desk.fails = {"sell"}
    desk.set_policy(third.book({**waits, "ratio_bps": Bps(6_500)}))
    rest(desk, 24)
    assert moves(desk) == ["up", "take_back"]
    assert desk.chain.debt[BASE] == 0
    assert desk.chain.collateral[OTHER] > 0, "the next attempt needs it"
    assert not any(desk.chain.allowances.values())
    desk.fails = set()
    rest(desk, 60)
    assert moves(desk)[2:] == ["up"]
    assert is_on_target(desk, third.book())
