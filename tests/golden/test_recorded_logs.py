"""The logs of real deployments lead to the decisions, plans and transactions they led to when they were recorded."""

import pytest
from recorded_logs import names, outcome_of, read_log, read_outcome

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
