"""Taking over N NFTs, or N books by a shard, takes time proportional to N, not to its square."""

import pytest
from builders import BASE, QUOTE, STRANGER, ToyChain, ToyWatcher, address, policy
from counted import calls_of

from pipeline.drive import drive
from pipeline.follow.routes import follow
from pipeline.messages.events import PolicySet
from pipeline.messages.views import BookView
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import ShardId
from pipeline.venues.uniswap_v3.forms.reads import PositionObserved
from pipeline.venues.uniswap_v3.forms.views import PositionView

FEW, MANY = 50, 400
STEADY = 1.15
"""So much more may each of many cost than each of few: what grows with the logarithm of their number, and noise."""
FEW_BOOKS, MANY_BOOKS = 10, 80
STEADY_BOOKS = 2.0
"""Likewise for books: 1.4 is what each new policy is compared with. Where each read looked at every book that waits, it was 5.4."""


def adopted(nfts: int) -> ToyWatcher:
    """Bring a shard to where all NFTs of its book have been read."""
    watcher = ToyWatcher(ToyChain(7))
    for number in range(nfts):
        lower = -10 * (number % 97 + 1)
        watcher.chain.mint(STRANGER, lower, -lower, 10**15 + number)
    watcher.chain.mine(1)
    watcher.append(PolicySet(policy=policy(owner=STRANGER, accounts=(STRANGER,))))
    watcher.read_wanted()
    assert sum(isinstance(event, PositionObserved) for event in watcher.log) >= nfts
    return watcher


def follow_all(watcher: ToyWatcher) -> None:
    tables = Tables()
    for event in watcher.log:
        follow(tables, event)
    assert tables.writes("route/position") == watcher.routes.writes("route/position")


def take_in_all(watcher: ToyWatcher) -> None:
    """As a worker does, with every view of an NFT that was read."""
    told = drive(Shard(ShardId(0)), watcher.log)
    assert {view.key for view in told if isinstance(view, PositionView)} == {
        event.item for event in watcher.log if isinstance(event, PositionObserved)
    }


@pytest.mark.parametrize("take_in", [follow_all, take_in_all])
def test_adopting_is_linear(take_in):
    few, many = adopted(FEW), adopted(MANY)
    each_of_few = calls_of(lambda: take_in(few)) / FEW
    each_of_many = calls_of(lambda: take_in(many)) / MANY
    assert each_of_many < STEADY * each_of_few


def owned_by_many(books: int) -> ToyWatcher:
    """Bring a shard to where each of its books, with an owner and an NFT of its own, has been read; a first block follows."""
    watcher = ToyWatcher(ToyChain(7))
    owners = [address(0x1000 + number) for number in range(books)]
    for number, owner in enumerate(owners):
        watcher.chain.balances[owner, BASE] = watcher.chain.balances[owner, QUOTE] = 6 * 10**18
        watcher.chain.mint(owner, -10 * (number + 1), 10 * (number + 1), 10**15, sender=owner)
    watcher.chain.mine(1)
    for owner in owners:
        watcher.append(PolicySet(policy=policy(book=f"book-{owner}", owner=owner, accounts=(owner,))))
    watcher.read_wanted()
    watcher.block(0)
    return watcher


def test_bringing_books_up_is_linear_but_for_what_each_new_policy_is_compared_with():
    few, many = owned_by_many(FEW_BOOKS), owned_by_many(MANY_BOOKS)
    each_of_few = calls_of(lambda: bring_up(few)) / FEW_BOOKS
    each_of_many = calls_of(lambda: bring_up(many)) / MANY_BOOKS
    assert each_of_many < STEADY_BOOKS * each_of_few


def bring_up(watcher: ToyWatcher) -> None:
    told = drive(Shard(ShardId(0)), watcher.log)
    books = {event.policy.book for event in watcher.log if isinstance(event, PolicySet)}
    assert {view.book for view in told if isinstance(view, BookView)} == books
