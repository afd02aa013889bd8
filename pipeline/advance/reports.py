"""Apply the signer's reports on an intent. Whether its transaction was mined is read from the chain's receipts."""

from msgspec.structs import replace

from pipeline import keys
from pipeline.messages.effects import Intent, Plan
from pipeline.messages.events import CancellationSigned, Dropped, IntentRefused, Sent, Signed, Simulated
from pipeline.messages.outcomes import AnyStepOutcome, SignerDropped, SignerRefused
from pipeline.state.shard import Shard
from pipeline.units import Hash


def apply_report(
    shard: Shard, event: Simulated | Signed | Sent | CancellationSigned | IntentRefused | Dropped
) -> None:
    """Record nonce and hashes of an open intent, or that nothing will come of it. Repetition changes nothing."""
    key = keys.intent(event.intent)
    intent = shard.tables.find(key, Intent)
    if intent is None:
        return
    match event:
        case Signed():
            hashes = _with(intent.hashes, event.transaction_hash)
            shard.tables.put(key, replace(intent, nonce=event.nonce, hashes=hashes))
        case Sent():
            shard.tables.put(key, replace(intent, hashes=_with(intent.hashes, event.transaction_hash)))
        case CancellationSigned():
            hashes = _with(intent.cancellations, event.transaction_hash)
            shard.tables.put(key, replace(intent, cancellations=hashes))
        case IntentRefused():
            if event.reason == "predecessor":
                _follow_no_more(shard, intent, event.intent)
            _end(shard, intent, event.intent, SignerRefused(reason=event.reason))
        case Dropped():
            _end(shard, intent, event.intent, SignerDropped(cause=event.cause, detail=event.detail))
        case Simulated():
            pass


def _with(hashes: tuple[Hash, ...], new: Hash) -> tuple[Hash, ...]:
    return tuple(dict.fromkeys((*hashes, new)))


def _follow_no_more(shard: Shard, intent: Intent, digest: str) -> None:
    """Detach intents that follow a refused one: the signer has cancelled it, or does not know it."""
    plan = _plan_of(shard, intent)
    for step in plan.steps if plan is not None else ():
        if step.intent != digest or step.after is None:
            continue
        before = shard.tables.find(keys.intent(step.after), Intent)
        if before is not None:
            shard.tables.put(keys.intent(step.after), replace(before, unfollowable=True))


def _end(shard: Shard, intent: Intent, digest: str, outcome: AnyStepOutcome) -> None:
    plan = _plan_of(shard, intent)
    if plan is None:
        return
    steps = tuple(
        replace(step, outcome=outcome) if step.intent == digest and step.outcome is None else step
        for step in plan.steps
    )
    shard.tables.put(keys.plan(intent.book), replace(plan, steps=steps))


def _plan_of(shard: Shard, intent: Intent) -> Plan | None:
    plan = shard.tables.find(keys.plan(intent.book), Plan)
    return plan if plan is not None and plan.id == intent.plan else None
