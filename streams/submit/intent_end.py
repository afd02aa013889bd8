"""Determine how an intent ends whose nonce is final: mined, or the nonce used by another transaction."""

from typing import Literal

from pipeline.messages.events import Dropped
from pipeline.messages.journal import IntentKnown, NonceBound
from pipeline.messages.outcomes import DropCause


def dropped(bound: NonceBound) -> Dropped:
    """Return the end of an intent whose nonce something else used, quoting the node that accepted none of its transactions."""
    invalid = _last_invalid(bound)
    untaken = "" if invalid is None else f": no node takes it: {invalid}"
    digest, number = bound.intent.digest, bound.nonce
    if bound.inclusion is None:
        detail = f"nonce {number} was used by a transaction that is not ours{untaken}"
        return Dropped(intent=digest, cause="replaced", detail=detail)
    cause: DropCause = "cancelled" if invalid is None else "not_taken"
    return Dropped(intent=digest, cause=cause, detail=f"nonce {number} was cancelled{untaken}")


def _last_invalid(bound: NonceBound) -> str | None:
    """Return a node's last words about a transaction of the intent that it calls invalid."""
    refusals = [attempt.refusal for attempt in bound.attempts if not attempt.cancels and attempt.refusal]
    invalid = [refusal.says for refusal in refusals if refusal.kind == "invalid"]
    return invalid[-1] if invalid else None


def closed(known: IntentKnown, outcome: Literal["dropped", "final"]) -> IntentKnown:
    """End an intent."""
    return IntentKnown(
        signer=known.signer,
        intent=known.intent,
        shard=known.shard,
        position=known.position,
        outcome=outcome,
        nonce=known.nonce,
        keep_until_block=known.keep_until_block,
        unsaid=known.unsaid,
    )
