"""The state of a hedge in a book's view and on screens: target and band, cost, and the division of the capital."""

import json

import pytest
from builders import BASE, OWNER, QUOTE
from msgspec.structs import replace
from worlds.lending.chain import LendingDesk, hedge_only, hedged

from pipeline.advance.books import stock_of
from pipeline.messages.hedge import AutoRatio
from pipeline.messages.orders import Cancelled, Executed, Order, Requested, UnknownOrder
from pipeline.messages.policy import Policy, version_of
from pipeline.messages.views import BookView, HedgeShown
from pipeline.units import Bps, RawAmount, Seconds
from streams.cli.hedge import (
    as_object,
    chances,
    lending_accounts_of,
    print_hedges,
    volatility_of,
    with_wallet,
)
from streams.cli.hedged_books import capital_of, carry_of, shown_of, state_text
from streams.ended_hedges import unwound
from streams.look.fold_once import book_in_memory
from streams.present_books import BookNow

UNIT = 10**18


def settled(policy: Policy) -> LendingDesk:
    desk = LendingDesk(policy)
    for _ in range(20):
        desk.block()
    return desk


def need_shown(book: BookNow) -> HedgeShown:
    found = shown_of(book)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def desk() -> LendingDesk:
    """A book that has reached its target."""
    return settled(hedge_only({"auto": AutoRatio(volatility_bps=12_000)}))


def test_a_view_tells_how_the_hedge_stands(desk):
    told = desk.said(BookView)[-1].hedge
    stock = stock_of(desk.shard, book_in_memory(desk.shard).policy)
    debt, collateral = desk.chain.debt[BASE], desk.chain.collateral[QUOTE]
    assert (told.size, told.collateral, told.net_base) == (debt, collateral, stock.base_amount)
    long = told.net_base + debt
    assert told.ratio_bps == debt * 10_000 // long
    assert told.target_base == long - long * told.wanted_ratio_bps // 10_000
    assert (told.act_at, told.back_to) == (long * 500 // 10_000, long * 200 // 10_000)
    assert told.health_bps == int(desk.chain.health * 10_000)
    assert told.sigma_ppm == 1_200_000
    assert not told.ends
    first = next(each for each in desk.said(BookView) if each.hedge)
    assert first.hedge.size < debt, "it was told before anything was borrowed as well"


def test_the_screen_shows_it_at_both_widths(desk, capsys, monkeypatch):
    book = book_in_memory(desk.shard)
    shown = need_shown(book)
    for width in ("80", "120"):
        monkeypatch.setenv("COLUMNS", width)
        capsys.readouterr()
        print_hedges([book])
        out = capsys.readouterr().out
        assert f"{shown.wanted_ratio_bps / 100:.0f}%, auto at 120%" in out
        assert "±5%, back to 2%" in out
        assert "within its band" in out
        assert "…" not in out
        assert max(map(len, out.splitlines())) <= int(width)


def test_programs_get_the_same(desk):
    book = book_in_memory(desk.shard)
    told = json.loads(json.dumps(as_object(book)))
    shown = need_shown(book)
    assert told["hedge"]["size"] == str(shown.size)
    assert told["hedge"]["target_base"] == str(shown.target_base)
    assert told["hedge"]["unwound"] is False
    capital = capital_of(book)
    assert told["hedge"]["capital_quote"] == {
        "earns": str(capital.earns),
        "secures": str(capital.secures),
        "waits": str(capital.waits),
    }
    assert capital.secures == desk.chain.collateral[QUOTE]
    debt = book.stock.base_price.value(-shown.size)
    assert capital.whole + debt == pytest.approx(book.stock.value_quote, abs=5), (
        "what is owed is all that is taken off"
    )


def test_what_it_costs_is_what_is_paid_less_what_is_earned(desk):
    book = book_in_memory(desk.shard)
    shown = replace(need_shown(book), pays_base=RawAmount(UNIT), earns=RawAmount(10**17))
    carry, (numerator, denominator) = carry_of(book, shown), book.stock.base_price.ratio
    assert UNIT * numerator % denominator, "or nothing would be rounded"
    assert carry.pays == UNIT * numerator // denominator + 1, "rounded up"
    assert carry.a_year == carry.pays - 10**17
    assert carry.a_year <= carry.a_day * 365 < carry.a_year + 365
    brings = carry_of(book, replace(shown, pays_base=RawAmount(0)))
    assert brings.a_year == -(10**17)


def test_the_wallets_quote_counts_as_what_could_be_supplied(desk):
    book = book_in_memory(desk.shard)
    (loan,) = lending_accounts_of(book)
    volatility = volatility_of(book, None)
    assert volatility == 1.2, "that by which the ratio was chosen"
    assert volatility_of(book, 0.5) == 0.5
    more = with_wallet(loan, loan.pair)
    added = desk.chain.balances[OWNER, QUOTE] / 10**6 * 0.8
    assert more.position.quote_collateral == pytest.approx(loan.pair.position.quote_collateral + added)
    assert chances(more, volatility)[-1] < chances(loan.pair, volatility)[-1] / 10


def test_a_hedge_that_ends_says_so_until_nothing_is_left():
    policy = hedge_only()
    desk = settled(policy)
    ending = unwound(policy)
    desk.set_policy(ending)
    book = book_in_memory(desk.shard)
    shown = need_shown(book)
    assert shown.ends
    assert (shown.wanted_ratio_bps, shown.act_at) == (0, 0)
    assert state_text(shown) == "unwinds: repays and withdraws all that is left"
    for _ in range(20):
        desk.block()
    shown = need_shown(book_in_memory(desk.shard))
    assert state_text(shown) == "ended: nothing is left"
    assert (shown.size, shown.collateral, shown.health_bps) == (0, 0, None)


def test_a_net_exposure_outside_its_band_says_which_way_it_goes():
    policy = hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)})
    desk = settled(policy)
    for ratio_bps, says in ((9_000, "outside: is to sell base"), (3_000, "outside: is to buy base")):
        other = replace(policy, hedge=replace(policy.hedge, ratio_bps=Bps(ratio_bps)))
        desk.set_policy(replace(other, policy_version=version_of(other)))
        assert state_text(need_shown(book_in_memory(desk.shard))) == says


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (Requested(), "waits: order 3 is neither executed nor cancelled"),
        (UnknownOrder(), "waits: the chain does not say what became of order 3"),
        (Cancelled(reason="price"), "within its band; order 3 was cancelled: price"),
        (Executed(size=RawAmount(1)), "within its band"),
    ],
)
def test_a_hedge_says_which_order_it_waits_for(desk, state, says):
    shown = need_shown(book_in_memory(desk.shard))
    assert state_text(replace(shown, order=Order(number="3", change=1, state=state))) == says


def test_a_book_that_is_only_watched_shows_what_it_would_keep():
    desk = settled(hedged(mode="watch"))
    shown = need_shown(book_in_memory(desk.shard))
    assert (shown.size, shown.wanted_ratio_bps) == (0, 6_500)
    assert state_text(shown) == "outside: is to sell base"
