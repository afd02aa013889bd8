"""Reads of an order of a toy future that the shard follows."""

from typing import Any

import pytest
from builders import OWNER
from intents import block
from msgspec.structs import replace
from worlds.toy_perp.forms import PerpAccount, PerpAccountObserved, perp_account
from worlds.toy_perp.half import KIND
from worlds.toy_perp.venue import ToyPerp

from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.orders import Cancelled, Executed, Order, OrderState, Requested, UnknownOrder
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount, ShardId, Term

CONTRACT = Address(f"0x{0xFE01:040x}")
ITEM = perp_account(CONTRACT, OWNER)


def account(state: OrderState | None, **changes: Any) -> PerpAccount:
    order = None if state is None else Order(number="7", change=10**18, state=state)
    usual: dict[str, Any] = {"size": RawAmount(10**18), "sold": RawAmount(3_000), "margin": 900, "paid": 0}
    return PerpAccount(**usual | changes, order=order)


@pytest.fixture
def venue() -> ToyPerp:
    spec = VenueSpec(name="future", kind=KIND, contracts=(VenueContract(role="future", address=CONTRACT),))
    return ToyPerp(None, spec)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("held", "read", "then"),
    [
        (None, Requested(), Requested()),
        (Requested(), Requested(), Requested()),
        (Requested(), None, UnknownOrder()),
        (UnknownOrder(), None, UnknownOrder()),
        (Cancelled(reason="price"), None, None),
        (Executed(size=RawAmount(10**18)), None, None),
    ],
)
def test_an_order_that_a_read_does_not_find_is_unknown_and_no_cancelled_one(venue, held, read, then):
    """The position is the chain's either way."""
    shard = Shard(ShardId(0))
    shard.tables.begin(block(100))
    shard.tables.put(ITEM, account(held))
    found = account(read, size=RawAmount(2 * 10**18))
    event = PerpAccountObserved(
        term=Term(1), block=block(100), why="bootstrap", contract=CONTRACT, owner=OWNER, state=found
    )
    venue.write_read(shard, event)
    assert shard.tables.need(ITEM, PerpAccount) == account(then, size=RawAmount(2 * 10**18))


@pytest.mark.parametrize(
    ("held", "read", "differs"),
    [
        (Requested(), None, True),
        (UnknownOrder(), None, False),
        (UnknownOrder(), UnknownOrder(), False),
        (UnknownOrder(), Requested(), True),
        (Requested(), Requested(), False),
        (Executed(size=RawAmount(10**18)), None, False),
        (Cancelled(reason="price"), None, False),
    ],
)
def test_a_check_finds_an_order_that_is_gone_and_misses_none_that_has_ended(venue, held, read, differs):
    shard = Shard(ShardId(0))
    shard.tables.begin(block(100))
    shard.tables.put(ITEM, account(held))
    event = PerpAccountObserved(
        term=Term(1), block=block(100), why="check", contract=CONTRACT, owner=OWNER, state=account(read)
    )
    assert bool(venue.differences(shard, event)) == differs
    if read is None and not isinstance(held, Requested):
        shard.tables.put(ITEM, replace(account(held), limit=1))
        assert venue.differences(shard, event) == [], "the limit of an order goes with it"
