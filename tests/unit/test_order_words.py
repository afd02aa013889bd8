"""An operator's statement on a hedge order: when it is accepted, that it applies once, and what overrides it."""

from typing import Any

import pytest
from builders import BASE, OWNER, QUOTE
from desk import live
from intents import block
from msgspec.structs import replace
from perp_desk import know_perps
from worlds.toy_perp.chain import price_of
from worlds.toy_perp.forms import (
    PerpAccount,
    PerpAccountObserved,
    PerpMarket,
    PerpNow,
    perp_account,
    perp_market,
    perp_now,
)
from worlds.toy_perp.half import KIND

from pipeline import keys
from pipeline.advance.order_settlements import apply_order_statement
from pipeline.decide.hedging import position_of
from pipeline.messages.base import Output
from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.entries import OrderWord
from pipeline.messages.events import OrderEndSaid
from pipeline.messages.hedge import Hedge
from pipeline.messages.order_alerts import OrderEndRefused, OrderEndTaken
from pipeline.messages.orders import (
    Cancelled,
    Executed,
    Order,
    OrderState,
    Requested,
    SaidEnded,
    SaidOutcome,
    UnknownOrder,
)
from pipeline.messages.policy import Policy, version_of
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import Address, ChainId, Offset, RawAmount, Seconds, ShardId
from pipeline.venues.registry import venue_named
from streams.cli.sentences import sentence

ETHER = 10**18
CONTRACT = Address(f"0x{0xFE02:040x}")
ITEM = perp_account(CONTRACT, OWNER)
BEFORE, CHANGE = 5 * ETHER, 2 * ETHER


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know_perps(monkeypatch)


def book() -> Policy:
    spec = VenueSpec(name="future", kind=KIND, contracts=(VenueContract(role="future", address=CONTRACT),))
    usual = live()
    assert (usual.owner, usual.base, usual.quote) == (OWNER, BASE, QUOTE)
    made = replace(usual, chain=replace(usual.chain, venues=(spec,)), hedge=Hedge(venue="future"))
    return replace(made, policy_version=version_of(made))


def account(state: OrderState, size: int, **changes: Any) -> PerpAccount:
    order = Order(number="7", change=CHANGE, state=state, size_before=RawAmount(BEFORE))
    usual: dict[str, Any] = {"sold": RawAmount(0), "margin": 10**12, "paid": 0, "order": order}
    return PerpAccount(size=RawAmount(size), **usual | changes)


@pytest.fixture
def shard() -> Shard:
    made = Shard(ShardId(0))
    made.tables.begin(block(100))
    made.tables.put(keys.policy(book().book), book())
    market = PerpMarket(
        price=price_of(3_000),
        rate=0,
        index=0,
        index_at_s=Seconds(0),
        open=RawAmount(0),
        step=RawAmount(1),
        cap=RawAmount(10**24),
    )
    made.tables.put(perp_market(CONTRACT), market)
    made.tables.put(perp_now(CONTRACT), PerpNow(at_s=block(100).timestamp_s))
    made.tables.put(ITEM, account(UnknownOrder(), BEFORE))
    return made


def say(shard: Shard, outcome: SaidOutcome, order: str = "7", book_id: str = "") -> list[Output]:
    event = OrderEndSaid(book=book_id or book().book, order=order, outcome=outcome, reason="a call", by="me")
    now = Provenance(shard=shard.id, offset=Offset(9), block=block(100), chain_id=ChainId(1))
    return list(apply_order_statement(shard, event, now))


def order_of(shard: Shard) -> Order:
    order = position_of(shard, book()).order
    assert order is not None
    return order


@pytest.mark.parametrize(("outcome", "size"), [("cancelled", BEFORE), ("executed", BEFORE + CHANGE)])
def test_a_word_that_the_size_agrees_with_ends_the_order_once(shard, outcome, size):
    shard.tables.put(ITEM, account(UnknownOrder(), size))
    assert position_of(shard, book()).waits
    (told,) = say(shard, outcome)
    assert isinstance(told, OrderEndTaken)
    assert (told.venue, told.size, told.order.number) == ("future", size, "7")
    assert order_of(shard).state == SaidEnded(outcome=outcome, by="me", reason="a call")
    assert not position_of(shard, book()).waits
    assert shard.tables.need(ITEM, PerpAccount) == account(UnknownOrder(), size), (
        "the venue's own is left alone"
    )
    assert sentence(told, book()) == f"{book().book}: order 7 was {outcome}, says me: a call"

    before = shard.tables.entries()
    assert say(shard, outcome) == []
    assert shard.tables.entries() == before


