"""`apply`, `pause`, `resume` and `adopt` on a real broker: which records they append, and where."""

import pytest
from builders import MANAGER as TOY_MANAGER
from builders import OWNER, STRANGER
from builders import POOL as TOY_POOL
from cli_desk import MANAGER, OTHER_POOL, PARTITIONS, POOL, a_book, live_portfolio

from pipeline.keys import allowance
from pipeline.messages.base import BlockRef
from pipeline.messages.effects import Plan
from pipeline.messages.entries import Allowance, Cursor, Quarantine, Route
from pipeline.messages.events import PositionAdopted
from pipeline.units import BlockNumber
from pipeline.venues.uniswap_v3.act.actions import PHASES
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange, goal_of
from streams.kafka.codec import encode_entry
from streams.kafka.topics import (
    STATE,
    shard_of,
)

pytestmark = pytest.mark.kafka
HELD = Quarantine(reason="a test", at_block=BlockNumber(1))


def test_apply_appends_each_book_to_its_shard_once(desk):
    desk.portfolio(a_book("one", 1), a_book("two", 2), a_book("three", 3))
    dry = desk.run("apply", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.count(" new ") == 3

    first = desk.run("apply")
    assert (first.code, first.err) == (0, "")
    assert first.out.count(" new ") == 3
    after_first = desk.policies()
    assert {book for book, _ in after_first} == {"one", "two", "three"}
    for shard in range(PARTITIONS):
        for event in desk.log(shard):
            assert shard_of(event.policy.book, PARTITIONS) == shard

    again = desk.run("apply")
    assert again.code == 0
    assert again.out.count("as it is") == 3
    assert desk.policies() == after_first


def test_apply_appends_only_what_changed(desk):
    desk.portfolio(a_book("one", 1), a_book("two", 2, pool=OTHER_POOL))
    desk.run("apply")
    desk.portfolio(a_book("one", 1), a_book("two", 2, pool=OTHER_POOL, band="12%"))
    dry = desk.run("apply", "--dry-run")
    assert "strategy.band 10% -> 12%" in dry.out
    assert len(desk.policies()) == 2
    desk.run("apply")
    assert sorted(book for book, _ in desk.policies()) == ["one", "two", "two"]


def test_apply_reads_what_the_shard_has_committed_and_the_log_after_it(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    (event,) = desk.log(shard)
    entries = [("policy/one", event.policy), ("cursor", Cursor(offset=0))]
    desk.commit(shard, *((STATE.name, key, encode_entry(value)) for key, value in entries))
    assert "as it is" in desk.run("apply").out
    # the same under a cursor whose policy is gone: refused by the shard, say, or removed
    desk.commit(shard, (STATE.name, "policy/one", None))
    assert " new " in desk.run("apply").out
    assert "as it is" in desk.run("apply").out  # found in the log behind the cursor
    assert len(desk.log(shard)) == 2


def test_a_book_is_removed_with_prune_only(desk):
    desk.portfolio(a_book("one", 1), a_book("two", 2))
    desk.run("apply")
    desk.portfolio(a_book("one", 1))
    kept = desk.run("apply")
    assert kept.err == "still in force, not in the file: two (--prune removes them)\n"
    pruned = desk.run("apply", "--prune")
    assert "removed" in pruned.out
    assert desk.run("apply", "--prune").out.count("removed") == 0


def test_another_number_of_partitions_is_refused(desk, monkeypatch):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    monkeypatch.setenv("EVENKEEL_PARTITIONS", "5")
    refused = desk.run("apply")
    assert refused.code == 1
    assert "partitions is 3, must be 5" in refused.err


def test_pause_and_resume_go_where_they_belong(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    assert desk.run("pause", "book/one", "--reason", "lunch").code == 0
    assert desk.run("resume", "all").code == 0
    assert [type(event).__name__ for event in desk.log(shard)] == ["PolicySet", "Paused", "Resumed"]
    assert desk.log(shard)[1].reason == "lunch"
    for other in set(range(PARTITIONS)) - {shard}:
        assert [type(event).__name__ for event in desk.log(other)] == ["Resumed"]
    assert desk.run("resume", f"shard/{shard}").code == 0
    assert [event.scope for event in desk.log(shard)[1:]] == ["book/one", "all", "shard"]
    assert f"shard/{PARTITIONS} is not a shard: 0 to 2" in desk.run("resume", f"shard/{PARTITIONS}").err
    unknown = desk.run("pause", "book/onee")
    says = "error: there is no book onee; did you mean one?\n"
    assert (unknown.code, unknown.err) == (1, says)


@pytest.mark.parametrize(
    "item",
    [
        "pool/0x123",
        "pool/0x",
        f"position/{MANAGER}/-1",
        f"position/{MANAGER}/x",
        f"balance/{MANAGER}",
        f"pool/{OTHER_POOL}",
        f"aave-account/{OTHER_POOL}/{MANAGER}",
    ],
)
def test_a_resume_of_what_nobody_follows_writes_nothing(kept, desk, item):
    before = [len(desk.log(shard)) for shard in range(PARTITIONS)]
    done = desk.run("resume", item)
    assert done.code == 1
    assert item in done.err
    assert [len(desk.log(shard)) for shard in range(PARTITIONS)] == before


def test_a_resume_of_an_item_goes_to_the_shards_that_follow_it(kept, desk):
    before = [len(desk.log(shard)) for shard in range(PARTITIONS)]
    assert desk.run("resume", f"pool/{TOY_POOL}").code == 0
    grown = [len(desk.log(shard)) - n for shard, n in enumerate(before)]
    assert grown == [int(shard == kept.shard.id) for shard in range(PARTITIONS)]


def test_any_venues_item_in_quarantine_can_be_resumed(kept, desk):
    """A lending market's account, its market, its reserves: whatever a screen names as held."""
    account = f"aave-account/{OTHER_POOL}/{OWNER}"
    kept.commit(**{f"route/{account}": Route(), f"quarantine/{account}": HELD})
    done = desk.run("resume", account)
    assert (done.code, done.err.count(account)) == (0, 1), done.err
    assert desk.log(kept.shard.id)[-1].scope == account


def test_what_a_stranger_sent_is_named_and_an_operator_adopts_it(kept, desk):
    had = desk.run("inventory", "--json").objects[0]["set_apart"]
    chain = kept.watcher.chain
    chain.mine(0)
    number = chain.mint(OWNER, -500, 500, 10**12, sender=STRANGER)
    kept.watcher.tell()
    kept.append()
    kept.commit()
    item = f"position/{TOY_MANAGER}/{number}"
    (told,) = desk.run("inventory", "--json").objects
    assert set(told["set_apart"]) - set(had) == {item}
    numbers = ", ".join(each.rpartition("/")[2] for each in told["set_apart"])
    for command in ("inventory", "positions"):
        assert f"alpha: does without NFT {numbers}, which" in desk.run(command).err
    before = len(desk.log(kept.shard.id))
    for wrong in (("999",), (str(number), "--book", "beta")):
        assert desk.run("adopt", *wrong).code == 1
    assert len(desk.log(kept.shard.id)) == before
    assert desk.run("adopt", str(number), "--reason", "mine").code == 0
    assert desk.run("adopt", str(number), "--ignore", "--book", "alpha").code == 0
    words = [e for e in desk.log(kept.shard.id) if isinstance(e, PositionAdopted)]
    assert [(e.item, e.ours, e.reason) for e in words] == [(item, True, "mine"), (item, False, "by hand")]


def test_a_live_book_leaves_no_plan_in_the_middle_unless_told(desk):
    file = live_portfolio(desk)
    assert desk.run("apply", "--live").code == 0
    shard = shard_of("one", PARTITIONS)
    plan = Plan(
        id="plan.0.1.aa",
        made_at=BlockRef(number=1, hash="0x1", parent_hash="0x0", timestamp_s=1),
        goal=goal_of(PoolRange(pool=POOL, tick_lower=-10, tick_upper=10, withdraw=(1,))),
        phases=PHASES,
        notional_quote=1,
    )
    desk.commit(shard, (STATE.name, "plan/one", encode_entry(plan)))

    def leave(*words: str):
        file.write_text(file.read_text().replace("mode: live", "mode: watch"))
        return desk.run("apply", "--live", *words)

    told = leave()
    assert told.code == 1
    assert "book one leaves live, but its plan plan.0.1.aa is open, at withdraw: let it end first" in told.err
    assert [e.policy.mode for e in desk.log(shard)] == ["live"]
    file.write_text(file.read_text().replace("mode: watch", "mode: live").replace("100", "200"))
    assert desk.run("apply", "--live").code == 0, "another width changes nothing that a plan rests on"
    assert leave("--leave-plans").code == 0
    assert [e.policy.mode for e in desk.log(shard)] == ["live", "live", "watch"]


def test_a_live_book_whose_spenders_may_go_on_taking_does_not_leave_unless_told(desk):
    """Without its policy nobody would take back what it lets stand."""
    file = live_portfolio(desk, rerange="{half_width: 1%, standing_quote: 500}")
    assert desk.run("apply", "--live").code == 0
    shard = shard_of("one", PARTITIONS)
    (policy,) = [event.policy for event in desk.log(shard)]
    key = allowance(policy.owner, policy.quote, policy.chain.position_manager)
    desk.commit(shard, (STATE.name, key, encode_entry(Allowance(amount=7))))
    bound, text = "standing_quote: 500", file.read_text()
    file.write_text(text.replace("mode: live", "mode: watch"))
    told = desk.run("apply", "--live")
    assert told.code == 1
    says = f"book one leaves live, but spenders may still take of its owner's tokens: 7 of {policy.quote} by {MANAGER}"
    assert says in told.err
    assert "--leave-plans leaves them" in told.err
    file.write_text(text.replace(bound, "standing_quote: 0"))
    assert desk.run("apply", "--live").code == 0, "now they are taken back"
    file.write_text(text.replace("mode: live", "mode: watch"))
    assert desk.run("apply", "--live").code == 0, "what no policy lets stand keeps nobody"
    assert [event.policy.mode for event in desk.log(shard)] == ["live", "live", "watch"]
