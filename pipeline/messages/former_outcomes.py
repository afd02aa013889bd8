"""Outcomes in the form of version 1: sentences. Only upgraders read them.

Each function takes a sentence as an Evenkeel wrote it, gives the fields of its tagged form, and raises ValueError for another.
"""

import re
from typing import Any, get_args

from pipeline.messages.outcomes import DropCause, StallReason

_LEFT = {
    "the shard forgot what was mined": "shard_forgot",
    "the book was removed": "book_removed",
    "its policy went on without it": "policy_replaced",
}
_ENDED_AT = re.compile(r"(stalled|stopped|left) at (\w+): (.*)", re.DOTALL)
_NEVER_SENT = re.compile(r"never sent: (\w+): (.*)", re.DOTALL)
_ONE_WORD = ("unanswered", "reverted", "cancelled")


def drop_cause(reason: str) -> DropCause:
    """Derive the cause of a dropped intent from the sentence of `Dropped`; a sentence that no signer writes is an operator's."""
    if reason.endswith("cancelled"):
        return "cancelled"
    if " was cancelled: no node takes it: " in reason:
        return "not_taken"
    return "replaced" if " was used by a transaction that is not ours" in reason else "closed"


def step_outcome(said: str) -> dict[str, Any]:
    """Parse the sentence of a transaction's outcome."""
    if said in _ONE_WORD:
        return {"kind": said}
    kind, colon, rest = said.partition(": ")
    if kind == "refused" and colon:
        return {"kind": kind, "reason": rest}
    if kind == "dropped" and colon:
        return {"kind": kind, "cause": drop_cause(rest), "detail": rest}
    if kind == "lost" and colon:
        return {"kind": kind}
    raise ValueError(f"no outcome of a transaction: {said!r}")


def of_step(said: str) -> dict[str, Any]:
    """Parse `STEP: OUTCOME` into step and outcome."""
    step, _, outcome = said.partition(": ")
    return {"step": step, "outcome": step_outcome(outcome)}


def plan_outcome(said: str) -> dict[str, Any]:
    """Parse the sentence of a plan's outcome."""
    if said == "done":
        return {"kind": "done"}
    if found := _NEVER_SENT.fullmatch(said):
        return {"kind": "never_sent", "step": found[1], "outcome": step_outcome(found[2])}
    if not (found := _ENDED_AT.fullmatch(said)):
        raise ValueError(f"no outcome of a plan: {said!r}")
    kind, phase, why = found.groups()
    if kind == "left":
        return {"kind": kind, "phase": phase, "reason": _LEFT[why]}
    reason, colon, detail = why.partition(": ")
    stopped = {"detail": detail} if kind == "stopped" and colon else {}
    return {"kind": kind, "phase": phase, "reason": reason, **stopped}


def stall_reason(said: str) -> tuple[str, str]:
    """Parse `REASON: DETAIL` into reason and detail."""
    reason, _, detail = said.partition(": ")
    return reason, detail


def refusal_in(said: str) -> str | None:
    """Return the reason at the beginning of a refused dry-run's sentence, if it is a reason of a plan."""
    reason = said.partition(":")[0]
    return reason if reason in get_args(StallReason) else None
