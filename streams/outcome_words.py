"""Put the outcomes of plans into words."""

from collections.abc import Mapping

from pipeline.messages.outcomes import (
    AnyPlanOutcome,
    Done,
    LeaveReason,
    Left,
    NeverSent,
    Stalled,
    Stopped,
    step_outcome_text,
)

_LEFT: Mapping[LeaveReason, str] = {
    "shard_forgot": "the shard forgot what was mined",
    "book_removed": "the book was removed",
    "policy_replaced": "its policy went on without it",
    "position_gone": "what it was to move is not there any more",
    "health_low": "the health factor was low, and a plan to secure the debt took its place",
}


def outcome_text(outcome: AnyPlanOutcome) -> str:
    """Describe in a few words how a plan ended."""
    match outcome:
        case Done():
            return "done"
        case Stalled(phase=phase, reason=reason):
            return f"stalled at {phase}: {reason}"
        case Stopped(phase=phase, reason=reason, detail=detail):
            return f"stopped at {phase}: {': '.join(filter(None, (reason, detail)))}"
        case Left(phase=phase, reason=reason, item=item):
            return f"left at {phase}: {', '.join(filter(None, (_LEFT[reason], item)))}"
        case NeverSent(step=step, outcome=of_step):
            return f"never sent: {step}: {step_outcome_text(of_step)}"
