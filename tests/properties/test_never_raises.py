"""Any record in any order stops at most its item, its book or its shard, with a reason."""

from collections import Counter

import pytest
from any_message import structs
from builders import POOL, policy, started
from depth import examples
from desk import Desk, live
from forms import EVENTS
from hostile import Hostile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.advance import advance
from pipeline.drive import drive
from pipeline.follow.routes import Arrival, follow
from pipeline.keys import family
from pipeline.messages.decisions import Quarantined, ShardHalted
from pipeline.messages.entries import Halted
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksReverted, PolicySet, Resumed
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Offset, ShardId
from pipeline.venues.uniswap_v3.forms.entries import Pool
from streams.kafka.codec import decode_entry, decode_output, encode, encode_entry
from streams.watch.port import ROUTING
from streams.work.fold import fold_record

some = settings(
    max_examples=examples(40),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
REACHED: Counter[str] = Counter()
"""How often the examples came how far; told by the last test."""


def deep(seed: int, *, is_live: bool) -> tuple[Shard, Tables, int]:
    """A shard with much state, a watcher's tables of it, and the next offset."""
    if is_live:
        desk = Desk(live(), seed=seed)
        desk.block(push=True)
        return desk.shard, desk.watcher.routes, desk.offset
    watcher = started(seed)
    for _ in range(4):
        watcher.block()
    shard = Shard(ShardId(0))
    drive(shard, watcher.log)
    return shard, watcher.routes, len(watcher.log)


def take(shard: Shard, routes: Tables, offset: int, event: AnyEvent) -> None:
    """Take a record in as the worker and the watcher do; both must be able to go on, and to write down where they stand."""
    payload = encode(event)
    records = fold_record(shard, Offset(offset), payload)
    arrival = follow(routes, event).arrival
    for key, value in shard.tables.changes().items():
        key.encode()
        if value is not None:
            decode_entry(key, encode_entry(value))
    shard.tables.committed()
    kinds = set()
    for record in records:
        assert len(record.key or b"") < 1_024
        if record.value is not None and record.topic != "dead-letters.v1":
            kinds.add(type(decode_output(record.value)).__name__)
    REACHED[f"{type(event).__name__} {arrival.name}"] += 1
    REACHED.update(kinds)


def agree(shard: Shard, routes: Tables, *, but: frozenset[str] = frozenset()) -> bool:
    """Ask whether worker and watcher follow the same: what is halted by a step the watcher need not know."""
    families = ROUTING - {keys.CURSOR, "halted", "frame"} - but
    ours, theirs = (
        {k: v for k, v in tables.entries().items() if family(k) in families}
        for tables in (shard.tables, routes)
    )
    return ours == theirs


logs = given(st.integers(0, 3), st.booleans(), st.integers(1, 8), st.data())


@logs
@some
def test_no_log_raises_and_an_operator_gets_the_shard_past_it(seed, is_live, count, data):
    tell(seed, is_live, count, data)


def tell(seed: int, is_live: bool, count: int, data: st.DataObject) -> None:
    shard, routes, offset = deep(seed, is_live=is_live)
    hostile, halted = Hostile(data.draw, shard.tables), False
    for _ in range(count):
        take(shard, routes, offset, hostile.event())
        offset += 1
        halted = halted or shard.tables.find("halted", Halted) is not None
        assert halted or agree(shard, routes)
    take(shard, routes, offset, Resumed(scope="shard", reason="go on", by="me"))
    assert shard.tables.find("halted", Halted) is None
    assert shard.tables.head is None
    take(shard, routes, offset + 1, PolicySet(policy=policy(mode="watch")))
    assert agree(shard, routes, but=frozenset({"highest-head", "set-aside"})), (
        "it heard no block while it was halted"
    )


@given(st.lists(st.one_of([structs(kind) for kind in EVENTS]), max_size=6))
@settings(some, max_examples=examples(30))
def test_no_order_of_any_messages_raises_on_a_new_shard(events):
    shard, routes = Shard(ShardId(0)), Tables()
    for offset, event in enumerate(events):
        take(shard, routes, offset, event)


@given(st.integers(0, 5), st.data())
@settings(some, max_examples=examples(25))
def test_what_is_undone_was_never_written(seed, data):
    """`undo` brings back entries and frames, and leaves nothing to be committed."""
    shard, _, offset = deep(seed, is_live=False)
    tables = shard.tables
    tables.committed()
    before = (
        {**tables.entries()},
        {r.number: dict(tables._frames[r.number].overwritten) for r in tables.sealed_blocks()},
    )
    event = Hostile(data.draw, tables).event()
    advance(shard, Offset(offset), event)
    tables.undo()
    after = (
        {**tables.entries()},
        {r.number: dict(tables._frames[r.number].overwritten) for r in tables.sealed_blocks()},
    )
    assert after == before
    assert {k for k in tables.changes() if family(k) != "frame"} == set()
    assert {k: v for k, v in tables._groups.items() if v} == _groups_of(tables)


def _groups_of(tables: Tables) -> dict[str, dict[str, object]]:
    return {k: v for k, v in Tables(tables.entries())._groups.items() if v}


def test_the_examples_come_far():
    """Drawn again here, each time the same, so that this says something wherever it runs alone."""
    REACHED.clear()
    logs(settings(some, derandomize=True, max_examples=300)(tell))()
    assert REACHED["BlockSeen APPLIES"] > 60
    assert REACHED["PolicySet APPLIES"] > 40
    assert REACHED["BlocksReverted APPLIES"] > 5
    assert REACHED["PoolObserved APPLIES"] + REACHED["BalanceObserved APPLIES"] > 10
    assert REACHED["Quarantined"] > 10
    assert REACHED["BookView"] + REACHED["RebalanceProposed"] + REACHED["Declined"] > 40


# ------------------------------------------------------------------ each kind of end, once by hand
def test_a_pool_that_was_never_initialised_declines_and_stops_nobody_else():
    shard, _, offset = deep(1, is_live=False)
    shard.tables.put(f"pool/{POOL}", _without_price(shard.tables.need(f"pool/{POOL}", Pool)))
    shard.drop_working_copies()
    head = shard.tables.head
    event = BlockSeen(term=1, block=_next(head), base_fee_wei=7, logs=(), reads=_native(shard), receipts=())
    outputs = advance(shard, Offset(offset), event)
    assert [(o.gate, o.reason) for o in outputs if hasattr(o, "gate")] == [("value", "no_price")]


def test_what_a_step_raises_outside_its_guards_halts_the_shard_until_resumed(monkeypatch):
    from pipeline import advance as composition

    shard, routes, offset = deep(1, is_live=False)
    before = dict(shard.tables.entries())

    def broken(*_, **__):
        shard.tables.put(f"pool/{POOL}", None)
        raise ZeroDivisionError("a test")

    with monkeypatch.context() as patch:
        patch.setattr(composition, "advance_block", broken)
        event = BlockSeen(
            term=1, block=_next(shard.tables.head), base_fee_wei=7, logs=(), reads=(), receipts=()
        )
        (said,) = advance(shard, Offset(offset), event)
    assert isinstance(said, ShardHalted)
    assert said.reason == "BlockSeen could not be taken in: ZeroDivisionError: a test"
    assert shard.tables.entries()[f"pool/{POOL}"] == before[f"pool/{POOL}"]
    follow(routes, event)
    assert agree(shard, routes), "the watcher, who knows no steps, follows the same"
    assert advance(shard, Offset(offset + 1), event) == ()
    advance(shard, Offset(offset + 2), Resumed(scope="shard", reason="go", by="me"))
    assert shard.tables.find("halted", Halted) is None


@pytest.mark.parametrize("broken", ["_told_positions", "shown_pools", "shown_book", "profile"])
def test_what_raises_while_views_are_told_halts_the_shard_until_resumed(broken, monkeypatch):
    from pipeline.advance import publish_views

    shard, routes, offset = deep(1, is_live=False)
    event = BlockSeen(term=1, block=_next(shard.tables.head), base_fee_wei=7, logs=(), reads=(), receipts=())

    def fails(*_, **__):
        raise KeyError("a test")

    with monkeypatch.context() as patch:
        patch.setattr(publish_views, broken, fails)
        said = advance(shard, Offset(offset), event)
        assert [alert.reason for alert in said if isinstance(alert, ShardHalted)] == [
            "BlockSeen could not be taken in: KeyError: 'a test'"
        ]
        follow(routes, event)
        assert agree(shard, routes)
    advance(shard, Offset(offset + 1), Resumed(scope="shard", reason="go", by="me"))
    assert shard.tables.find("halted", Halted) is None


def test_a_state_that_cannot_be_shown_halts_its_shard_until_it_is_resumed(monkeypatch):
    from pipeline.advance import publish_views, shard_views

    shard, _, offset = deep(1, is_live=False)
    collect = shard_views.shown_pools

    def fails(shard):
        if shard.tables.head is not None:
            raise KeyError("a test")
        return collect(shard)

    for module in (shard_views, publish_views):
        monkeypatch.setattr(module, "shown_pools", fails)
    shard.forget_looks()
    event = BlockSeen(term=1, block=_next(shard.tables.head), base_fee_wei=7, logs=(), reads=(), receipts=())
    (halted,) = advance(shard, Offset(offset), event)
    assert isinstance(halted, ShardHalted)
    advance(shard, Offset(offset + 1), Resumed(scope="shard", reason="go", by="me"))
    assert shard.tables.find("halted", Halted) is None


def test_what_raises_while_it_is_followed_halts_worker_and_watcher_alike(monkeypatch):
    from pipeline.follow import routes as module

    shard, routes, offset = deep(1, is_live=False)

    def broken(tables, _):
        tables.put("highest-head", None)
        raise RuntimeError("a test")

    event = BlocksReverted(term=1, to=shard.tables.head, reverted=())
    with monkeypatch.context() as patch:
        patch.setattr(module, "_follow_revert", broken)
        (said,) = advance(shard, Offset(offset), event)
        assert follow(routes, event).arrival is Arrival.HALTS
    assert isinstance(said, ShardHalted)
    assert routes.need("halted", Halted) == shard.tables.need("halted", Halted)
    assert "highest-head" in shard.tables.entries()
    assert agree(shard, routes)


def test_a_book_that_fails_after_it_has_written_leaves_no_trace_of_it(monkeypatch):
    from pipeline.advance import books
    from pipeline.messages.effects import BookEffects

    shard, _, offset = deep(1, is_live=False)
    before = shard.tables.find("effects/alpha", BookEffects)

    def broken(context, *_):
        context.shard.tables.put("effects/alpha", BookEffects(proposals=99))
        raise RuntimeError("a test")

    monkeypatch.setattr(books, "_conclude", broken)
    event = BlockSeen(term=1, block=_next(shard.tables.head), base_fee_wei=7, logs=(), reads=(), receipts=())
    outputs = advance(shard, Offset(offset), event)
    assert [o.item for o in outputs if isinstance(o, Quarantined)] == ["book/alpha"]
    assert shard.tables.find("effects/alpha", BookEffects) == before
    again = BlockSeen(term=1, block=_next(shard.tables.head), base_fee_wei=7, logs=(), reads=(), receipts=())
    outputs = advance(shard, Offset(offset + 1), again)
    assert not [o for o in outputs if isinstance(o, Quarantined)], "it was told"


def _without_price(pool: Pool) -> Pool:
    from msgspec.structs import replace

    return replace(pool, sqrt_price_x96=0, tick=0, liquidity=0)


def _next(head):
    from pipeline.messages.base import BlockRef

    return BlockRef(
        number=head.number + 1,
        hash=f"0x{head.number + 1:064x}",
        parent_hash=head.hash,
        timestamp_s=head.timestamp_s + 12,
    )


def _native(shard):
    from builders import OWNER

    from pipeline.messages.read_values import NativeBalance

    return (NativeBalance(account=OWNER, amount_wei=10**18),)
