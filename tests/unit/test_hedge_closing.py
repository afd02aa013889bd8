"""An end of a hedge whose wallet does not pay for it: collateral buys what is owed, in rounds, and what is missing is said."""

import re
from decimal import Decimal
from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER
from msgspec.structs import replace
from worlds.lending.chain import KEEPS, OTHER, STABLE, LendingDesk, hedge_only

from pipeline.messages.account_alerts import HealthLow
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy
from pipeline.units import Seconds
from streams.cli.unwinding import print_unwinding
from streams.ended_hedges import unwound
from streams.look.fold_once import book_in_memory

UNIT = 10**18


def desk_at(policy: Policy | None = None, **of: Any) -> LendingDesk:
    """A book on its target."""
    desk = LendingDesk(policy or hedge_only(), **of)
    run(desk, 20)
    assert desk.chain.debt[BASE] > UNIT
    return desk


def run(desk: LendingDesk, blocks: int) -> list[float]:
    """Go on, and list the health factors seen while anything was owed."""
    seen = []
    for _ in range(blocks):
        desk.block()
        if desk.chain.debt[BASE]:
            seen.append(desk.chain.health)
    return seen


def end(desk: LendingDesk, policy: Policy) -> int:
    """Command the end; return how many plans were opened before."""
    before = len(desk.said(PlanOpened))
    desk.set_policy(unwound(policy))
    return before


def moves(desk: LendingDesk, since: int) -> list[str]:
    return [str(each.goal.terms["move"]) for each in desk.said(PlanOpened)[since:]]


def steps(desk: LendingDesk, since: int) -> list[str]:
    return [each.step for each in desk.signer.done[since:] if each.step not in {"approve", "reset"}]


def bring(desk: LendingDesk, token: str, amount: int) -> None:
    desk.chain.mine(0)
    desk.chain.move(token, STRANGER, OWNER, amount)
    desk.watcher.tell()
    desk.take()


# ------------------------------------------------------------------ out of collateral, in rounds
def test_with_an_empty_wallet_collateral_buys_what_is_owed_until_nothing_is_left():
    policy = hedge_only()
    desk = desk_at(policy)
    desk.keep(base=0, quote=0)
    liquid, done, since = desk.liquid(), len(desk.signer.done), end(desk, policy)
    seen = run(desk, 90)
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0
    took = moves(desk, since)
    assert took[-1] == "close"
    assert took.count("close_from_collateral") >= 2, "health lets no plan take all that it costs"
    assert set(took) == {"close_from_collateral", "close"}
    assert steps(desk, done)[:3] == ["withdraw", "buy", "repay"]
    assert min(seen) >= 1.3 - 0.001, "the warning level"
    assert not desk.said(HealthLow)
    assert all(each.outcome == Done() for each in desk.said(PlanClosed))
    assert desk.liquid() == liquid, "the range is left alone"
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)
    done = len(desk.signer.done)
    run(desk, 10)
    assert len(desk.signer.done) == done


def test_no_more_collateral_is_withdrawn_than_the_purchase_costs():
    policy = hedge_only()
    desk = desk_at(policy)
    desk.chain.price_percent = 40
    desk.keep(base=0, quote=0)
    collateral, since = desk.chain.collateral[QUOTE], end(desk, policy)
    while desk.chain.collateral[QUOTE] == collateral:
        desk.block()
    assert desk.chain.debt[BASE] > UNIT
    pool = desk.chain.pool.sqrt_price_x96
    costs = desk.chain.debt[BASE] * pool * pool >> 192
    assert costs < collateral - desk.chain.collateral[QUOTE] < costs * 102 // 100
    run(desk, 30)
    assert moves(desk, since) == ["close_from_collateral", "close"], (
        "health leaves room for all of it at once"
    )
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0