@pytest.mark.parametrize(
    ("state", "size", "word", "says"),
    [
        (UnknownOrder(), BEFORE + CHANGE, ("cancelled", "7"), "it was executed"),
        (UnknownOrder(), BEFORE, ("executed", "7"), "nothing of it was executed"),
        (UnknownOrder(), BEFORE, ("cancelled", "6"), "order 6 is not the position's last one: it is 7"),
        (Requested(), BEFORE, ("cancelled", "7"), "the chain still has order 7"),
        (
            Executed(size=RawAmount(CHANGE)),
            BEFORE + CHANGE,
            ("executed", "7"),
            "the chain says that order 7 was executed",
        ),
        (Cancelled(reason="price"), BEFORE, ("cancelled", "7"), "was cancelled: price"),
    ],
)
def test_a_word_that_the_venue_contradicts_changes_nothing_and_is_told(shard, state, size, word, says):
    shard.tables.put(ITEM, account(state, size))
    (told,) = say(shard, *word)
    assert isinstance(told, OrderEndRefused)
    assert says in told.says
    assert says in sentence(told, book())
    assert shard.tables.find(keys.order_word(book().book), OrderWord) is None
    assert order_of(shard).state == state


def test_another_word_on_an_order_that_was_said_to_have_ended_does_not_count(shard):
    say(shard, "cancelled")
    shard.tables.put(
        ITEM, account(UnknownOrder(), BEFORE - ETHER)
    )  # liquidated in part: the size shows nothing
    (told,) = say(shard, "executed")
    assert isinstance(told, OrderEndRefused)
    assert told.says == "me has said that order 7 was cancelled"


def test_a_book_that_is_not_hedged_or_not_there_has_no_order(shard):
    (told,) = say(shard, "cancelled", book_id="nobody")
    assert isinstance(told, OrderEndRefused)
    shard.tables.put(ITEM, None)
    (told,) = say(shard, "cancelled")
    assert isinstance(told, OrderEndRefused)
    assert told.says.startswith("its position is not known")


@pytest.mark.parametrize(
    ("then", "counts"),
    [
        (account(UnknownOrder(), BEFORE), True),
        (account(Requested(), BEFORE), False),
        (account(Executed(size=RawAmount(CHANGE)), BEFORE + CHANGE), False),
        (account(UnknownOrder(), BEFORE + CHANGE), False),
        (account(UnknownOrder(), BEFORE - ETHER), True),
    ],
)
def test_what_the_chain_shows_later_counts_more_than_the_word(shard, then, counts):
    """A reorg restores an order; its execution is shown later; its size shows it."""
    say(shard, "cancelled")
    shard.tables.put(ITEM, then)
    assert isinstance(order_of(shard).state, SaidEnded) == counts
    if not counts:
        assert then.order is not None
        assert order_of(shard).state == then.order.state


@pytest.mark.parametrize("changes", [{"number": "8"}, {"change": -CHANGE}])
def test_a_word_is_of_one_order_alone(shard, changes):
    say(shard, "cancelled")
    was = account(UnknownOrder(), BEFORE)
    shard.tables.put(ITEM, replace(was, order=replace(was.order, **changes)))
    assert order_of(shard).state == UnknownOrder()


def test_a_reorg_takes_no_word_back(shard):
    say(shard, "cancelled")
    shard.tables.begin(block(101))
    shard.tables.put(ITEM, account(UnknownOrder(), BEFORE, margin=1))
    shard.tables.rewind(block(100).number)
    assert isinstance(order_of(shard).state, SaidEnded)
    assert not keys.is_of_chain(keys.order_word(book().book))


def test_a_read_of_an_order_keeps_what_was_known_before_it(shard):
    found = PerpAccount(
        size=RawAmount(BEFORE),
        sold=RawAmount(0),
        margin=10**12,
        paid=0,
        order=Order(number="7", change=CHANGE, state=UnknownOrder()),
    )
    event = PerpAccountObserved(
        term=1, block=block(100), why="repair", contract=CONTRACT, owner=OWNER, state=found
    )
    venue_named(book().chain, "future").write_read(shard, event)
    assert order_of(shard).size_before == BEFORE
