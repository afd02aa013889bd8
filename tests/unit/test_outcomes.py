"""Outcomes are data; the sentences of version 1 become the same data, and the texts for people are unchanged."""

from typing import get_args

import msgspec
import pytest
from any_message import structs
from hypothesis import given
from hypothesis import strategies as st

from pipeline.act.guards import OTHER_REASONS, guards_with, passing_reasons
from pipeline.messages.former_goals import FORMER_PHASES
from pipeline.messages.former_outcomes import (
    drop_cause,
    plan_outcome,
    refusal_in,
    stall_reason,
    step_outcome,
)
from pipeline.messages.outcomes import (
    AnyPlanOutcome,
    AnyStepOutcome,
    GuardReason,
    Left,
    NeverSent,
    RefusalReason,
    SignerDropped,
    StallReason,
    step_outcome_text,
)
from pipeline.venues.hedging.guards import UNFIT
from pipeline.venues.uniswap_v3.act.actions import UniswapV3Actions
from streams.outcome_words import outcome_text

DROPPED = {
    "nonce 5 was cancelled": "cancelled",
    "nonce 5 was cancelled: no node takes it: the sender is not an externally owned account": "not_taken",
    "nonce 5 was used by a transaction that is not ours": "replaced",
    "nonce 5 was used by a transaction that is not ours: no node takes it: gas": "replaced",
    "closed by anna@desk": "closed",
    "by a stranger": "closed",
}
dropped = st.sampled_from([SignerDropped(cause=cause, detail=text) for text, cause in DROPPED.items()])
of_steps = st.one_of(
    dropped, *(structs(kind) for kind in get_args(AnyStepOutcome) if kind is not SignerDropped)
)
never_sent = st.builds(NeverSent, step=st.sampled_from(["withdraw", "approve", "swap"]), outcome=of_steps)


def _of_then(kind):
    """An outcome whose phase, and whose reason to be left, are among those that version 1 knew."""
    if "phase" not in kind.__struct_fields__:
        return structs(kind)
    then = {"phase": st.sampled_from([*FORMER_PHASES])}
    if kind is Left:
        then |= {
            "reason": st.sampled_from(["shard_forgot", "book_removed", "policy_replaced"]),
            "item": st.just(""),
        }
    return st.builds(msgspec.structs.replace, structs(kind), **then)


of_plans = st.one_of(
    never_sent, *(_of_then(kind) for kind in get_args(AnyPlanOutcome) if kind is not NeverSent)
)


@given(of_plans)
def test_what_people_read_of_a_plan_is_what_version_1_wrote(outcome):
    assert msgspec.convert(plan_outcome(outcome_text(outcome)), AnyPlanOutcome) == outcome


def test_an_end_for_want_of_a_position_names_it():
    gone = Left(phase="withdraw", reason="position_gone", item="position/0x3a/3")
    assert (
        outcome_text(gone) == "left at withdraw: what it was to move is not there any more, position/0x3a/3"
    )


@given(of_steps)
def test_what_people_read_of_a_transaction_is_what_version_1_wrote(outcome):
    assert msgspec.convert(step_outcome(step_outcome_text(outcome)), AnyStepOutcome) == outcome


@pytest.mark.parametrize(("said", "cause"), DROPPED.items())
def test_an_old_report_of_a_dropped_intent_gets_its_cause(said, cause):
    assert drop_cause(said) == cause


@pytest.mark.parametrize("said", ["", "finished", "stalled", "never sent: gone", "left at swap: for lunch"])
def test_no_other_sentence_is_an_outcome(said):
    with pytest.raises((ValueError, LookupError)):
        plan_outcome(said)
    with pytest.raises(ValueError, match="no outcome of a transaction"):
        step_outcome(said)


def test_an_old_stall_and_an_old_refusal_give_their_reason():
    assert stall_reason("gas_price: 9 gwei: too much") == ("gas_price", "9 gwei: too much")
    assert refusal_in("swap_limited: 4 of 5") == "swap_limited"
    assert refusal_in("no end within 60 s") is None


def test_every_reason_is_one_that_there_is():
    guards = guards_with(UniswapV3Actions.guards)
    hedges = ("oracle_stale", "oracle", *UNFIT, "carry", "debt", "health")
    assert list(get_args(GuardReason)) == [*guards, *hedges]
    assert set(get_args(StallReason)) == {*guards, *hedges, *OTHER_REASONS}
    assert {*get_args(StallReason), *get_args(RefusalReason)} >= passing_reasons()
