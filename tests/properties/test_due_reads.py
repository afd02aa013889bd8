"""The incrementally updated list of due reads equals one computed from all entries."""

from collections.abc import Iterator
from typing import Any

from builders import MANAGER, OTHER_POOL, OWNER, POOL, STRANGER, ToyChain, ToyWatcher, policy
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.drive import drive
from pipeline.follow.due_reads import first_missing, is_wanted, missing, wanted
from pipeline.follow.log_filter import log_filter, select
from pipeline.follow.routes import follow
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, PolicyRemoved, PolicySet, PositionAdopted, Resumed
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import ShardId, Term, Wei
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.owned_nfts import owned_nfts
from pipeline.venues.uniswap_v3.routed_nfts import is_ours, routed_nfts
from pipeline.venues.uniswap_v3.routes import checked_items

BETA: dict[str, Any] = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": ()}
HERE = acting_deployment(policy())


def arrive(watcher: ToyWatcher) -> None:
    """Mine a block in which NFTs come and go, without a read of them."""
    watcher.chain.mine(0)
    for _ in range(3):
        watcher.chain.any_transfer()
        sender = watcher.chain.random.choice([OWNER, STRANGER])
        watcher.chain.mint(OWNER, -20, 20, 10**15, sender=sender)
    mine = log_filter(watcher.routes)
    assert mine is not None
    logs, receipts = select(mine, watcher.chain.logs), tuple(watcher.chain.receipts)
    told = BlockSeen(
        term=Term(1), block=watcher.chain.head, base_fee_wei=Wei(1), logs=logs, receipts=receipts, reads=()
    )
    watcher.append(told)


def read_some(watcher: ToyWatcher) -> None:
    for want in wanted(watcher.routes)[: watcher.chain.random.randint(0, 3)]:
        watcher.append(watcher.chain.read(want.item, want.why, watcher.term))


def branch_off(watcher: ToyWatcher) -> None:
    base = watcher.fork(f"other {len(watcher.log)}")
    for _ in range(2):
        watcher.read_wanted()
        watcher.block(2)
    watcher.revert_to(base)


def say(watcher: ToyWatcher, act: int) -> None:
    """Append an operator's command."""
    chance = watcher.chain.random
    nft = f"position/{MANAGER}/{chance.randint(1, len(watcher.chain.nfts))}"
    word: dict[str, Any] = {"reason": "so", "by": "me"}
    words = (
        Resumed(scope=nft, **word),
        Resumed(scope=f"pool/{POOL}", **word),
        PositionAdopted(item=nft, ours=chance.random() < 0.5, **word),
        PolicySet(policy=policy(**BETA)),
        PolicyRemoved(book="beta"),
        PolicySet(policy=policy(pools=chance.choice([(POOL,), (POOL, OTHER_POOL)]))),
    )
    watcher.append(words[act])


HAPPENINGS = (lambda watcher: watcher.block(2), arrive, arrive, read_some, read_some, branch_off)


acts_of_nfts = st.lists(st.integers(0, 11), max_size=25)


def told(seed: int, acts: list[int]) -> Iterator[ToyWatcher]:
    """Let NFTs come, go and be read, and give the watcher after each happening."""
    watcher = ToyWatcher(ToyChain(seed))
    watcher.chain.mine(1)
    watcher.set_policy(policy())
    for act in acts:
        if act < len(HAPPENINGS):
            HAPPENINGS[act](watcher)
        else:
            say(watcher, act - len(HAPPENINGS))
        yield watcher


@given(st.integers(0, 2**16), acts_of_nfts)
def test_what_is_due_is_what_a_fresh_look_finds(seed, acts):
    for watcher in told(seed, acts):
        _is_as_if_opened_anew(watcher.routes)


@given(st.integers(0, 2**16), acts_of_nfts)
def test_whose_nfts_are_is_what_a_fresh_look_finds(seed, acts):
    shard = Shard(ShardId(0))
    for watcher in told(seed, acts):
        drive(shard, watcher.log[shard.cursor + 1 :])
        kept = list(shard.tables.group(keys.position.under(MANAGER), NftPosition))
        for owner in (OWNER, STRANGER):
            found = [(key, nft) for key, nft in kept if nft.owner == owner and is_ours(shard.tables, key)]
            assert list(owned_nfts(shard.tables, MANAGER, owner)) == found


def _is_as_if_opened_anew(tables: Tables) -> None:
    anew = Tables(tables.entries())
    wants = wanted(tables)
    assert wants == wanted(anew)
    known = {keys.item_of(key) for key in tables.entries() if keys.route.matches(key)}
    assert {item for item in known if is_wanted(tables, item)} == {want.item for want in wants} & known
    for book in policies(tables):
        assert list(missing(tables, book)) == list(missing(anew, book))
        assert first_missing(tables, book) == next(missing(anew, book), None)
        assert list(checked_items(tables, book, HERE)) == list(checked_items(anew, book, HERE))
        assert routed_nfts(tables, HERE).counted(book.owner) == _counted(tables, book.owner)


def _counted(tables: Tables, owner: str) -> dict[str, Route]:
    """Find an owner's NFTs by looking at every route."""
    routes = tables.group(keys.route.under(keys.position.family), Route)
    return {
        keys.item_of(key): route
        for key, route in routes
        if route.owner == owner and is_ours(tables, keys.item_of(key))
    }


def test_what_is_due_follows_the_log_alone():
    """The fold of a log again, from nothing, wants the same."""
    watcher = ToyWatcher(ToyChain(3))
    watcher.chain.mine(1)
    watcher.append(PolicySet(policy=policy()))
    again = Tables()
    for event in watcher.log:
        follow(again, event)
    assert wanted(again) == wanted(watcher.routes) != []
