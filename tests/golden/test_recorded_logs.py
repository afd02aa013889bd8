"""The logs of real deployments lead to the same decisions, plans and transactions as when they were recorded."""

import random

import pytest
from recorded_logs import names, outcome_of, read_log, read_outcome

from pipeline.state.shard import Shard
from streams.work.fold import fold_record

NAMES = names()


def test_there_are_recordings_with_plans_reorgs_and_transactions():
    types = {each["value"]["type"] for name in NAMES for each in read_outcome(name).said if each["value"]}
    assert {
        "RebalanceProposed",
        "Declined",
        "PlanOpened",
        "PlanClosed",
        "SubmitTransaction",
        "Rewound",
    } <= types


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_log_leads_to_what_it_led_to(name):
    found, recorded = outcome_of(read_log(name)), read_outcome(name)
    for ours, theirs in zip(found.said, recorded.said, strict=False):
        assert ours == theirs
    assert len(found.said) == len(recorded.said)
    assert found.digests == recorded.digests


@pytest.mark.parametrize("name", NAMES)
def test_a_shard_that_is_loaded_anew_between_records_says_the_same(name):
    """What is only remembered decides nothing: a worker that dies between any two records goes on as if it had not."""
    recording, dice = read_log(name), random.Random(name)
    whole, loaded = Shard(recording.shard), Shard(recording.shard)
    stored: dict[str, object] = {}
    for offset, payload in recording.records:
        if dice.random() < 0.4:
            stored = {
                key: value for key, value in (stored | loaded.tables.changes()).items() if value is not None
            }
            loaded = Shard(recording.shard, stored)
        assert fold_record(loaded, offset, payload) == fold_record(whole, offset, payload), offset
    assert dict(loaded.tables.entries()) == dict(whole.tables.entries())
