"""At every offset the views equal those computed from the state: each record's changes are published with it.

But for amounts that follow the price: those of NFTs are told every so many blocks, those of books also once a price is in another cell.
"""

from collections import Counter
from typing import Any

from builders import FINAL_DEPTH, OWNER, POOL, STRANGER, ToyWatcher, policy, started, versioned
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from pipeline.advance.books import stock_of, why_unknown
from pipeline.book_view import show_book
from pipeline.drive import drive
from pipeline.math.log_prices import log_of_price
from pipeline.messages.events import Paused, PolicyRemoved, Resumed
from pipeline.messages.policy import Policy, TargetBand
from pipeline.messages.views import BookView, Rewound, ViewRemoved
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3.assess import held_nft, own_positions
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.forms.views import PoolView, PositionView
from pipeline.venues.uniswap_v3.show import UniswapV3Views

VIEWS = UniswapV3Views(acting_deployment(policy()))
AMOUNTS = {"principal0", "principal1", "fees0", "fees1"}
REACHED: Counter[str] = Counter()
"""How often the comparison was reached with what; told by the last test."""


def chain(every: int) -> Any:
    return replace(policy().chain, report_every_blocks=every)


OTHER_BOOKS = (
    {"strategy": TargetBand(target_share_bps=3_000)},
    {"mode": "watch"},
    {"publishes": ()},
    {"owner": STRANGER, "accounts": (STRANGER,)},
)


def tell(watcher: ToyWatcher, act: int, every: int) -> None:
    """Do one of the things that change views: blocks, reorgs, policies, operators, repairs."""
    match act:
        case 0:
            watcher.block(3)
        case 1:
            watcher.block(0)
        case 2:
            base = watcher.fork(f"other {len(watcher.log)}")
            for _ in range(min(3, FINAL_DEPTH - 1)):
                watcher.block(2)
            watcher.revert_to(base)
        case 3:
            watcher.append(Paused(scope="all", reason="lunch", by="me"))
            watcher.append(Resumed(scope="all", reason="back", by="me"))
        case 4:
            watcher.append(Resumed(scope=f"pool/{POOL}", reason="look again", by="me"))
            watcher.read_wanted()
        case 5:
            watcher.append(Resumed(scope="shard", reason="anew", by="me"))
            watcher.read_wanted()
        case 6:
            watcher.append(PolicyRemoved(book="alpha"))
            watcher.set_policy(policy(chain=chain(every)))
        case 7:  # a second book takes the pool up that the shard follows already
            beta = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": ()}
            watcher.set_policy(policy(chain=chain(every), **beta))
        case 8:
            watcher.append(PolicyRemoved(book="beta"))
        case _:
            changed = OTHER_BOOKS[act % len(OTHER_BOOKS)]
            if "owner" in changed:
                watcher.append(PolicyRemoved(book="beta"))
            watcher.set_policy(versioned(replace(policy(chain=chain(every)), **changed)))


def from_the_state(shard: Shard, now: Provenance) -> dict[str, Any]:
    """Compute each view anew, by nothing but the entries."""
    fresh = Shard(shard.id, dict(shard.tables.entries()))
    views: dict[str, Any] = {}
    for book in policies(fresh.tables):
        for pool in book.publishes:
            state = fresh.tables.entries().get(f"pool/{pool}")
            if state is not None:
                views[f"pool/{pool}"] = VIEWS.show_pool(f"pool/{pool}", state, now)
        for key, position in own_positions(fresh, book):
            views.update(_nft(fresh, book, key, position, now))
        if why_unknown(fresh, book) is None:
            views[f"book/{book.book}"] = show_book(fresh, book, stock_of(fresh, book), now)
    return {key: _says(view) for key, view in views.items()}


def _nft(shard: Shard, book: Policy, key: str, position: Any, now: Provenance) -> dict[str, Any]:
    try:
        view = VIEWS.show_item(book, held_nft(shard, key, position), now)
    except Exception:  # noqa: BLE001 - what cannot be measured is not shown
        return {}
    holds = view.liquidity or any(getattr(view, amount) for amount in AMOUNTS)
    return {key: view} if holds else {}


