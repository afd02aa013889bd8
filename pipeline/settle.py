"""Step 8: where a plan stands, by the receipts on the branch as it is. It owns which phase is due."""

from typing import Literal

import msgspec

from pipeline.messages.effects import PHASES, Intent, Phase, Plan, PlannedStep
from pipeline.messages.entries import Mined
from pipeline.state import Tables


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan waits for: `due` a phase to be commanded, `waiting` for blocks, `broken` by a step, `finished`."""

    kind: Literal["due", "waiting", "broken", "finished"]
    phase: Phase | None = None
    reason: str = ""


def stand(plan: Plan, tables: Tables) -> Standing:
    """Walk the phases in order; a later one is due only when every transaction before it is mined and succeeded."""
    for phase in PHASES:
        if phase in plan.skipped:
            continue
        steps = [step for step in plan.steps if step.phase == phase]
        if not steps:
            return Standing(kind="due", phase=phase)
        standing = _stand_phase(phase, steps, tables)
        if standing is not None:
            return standing
    return Standing(kind="finished")


def _stand_phase(phase: Phase, steps: list[PlannedStep], tables: Tables) -> Standing | None:
    """Wait until every transaction of the phase has ended one way or the other; then tell of the first bad end."""
    bad = ""
    for step in steps:
        receipt = mined(step.intent, tables)
        if step.outcome is None and receipt is None:
            return Standing(kind="waiting", phase=phase, reason=f"{step.step}: not mined")
        if step.outcome is not None:
            bad = bad or f"{step.step}: {step.outcome}"
        elif receipt is not None and not receipt.succeeded:
            bad = bad or f"{step.step}: reverted"
    return Standing(kind="broken", phase=phase, reason=bad) if bad else None


def mined(digest: str, tables: Tables) -> Mined | None:
    """Find what became of an intent on this branch: any of its transaction's hashes may be the one."""
    intent = tables.find(f"intent/{digest}", Intent)
    if intent is None:
        return None
    found = (tables.find(f"receipt/{each}", Mined) for each in intent.hashes)
    return next((receipt for receipt in found if receipt is not None), None)


def is_open(plan: Plan | None, tables: Tables) -> bool:
    """Ask whether a plan still has something to do; a reorg may open a finished one again."""
    return plan is not None and plan.closed is None and stand(plan, tables).kind != "finished"


def never_sent(plan: Plan, tables: Tables) -> bool:
    """Ask whether no transaction of a plan was ever signed."""
    intents = [tables.find(f"intent/{step.intent}", Intent) for step in plan.steps]
    return all(intent is None or not intent.hashes for intent in intents)
