"""A book takes N NFTs over in a time that grows with N, not with its square."""

import pytest
from builders import STRANGER, ToyChain, ToyWatcher, policy
from counted import calls_of

from pipeline.drive import drive
from pipeline.follow.routes import follow
from pipeline.messages.events import PolicySet
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import ShardId
from pipeline.venues.uniswap_v3.forms.reads import PositionObserved
from pipeline.venues.uniswap_v3.forms.views import PositionView

FEW, MANY = 50, 400
STEADY = 1.15
"""So much more may each of many cost than each of few: what grows with the logarithm of their number, and noise."""


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
