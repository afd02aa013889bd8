"""A shard with decisions under former rules: what is compared, from which offset, and the state that a fold needs to begin there."""

from collections import defaultdict

import pytest
from stories import story

from pipeline import rules
from pipeline.decide import gates
from pipeline.decide.strategies import STRATEGIES, Rest
from pipeline.messages.entries import DecidedUnder
from pipeline.messages.policy import TargetBand
from pipeline.state import rule_changes
from pipeline.state.shard import Shard
from pipeline.units import ShardId
from streams import fold_comparison
from streams.fold_comparison import Refold
from streams.kafka.codec import decode_entry, decode_output, encode_entry
from streams.kafka.readers import Record
from streams.kafka.topics import DEAD_LETTERS, OUTPUTS
from streams.work.fold import fold_record

SHARD = ShardId(1)
LOG = story(0)
TOPICS = [*(topic.name for topic in OUTPUTS), DEAD_LETTERS.name]
REVERT = next(at for at, payload in enumerate(LOG) if payload and b'"BlocksReverted"' in payload)


@pytest.fixture
def under(monkeypatch):
    """Decide under rules of a number; odd ones never propose."""

    def change(number: int) -> None:
        idle = {TargetBand: lambda *_: Rest(reason="odd rules")}
        monkeypatch.setattr(rules, "RULES", number)
        monkeypatch.setattr(gates, "STRATEGIES", idle if number % 2 else STRATEGIES)

    return change


class Deployment:
    """A shard with what it has said, as its topics keep it; the state goes through bytes at each stop."""

    def __init__(self) -> None:
        self.shard = Shard(SHARD)
        self.said = defaultdict(list)
        self.kept: dict[str, bytes] = {}

    def fold(self, start: int, end: int) -> None:
        self.shard = Shard(SHARD, {key: decode_entry(key, raw) for key, raw in self.kept.items()})
        for offset in range(start, end):
            for each in fold_record(self.shard, offset, LOG[offset]):
                place = len(self.said[each.topic])
                self.said[each.topic].append(Record(each.topic, SHARD, place, each.key, each.value, 0))
        for key, value in self.shard.tables.changes().items():
            self.kept.pop(key, None)
            if value is not None:
                self.kept[key] = encode_entry(value)


def refolded(deployment: Deployment) -> Refold:
    again = Refold(deployment.shard)
    for offset, payload in enumerate(LOG[: deployment.shard.cursor + 1]):
        again.take(offset, payload)
    return again


def wrong(deployment: Deployment) -> list[str]:
    again = refolded(deployment)
    told = [again.compare(topic, deployment.said[topic], grows=False)[1] for topic in TOPICS]
    return [*filter(None, told), *again.entries_that_differ(deployment.shard.tables.entries())]


def upgraded(under, *places: int) -> Deployment:
    """Fold the story under rules 1, 2, ..., each from a place on."""
    deployment = Deployment()
    for number, (start, end) in enumerate(zip((0, *places), (*places, len(LOG)), strict=True), 1):
        under(number)
        deployment.fold(start, end)
    return deployment


def test_outputs_carry_the_rules_that_they_were_said_under(under):
    deployment = upgraded(under, REVERT)
    found = [
        decode_output(each.value) for topic in TOPICS[:-1] for each in deployment.said[topic] if each.value
    ]
    assert {(each.rules, each.because_of.offset >= REVERT) for each in found} == {(1, False), (2, True)}


def test_a_shard_that_begins_was_decided_under_ours_from_its_first_record_on(under):
    deployment = upgraded(under)
    (begun,) = [entry for _, entry in deployment.shard.tables.group("rules", DecidedUnder)]
    assert begun == DecidedUnder(first_offset=0, decided={}, overwritten={})
    assert refolded(deployment).span.is_whole
    assert wrong(deployment) == []


@pytest.mark.parametrize("place", [3, REVERT - 3, REVERT - 1, REVERT, REVERT + 3, len(LOG) - 1])
def test_what_our_rules_decided_is_compared_from_where_they_began(under, place):
    deployment = upgraded(under, place)
    begun = deployment.shard.tables.need("rules/2", DecidedUnder)
    assert begun.first_offset == place
    assert wrong(deployment) == []
    again = refolded(deployment)
    assert again.span.told().startswith(f"decisions from offset {place} on, under rules 2")
    assert again.compare("swaps.v1", deployment.said["swaps.v1"], grows=False)[0] == len(
        deployment.said["swaps.v1"]
    )


def test_without_what_had_been_decided_the_same_comparison_fails(under, monkeypatch):
    """The other test could not fail otherwise."""
    deployment = upgraded(under, REVERT - 1)
    assert deployment.shard.tables.need("rules/2", DecidedUnder).overwritten
    monkeypatch.setattr(fold_comparison, "begin_at", lambda *_: None)
    assert wrong(deployment)


def test_without_what_blocks_had_overwritten_a_reorg_behind_it_shows(under, monkeypatch):
    deployment = upgraded(under, REVERT - 1)
    begun = deployment.shard.tables.need("rules/2", DecidedUnder)
    bare = DecidedUnder(first_offset=begun.first_offset, decided=begun.decided, overwritten={})
    monkeypatch.setattr(fold_comparison, "begin_at", lambda shard, _: rule_changes.begin_at(shard, bare))
    assert wrong(deployment)


def test_a_decision_that_ours_would_not_make_is_found(under):
    deployment = upgraded(under, REVERT)
    said = deployment.said["decisions.v1"]
    ours = next(at for at, each in enumerate(said) if decode_output(each.value).because_of.offset >= REVERT)
    said[ours] = said[ours]._replace(value=said[ours].value.replace(b'"rules":"2"', b'"rules":"1"'))
    assert wrong(deployment)


def test_a_decision_of_other_rules_is_not_compared_and_what_is_the_chains_is(under):
    deployment = upgraded(under, REVERT)
    said = deployment.said["decisions.v1"]
    said[0] = said[0]._replace(value=said[0].value.replace(b'"reason":"', b'"reason":"un'))
    assert wrong(deployment) == []
    swaps = deployment.said["swaps.v1"]
    swaps[0] = swaps[0]._replace(value=swaps[0].value.replace(b'"log_index":"', b'"log_index":"1'))
    assert len(wrong(deployment)) == 1


def test_who_goes_back_to_older_rules_compares_what_it_decided_last(under):
    deployment = upgraded(under, 8, REVERT)
    under(1)
    assert refolded(deployment).span.told().startswith("decisions from offset 0 on up to 7, under rules 1")
    assert wrong(deployment) == []
    under(7)
    assert refolded(deployment).span.told().startswith("no decision: none was made under rules 7")
    assert wrong(deployment) == []
    under(2)
    assert wrong(deployment) == []