@pytest.mark.parametrize("base", [3, 30])
def test_what_the_wallet_has_of_the_base_repays_before_collateral_is_touched(base: int):
    policy = hedge_only()
    desk = desk_at(policy)
    desk.keep(base=0, quote=0)
    bring(desk, BASE, desk.chain.debt[BASE] * base // 100)
    done, since = len(desk.signer.done), end(desk, policy)
    run(desk, 90)
    first = "close" if base == 30 else "close_from_collateral"
    assert moves(desk, since)[0] == first, "what brings more goes first"
    if base == 30:
        assert steps(desk, done)[0] == "repay", "no quote is needed to repay with what is there"
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0


def test_below_the_warning_level_half_of_the_way_to_act_is_left():
    policy = hedge_only()
    desk = desk_at(policy)
    desk.chain.price_percent = 113
    desk.keep(base=0, quote=0)
    low = desk.chain.health
    assert 1.2 < low < 1.3
    since = end(desk, policy)
    seen = run(desk, 150)
    assert min(seen) >= (low + 1.2) / 2 - 0.001
    assert "close_from_collateral" in moves(desk, since)
    assert {each.trigger for each in desk.said(PlanOpened)[since:]} == {"unwind"}, (
        "low health never comes in between"
    )
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0


def test_a_price_that_jumps_behind_the_withdrawal_has_it_supplied_again_and_the_end_goes_on_later():
    policy = hedge_only()
    desk = desk_at(policy)
    desk.keep(base=0, quote=0)
    since = end(desk, policy)
    while "withdraw" not in steps(desk, 0):
        desk.block()
    desk.fails = {"buy"}
    desk.chain.price_percent = 115
    run(desk, 4)
    desk.fails = set()
    assert "health_low" in {each.trigger for each in desk.said(PlanOpened)[since:]}
    assert desk.chain.health >= 1.2
    desk.chain.price_percent = 100
    run(desk, 120)
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0


def test_a_purchase_that_does_not_come_about_takes_no_further_collateral():
    policy = hedge_only(action=replace(KEEPS, stall_after_s=Seconds(36)))
    desk = desk_at(policy)
    desk.keep(base=0, quote=0)
    since = end(desk, policy)
    desk.fails = {"buy"}
    run(desk, 24)
    assert desk.chain.debt[BASE] > UNIT
    took = moves(desk, since)
    assert took[0] == "close_from_collateral"
    assert set(took[1:]) == {"close"}, "the wallet's quote goes first from then on"
    assert steps(desk, 0).count("withdraw") == 1
    desk.fails = set()
    run(desk, 50)
    assert desk.chain.debt[BASE] == desk.chain.collateral[QUOTE] == 0


# ------------------------------------------------------------------ what is missing
def last_refusal(desk: LendingDesk) -> StepRefused:
    return desk.said(StepRefused)[-1]


def missing(detail: str) -> Decimal:
    found = re.search(r"the wallet lacks ([0-9.]+) (\w+) to buy", detail)
    assert found, detail
    return Decimal(found[1])


def test_where_the_market_pays_nothing_out_what_is_missing_is_said_and_suffices():
    policy = hedge_only()
    desk = desk_at(policy)
    desk.keep(base=0, quote=0)
    desk.chain.others_debt[QUOTE] = desk.chain.others_supply[QUOTE] + desk.chain.collateral[QUOTE]
    desk.block()
    since = end(desk, policy)
    run(desk, 6)
    assert moves(desk, since) == []
    said = last_refusal(desk)
    assert said.reason == "no_goal"
    assert "the collateral's reserve has 0 of" in said.detail
    lacks = missing(said.detail) * 10 ** policy.decimals(QUOTE)
    price = desk.chain.price(BASE)
    assert abs(lacks - desk.chain.debt[BASE] * price // (10**8 * 10**12)) < lacks / 100
    bring(desk, QUOTE, int(lacks) * 101 // 100)
    run(desk, 30)
    assert desk.chain.debt[BASE] == 0
    assert desk.chain.collateral[QUOTE] > 0, "it lies there until the market pays it out"


def test_a_collateral_that_no_plan_sells_says_which_quote_is_missing():
    policy = STABLE.book()
    desk = desk_at(policy, third=STABLE)
    desk.keep(base=0, quote=0)
    since = end(desk, policy)
    run(desk, 6)
    assert moves(desk, since) == []
    said = last_refusal(desk)
    assert said.reason == "no_goal"
    assert "no plan sells the collateral, OTHER" in said.detail
    lacks = missing(said.detail)
    bring(desk, QUOTE, int(lacks * 10 ** policy.decimals(QUOTE)) * 101 // 100)
    run(desk, 30)
    assert desk.chain.debt[BASE] == desk.chain.collateral[OTHER] == 0


def test_such_a_book_repays_with_the_base_that_it_has_though_it_has_no_quote():
    policy = STABLE.book()
    desk = desk_at(policy, third=STABLE)
    desk.keep(base=0, quote=0)
    owed = desk.chain.debt[BASE]
    bring(desk, BASE, owed // 2)
    done = len(desk.signer.done)
    end(desk, policy)
    run(desk, 12)
    assert steps(desk, done)[0] == "repay"
    assert desk.chain.debt[BASE] == owed - owed // 2
    assert last_refusal(desk).reason == "no_goal", "of the rest it says what is missing"


# ------------------------------------------------------------------ what `unwind` shows
def test_unwind_says_what_is_withdrawn_first_and_what_is_left(capsys: pytest.CaptureFixture[str]):
    desk = desk_at()
    desk.keep(base=0, quote=0)
    book = book_in_memory(desk.shard)
    print_unwinding(book, unwound(book.policy), None)
    said = capsys.readouterr().err
    assert re.search(
        r"its wallet does not pay for that: [\d,.]+ USDC of the collateral are withdrawn first", said
    ), said
    assert "WETH owed" in said


def test_unwind_says_what_is_missing(capsys: pytest.CaptureFixture[str]):
    desk = desk_at(STABLE.book(), third=STABLE)
    desk.keep(base=0, quote=0)
    book = book_in_memory(desk.shard)
    print_unwinding(book, unwound(book.policy), None)
    assert "the wallet lacks" in capsys.readouterr().err
