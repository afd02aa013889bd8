"""What the signer says it did with an intent. Whether it was mined is the chain's to tell."""

from msgspec.structs import replace

from pipeline.messages.effects import Intent, Plan
from pipeline.messages.events import Dropped, IntentRefused, Sent, Signed, Simulated
from pipeline.shard import Shard


def take_report(shard: Shard, event: Simulated | Signed | Sent | IntentRefused | Dropped) -> None:
    """Note nonce and hashes of an open intent, or that nothing will come of it. Repetition changes nothing."""
    key = f"intent/{event.intent}"
    intent = shard.tables.find(key, Intent)
    if intent is None:
        return
    match event:
        case Signed():
            hashes = tuple(dict.fromkeys((*intent.hashes, event.transaction_hash)))
            shard.tables.put(key, replace(intent, nonce=event.nonce, hashes=hashes))
        case Sent():
            hashes = tuple(dict.fromkeys((*intent.hashes, event.transaction_hash)))
            shard.tables.put(key, replace(intent, hashes=hashes))
        case IntentRefused():
            _end(shard, intent, event.intent, f"refused: {event.reason}")
        case Dropped():
            _end(shard, intent, event.intent, f"dropped: {event.reason}")
        case Simulated():
            pass


def _end(shard: Shard, intent: Intent, digest: str, outcome: str) -> None:
    key = f"plan/{intent.book}"
    plan = shard.tables.find(key, Plan)
    if plan is None or plan.id != intent.plan:
        return
    steps = tuple(
        replace(step, outcome=outcome) if step.intent == digest and step.outcome is None else step
        for step in plan.steps
    )
    shard.tables.put(key, replace(plan, steps=steps))