def _says(view: Any) -> dict[str, Any]:
    return {name: getattr(view, name) for name in view.__struct_fields__ if name not in {"id", "because_of"}}


def _news(key: str, says: dict[str, Any]) -> dict[str, Any]:
    """Leave out changes that need not be published at once."""
    if key.startswith("book/"):
        held = [(each.token, each.wallet, each.native) for each in says["holdings"]]
        targets = [] if says["shares"] is UNSET else [(s.token, s.target_share_bps) for s in says["shares"]]
        target = says["deviation_bps"] - says["base_share_bps"]
        return {
            "held": held,
            "targets": targets,
            "target": target,
            "cell": (log_of_price(says["price"]) + 5) // 10,
        }
    skip = AMOUNTS if key.startswith("position/") and says["liquidity"] else set()
    return {name: value for name, value in says.items() if name not in skip}


def compare(watcher: ToyWatcher, *, amounts: bool) -> None:
    shard = Shard(0)
    told: dict[str, tuple[int, dict[str, Any]]] = {}
    """By key: the block that it was said of, and what."""
    for offset, event in enumerate(watcher.log):
        outputs = drive(shard, [event])
        told_now = sum(isinstance(output, PositionView) or _removes_a_position(output) for output in outputs)
        for output in outputs:
            match output:
                case Rewound(to=to):
                    told = {key: view for key, view in told.items() if view[0] <= to.number}
                case ViewRemoved():
                    told.pop(output.key, None)
                    REACHED["removed"] += 1
                case PoolView() | PositionView() | BookView():
                    told[output.key] = (output.because_of.block.number, _says(output))
        now = Provenance(shard=0, offset=offset, block=shard.tables.head, chain_id=31337)
        expected = from_the_state(shard, now)
        gone = set() if policies(shard.tables) else {f"pool/{POOL}"}  # another shard's now
        unpublished = {f"pool/{POOL}"} if f"pool/{POOL}" not in expected else gone
        left = {key: says for key, (_, says) in told.items() if key not in unpublished or key in expected}
        assert left.keys() == expected.keys(), (offset, event)
        for key, view in expected.items():
            ours, theirs = (left[key], view) if amounts else (_news(key, left[key]), _news(key, view))
            assert ours == theirs, (offset, type(event).__name__, key)
            REACHED[f"{key.partition('/')[0]} at {type(event).__name__}"] += 1
        is_unknown = expected.keys() and not any(key.startswith("book/") for key in expected)
        if is_unknown and told_now:
            REACHED[f"of unknown books at {type(event).__name__}"] += told_now


def _removes_a_position(output: Any) -> bool:
    return isinstance(output, ViewRemoved) and output.topic == PositionView.topic


def withheld(watcher: ToyWatcher) -> ToyWatcher:
    """Leave the reads of a balance out of the log: what the books have is never known."""
    item = f"balance/{OWNER}/{policy().quote}"
    watcher.log = [event for event in watcher.log if getattr(event, "item", None) != item]
    return watcher


acts = st.lists(st.integers(0, 12), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), acts)
def test_at_every_offset_the_views_are_those_of_the_state(seed, story):
    watcher = started(seed, policy(chain=chain(7)))
    for act in story:
        tell(watcher, act, 7)
    compare(watcher, amounts=False)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_told_at_every_block_the_amounts_too_are_those_of_the_state(seed, story):
    watcher = started(seed, policy(chain=chain(1)))
    for act in story:
        tell(watcher, act, 1)
    compare(watcher, amounts=True)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), acts)
def test_the_positions_of_a_book_whose_inventory_is_not_known_are_those_of_the_state(seed, story):
    watcher = started(seed, policy(chain=chain(7)))
    for act in story:
        tell(watcher, act, 7)
    compare(withheld(watcher), amounts=False)


