"""`why` and decisions as sentences on a real broker: a sentence, and below it the records that led to it."""

import csv
import io
import json

import msgspec
import pytest
from cli_desk import PARTITIONS, a_book, block, seen
from intents import intent

from pipeline.messages.base import Cause, Price
from pipeline.messages.decisions import Declined, RebalanceProposed, StepRefused
from pipeline.messages.events import Paused, Signed
from streams.kafka.codec import encode
from streams.kafka.topics import (
    DECISIONS,
    INTENTS,
    shard_of,
)

pytestmark = pytest.mark.kafka


def test_why_walks_back_over_many_records_to_block_and_policy(desk):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    desk.append(shard, *(seen(number) for number in range(1, 41)))
    desk.portfolio(a_book("one", 1, band="20%"))
    desk.run("apply")  # stands behind the decision's cause: not the policy that was in force
    version = desk.log(shard)[0].policy.policy_version
    said = [
        Declined(
            id=f"dec.{shard}.{offset}.{offset:016x}", because_of=Cause(shard=shard, offset=offset, block=block(offset)),
            book="one", policy_version=version, gate="band", reason="inside_band",
        )
        for offset in range(3, 40, 2)
    ]  # fmt: skip
    for record in said:
        desk.commit(shard, (DECISIONS.name, "book/one", encode(record)))
        desk.commit(shard, (DECISIONS.name, "book/one", encode(record)), then="abort")
    for record in (said[0], said[7], said[-1]):
        output, cause, policy = desk.run("why", record.id, "--json").objects
        assert output["value"]["id"] == record.id
        assert cause["value"]["block"]["number"] == str(record.because_of.offset)
        assert policy["value"]["policy"]["policy_version"] == version
    shown = desk.run("why", said[7].id).out
    assert "inside_band" in shown
    assert "band_bps 1000 (10%)" in " ".join(shown.split())


def proposed(book: str, shard: int, offset: int, version: str) -> RebalanceProposed:
    return RebalanceProposed(
        id=f"reb.{shard}.{offset}.{offset:016x}", because_of=Cause(shard=shard, offset=offset, block=block(offset)),
        book=book, policy_version=version, trigger="share_outside_band", base_amount=10**18, quote_amount=10**9,
        value_quote=3 * 10**9, price=Price(numerator=1, denominator=1), base_share_bps=4_040, target_share_bps=5_000,
        deviation_bps=-960, base_to_buy=493 * 10**16, out_of_range_s=0,
    )  # fmt: skip


@pytest.fixture
def decided(desk):
    """A proposal that a guard refused, a pause, and an intent, each by a record of its own."""
    desk.portfolio(a_book("one", 1), a_book("two", 2))
    desk.run("apply")
    shard = shard_of("one", PARTITIONS)
    version = next(version for book, version in desk.policies() if book == "one")
    start = len(desk.log(shard))
    desk.append(
        shard, Paused(scope="book/one", reason="a look", by="ann@desk"), *map(seen, range(start + 1, 40))
    )
    cause = Cause(shard=shard, offset=20, block=block(20))
    refused = StepRefused(
        id=f"stall.{shard}.20.{'b' * 16}", because_of=cause, book="one", plan="plan.x", phase="withdraw",
        reason="swap_limited", detail="the price limit lets only 0 be sold",
    )  # fmt: skip
    declined = Declined(
        id=f"dec.{shard}.25.{'c' * 16}", because_of=Cause(shard=shard, offset=25, block=block(25)), book="one",
        policy_version=version, gate="pause", reason="paused", item="book/one", base_share_bps=4_000,
    )  # fmt: skip
    other = Declined(
        id=f"dec.{shard}.26.{'d' * 16}", because_of=Cause(shard=shard, offset=26, block=block(26)), book="two",
        policy_version=version, gate="band", reason="inside_band",
    )  # fmt: skip
    said = [proposed("one", shard, 20, version), refused, declined, other]
    for each in said:
        desk.commit(shard, (DECISIONS.name, f"book/{each.book}", encode(each)))
    desk.shard = shard
    return said