def measured_apart(watcher: ToyWatcher) -> None:
    """Compare what is measured again after each record with what measuring all gives, while the inventory is not known."""
    shard = Shard(0)
    for event in withheld(watcher).log:
        drive(shard, [event])
        fresh = Shard(0, dict(shard.tables.entries()))
        for book in policies(shard.tables):
            shown = shard.shown.books[book.book]
            if shown.stock is None:
                all_measured = {held.item: held for held in VIEWS.shown_items(fresh, book)}
                assert shown.items[0].positions == all_measured, type(event)
                REACHED[f"measured apart at {type(event).__name__}"] += len(all_measured)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), acts)
def test_what_is_measured_apart_is_what_measuring_all_gives(seed, story):
    watcher = started(seed, policy(chain=chain(7)))
    for act in story:
        tell(watcher, act, 7)
    measured_apart(watcher)


def test_an_emptied_nft_leaves_once_nothing_is_owed():
    watcher = started(3)
    token_id = next(n for n, nft in watcher.chain.nfts.items() if nft.owner == OWNER and nft.liquidity)
    key = f"position/{policy().chain.position_manager}/{token_id}"
    watcher.chain.mine(0)
    watcher.chain.decrease(token_id, watcher.chain.nfts[token_id].liquidity)
    watcher.tell()
    before = len(watcher.log)
    watcher.chain.mine(0)
    watcher.chain.collect(token_id)
    watcher.tell()
    shard, said = Shard(0), []
    for offset, event in enumerate(watcher.log):
        said += [(offset, o) for o in drive(shard, [event]) if getattr(o, "key", None) == key]
    owed = [view for offset, view in said if offset == before - 1]
    assert [type(view) for view in owed] == [PositionView]
    assert (owed[0].liquidity, owed[0].principal0 > 0) == (0, True)
    assert [type(view) for offset, view in said if offset >= before] == [ViewRemoved]


def test_a_book_that_takes_a_followed_pool_up_is_shown_at_once():
    """Its pool is followed for another book: an NFT is shown with its read, the book with the last it waits for."""
    watcher = started(3)
    watcher.block(0)
    beta = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": ()}
    watcher.set_policy(policy(**beta))
    shard = Shard(0)
    watcher.block(0)  # tells the native balance
    said = drive(shard, watcher.log)
    known = [view.because_of.offset for view in said if isinstance(view, BookView) and view.book == "beta"]
    nfts = [v.because_of.offset for v in said if isinstance(v, PositionView) and v.book == "beta"]
    assert known == [len(watcher.log) - 1]
    assert nfts
    assert max(nfts) < known[0], "with its read"


def test_the_stories_are_worth_telling():
    for seed in range(12):
        for act in range(13):
            watcher = started(seed, policy(chain=chain(7)))
            for each in (0, act, 0):
                tell(watcher, each, 7)
            compare(watcher, amounts=False)
            compare(withheld(watcher), amounts=False)
            measured_apart(watcher)
    assert REACHED["removed"] > 20
    for event in ("BlockSeen", "BlocksReverted", "PositionObserved"):
        assert REACHED[f"of unknown books at {event}"] > 10, REACHED
        assert REACHED[f"measured apart at {event}"] > 10, REACHED
    for kind in ("pool", "position", "book"):
        for event in ("BlockSeen", "BlocksReverted", "PolicySet", "PositionObserved", "Paused"):
            assert REACHED[f"{kind} at {event}"] > 5, (kind, event, REACHED)


def test_an_nft_is_measured_again_when_another_changes_what_the_pool_holds_for_both():
    """On a range out of reach, so that its pool does not change with it."""
    watcher = started(3)
    chain = watcher.chain
    chain.mine(0)
    first, second = (chain.mint(OWNER, 1_000, 1_100, 10**15) for _ in range(2))
    watcher.tell()
    for change in (lambda: chain.decrease(first, 10**14), lambda: chain.collect(first)):
        chain.mine(0)
        change()
        watcher.tell()
    measured_apart(watcher)
    assert {first, second} <= chain.nfts.keys()