def test_why_begins_with_a_sentence(decided, desk):
    proposal, refused, declined, _ = decided
    first = desk.run("why", proposal.id).out.splitlines()[0]
    assert first == (
        "one: share 40.4%, band 40% to 60%: would buy 4.9300 WETH; "
        "one: refused at withdraw because swap_limited: the price limit lets only 0 be sold"
    )
    assert desk.run("why", refused.id).out.splitlines()[0].startswith("one: refused at withdraw because swap")
    first = desk.run("why", declined.id).out.splitlines()[0]
    assert first == (
        "one: share 40%, band 40% to 60%: does nothing, an operator has paused book/one; paused by ann@desk: a look"
    )


def test_an_id_with_a_wrong_digit_is_an_error_and_shows_no_block(decided, desk):
    wrong = decided[0].id[:-1] + "f"
    done = desk.run("why", wrong)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: nothing on decisions.v1 has the id {wrong}\n"


def test_why_takes_what_intents_list_shows_and_a_transactions_hash(decided, desk):
    made_at = block(30)
    shown = intent("a1" * 8, made_at=made_at, shard=desk.shard, offset=30)
    shown = msgspec.structs.replace(shown, id=f"int.{desk.shard}.30.{shown.digest}")
    hash_ = "0x" + "7c" * 32
    desk.commit(desk.shard, (INTENTS.name, "book/b1", encode(shown)))
    desk.append(desk.shard, Signed(intent=shown.digest, nonce=3, transaction_hash=hash_))
    by_id = desk.run("why", shown.id)
    assert by_id.code == 0
    assert "its signer said: Signed" in by_id.out.splitlines()[0]
    assert desk.run("why", shown.digest).out == by_id.out
    assert desk.run("why", hash_.upper().replace("0X", "0x")).out == by_id.out
    for unknown in ("f" * 16, "0x" + "00" * 32):
        assert desk.run("why", unknown).code == 1


def test_tail_says_decisions_in_words_and_raw_if_asked(decided, desk):
    words = desk.run("topics", "tail", "decisions", "--no-follow").out
    for part in (
        "would buy 4.9300 WETH",
        "refused at withdraw",
        decided[0].id,
        "two: does nothing, inside its band",
    ):
        assert part in words, part
    raw = desk.run("topics", "tail", "decisions", "--no-follow", "--raw").out
    assert "base_to_buy=4930000000000000000" in raw


def test_tail_is_filtered_by_book_type_and_time(decided, desk):
    def ids(*options: str) -> list[str]:
        lines = desk.run("topics", "tail", "decisions", "--no-follow", "--json", *options).objects
        return [line["value"]["id"] for line in lines]

    one, *_, two = [each.id for each in decided]
    assert ids("--book", "two") == [two]
    assert ids("--type", "RebalanceProposed") == [one]
    assert ids("--book", "two", "--type", "RebalanceProposed") == []
    assert (
        len(ids("--since", "1h")) == len(ids("--since", "99999d")) == len(ids("--since", "0002-01-01")) == 4
    )
    assert ids("--until", "1h") == []
    assert ids("--since", "2999-01-01T00:00") == []
    assert len(ids("--until", "2999-01-01T00:00Z", "--from-beginning")) == 4
    assert ids("--book", "one", "-n", "1") == [decided[2].id]
    for options, says in (
        (("--type", "RebalancePropsed"), "did you mean RebalanceProposed?"),
        (("--since", "yesterday"), "--since: yesterday is not a time"),
        (("--csv", "--json"), "one of them"),
    ):
        done = desk.run("topics", "tail", "decisions", "--no-follow", *options)
        assert done.code == 1
        assert says in done.err


def test_tail_writes_csv_that_reads_back(decided, desk):
    rows = list(
        csv.DictReader(io.StringIO(desk.run("topics", "tail", "decisions", "--no-follow", "--csv").out))
    )
    assert [row["id"] for row in rows] == [each.id for each in decided]
    assert [row["book"] for row in rows] == ["one", "one", "one", "two"]
    assert rows[0]["block"] == "20"
    assert json.loads(rows[0]["value"])["base_to_buy"] == str(493 * 10**16)
    assert rows[0]["sentence"].startswith("RebalanceProposed one: share 40.4%")


def test_why_of_an_id_that_is_none(desk):
    desk.create_topics()
    done = desk.run("why", "swap.0123456789abcdef")
    assert (done.code, done.err) == (1, "error: nothing on swaps.v1 has the id swap.0123456789abcdef\n")
