"""Step 8: determine from receipts and allowances on the branch how far a plan has come, and which phase is due."""

from typing import Literal

import msgspec

from pipeline import keys
from pipeline.messages.effects import Failure, Intent, Plan, PlannedStep
from pipeline.messages.entries import Allowance, Mined
from pipeline.messages.goals import Phase, PhaseWork, Step
from pipeline.messages.outcomes import AnyStepOutcome, CancellationMined, Reverted, SignerLost, StepOutcome
from pipeline.state.tables import Tables
from pipeline.units import BlockNumber, Hash

Fate = Literal["in flight", "mined"] | AnyStepOutcome
ALIKE = 2
"""Failures in a row for the same reason after which a phase counts as failing for good."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A phase must be commanded."""

    phase: Phase


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction may still be mined."""

    phase: Phase
    step: Step


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction failed or was dropped, so its phase must be made again."""

    phase: Phase
    step: Step
    outcome: AnyStepOutcome


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is mined, and no allowance exceeds what may stand."""


Standing = Due | Waiting | Broken | Finished


def stand(plan: Plan, tables: Tables) -> Standing:
    """Return what a plan waits for. Nothing is due while any of its transactions, dropped or not, may still be mined."""
    for step in plan.steps:
        if _fate(step, tables) == "in flight":
            return Waiting(phase=step.phase, step=step.step)
    if plan.closed is None and not _has_placed(plan, tables):
        for phase in plan.names[:-1]:
            standing = _stand_phase(plan, phase, tables)
            if standing is not None:
                return standing
    return _stand_reset(plan, tables)


def _stand_phase(plan: Plan, phase: Phase, tables: Tables) -> Standing | None:
    """Return why a phase is not over; None: it is. A phase that had nothing to do is passed by a later one."""
    if phase in plan.given_up:
        return None
    steps = kept_steps(plan, phase)
    later = plan.names[plan.names.index(phase) + 1 :]
    if not steps:
        return None if any(kept_steps(plan, each) for each in later) else Due(phase=phase)
    return _broken(phase, steps, tables)


def _stand_reset(plan: Plan, tables: Tables) -> Standing:
    """Keep a plan open until no allowance exceeds what may stand, whatever was reset on the way."""
    if not _is_exposed(plan, tables):
        return Finished()
    reset = plan.names[-1]
    return _broken(reset, kept_steps(plan, reset), tables) or Due(phase=reset)


def _broken(phase: Phase, steps: list[PlannedStep], tables: Tables) -> Broken | None:
    fates = ((step.step, _fate(step, tables)) for step in steps)
    bad = next(((step, fate) for step, fate in fates if isinstance(fate, StepOutcome)), None)
    return None if bad is None else Broken(phase=phase, step=bad[0], outcome=bad[1])


def _has_placed(plan: Plan, tables: Tables) -> bool:
    """Return whether the tokens are where the goal wants them: whatever failed before, nothing is left to move."""
    return _has_done(plan, "places", tables)


def _has_done(plan: Plan, work: PhaseWork, tables: Tables) -> bool:
    phases = plan.doing(work)
    own = (step for step in plan.steps if step.phase in phases and step.step == step.phase)
    return any(_fate(step, tables) == "mined" for step in own)


def has_moved(plan: Plan, tables: Tables) -> bool:
    """Return whether a plan's transaction has moved tokens on this branch: approvals and revocations move none."""
    return any(_has_done(plan, each.does, tables) for each in plan.phases if each.does != "resets")


def is_on_branch(plan: Plan, tables: Tables) -> bool:
    """Return whether anything signed for a plan is mined on this branch, reverted or cancelled ones included: its gas was paid."""
    intents = (tables.find(keys.intent(step.intent), Intent) for step in plan.steps)
    return any(
        _receipt((*intent.hashes, *intent.cancellations), tables) is not None
        for intent in intents
        if intent is not None
    )


def has_withdrawn_tokens(plan: Plan, tables: Tables) -> bool:
    """Return whether tokens were withdrawn from the venue, are not back there, and are still to be brought back."""
    places = plan.doing("places")
    if (places and set(places) <= set(plan.given_up)) or _has_placed(plan, tables):
        return False
    return _has_done(plan, "frees", tables)


def moves_withdrawn_tokens(plan: Plan, phase: Phase, tables: Tables) -> bool:
    """Return whether what a phase moves is outside the venue: always so for trades and placements; else what was freed in part."""
    if phase in plan.doing("trades", "places"):
        return True
    return phase in plan.doing("frees") and has_withdrawn_tokens(plan, tables)


def _is_exposed(plan: Plan, tables: Tables) -> bool:
    """Return whether an allowance exceeds what may stand; one that was not read may be anything."""
    bounds = {bound.allowance: bound.most for bound in plan.standing}
    found = ((key, tables.find(key, Allowance)) for key in plan.allowances)
    return any(each is None or each.amount > bounds.get(key, 0) for key, each in found)


# ------------------------------------------------------------------ one transaction
def _fate(step: PlannedStep, tables: Tables) -> Fate:
    """Return a transaction's outcome on this branch."""
    intent = tables.find(keys.intent(step.intent), Intent)
    receipt = None if intent is None else _receipt(intent.hashes, tables)
    if receipt is not None:
        return "mined" if receipt.succeeded else Reverted()
    if step.outcome is not None:
        return step.outcome
    if intent is not None and _receipt(intent.cancellations, tables) is not None:
        return CancellationMined()
    if intent is not None and intent.unfollowable and not intent.cancellations:
        return SignerLost()
    return "in flight"


def mined(digest: str, tables: Tables) -> Mined | None:
    """Find an intent's receipt on this branch, by any of its transaction hashes."""
    intent = tables.find(keys.intent(digest), Intent)
    return None if intent is None else _receipt(intent.hashes, tables)


def _receipt(hashes: tuple[Hash, ...], tables: Tables) -> Mined | None:
    found = (tables.find(keys.receipt(each), Mined) for each in hashes)
    return next((receipt for receipt in found if receipt is not None), None)


# ------------------------------------------------------------------ the plan
def kept_steps(plan: Plan, phase: Phase) -> list[PlannedStep]:
    """List the transactions of the last attempt at a phase."""
    return [step for step in plan.steps if step.phase == phase and not step.dropped]


def predecessor(plan: Plan, tables: Tables, final: BlockNumber) -> str | None:
    """Find the transaction that the next phase must not outlive: the last one mined on this branch, if a reorg may undo it.

    `final` is the highest block that no reorg takes. A transaction that the signer does not follow is not named again.
    """
    for step in reversed(plan.steps):
        receipt = mined(step.intent, tables)
        if receipt is not None and receipt.succeeded:
            followable = not tables.need(keys.intent(step.intent), Intent).unfollowable
            return step.intent if followable and receipt.at_block > final else None
    return None


def drop_from(plan: Plan, phase: Phase, tables: Tables, final: BlockNumber) -> tuple[Plan, list[str]]:
    """Make a phase and all later ones due again; return also the intents that can be forgotten, since nothing comes of them."""
    going = plan.names[plan.names.index(phase) :]
    steps: list[PlannedStep] = []
    forgotten: list[str] = []
    for step in plan.steps:
        if step.phase not in going:
            steps.append(step)
        elif _may_change(step, tables, final):
            steps.append(msgspec.structs.replace(step, dropped=True))
        else:
            forgotten.append(step.intent)
    return msgspec.structs.replace(plan, steps=tuple(steps), attempt=plan.attempt + 1), forgotten


def _may_change(step: PlannedStep, tables: Tables, final: BlockNumber) -> bool:
    """Return whether a reorg may change a transaction's outcome: it was signed, and its nonce is not final."""
    intent = tables.find(keys.intent(step.intent), Intent)
    if intent is None or not intent.hashes or step.outcome is not None:
        return False
    receipt = _receipt((*intent.hashes, *intent.cancellations), tables)
    return receipt is None or receipt.at_block > final


def is_open(plan: Plan | None, tables: Tables) -> bool:
    """Return whether a plan still has something to do; a reorg may reopen a finished one."""
    return plan is not None and plan.closed is None and not isinstance(stand(plan, tables), Finished)


def failure_of(plan: Plan, phase: Phase) -> Failure | None:
    """Return how the last attempt at a phase failed, if it did."""
    return next((each for each in plan.failures if each.phase == phase), None)


def note_failure(plan: Plan, phase: Phase, step: Step, outcome: AnyStepOutcome) -> Plan:
    """Count failed attempts at a phase, starting again at 1 where step or outcome differs from the last one."""
    before = failure_of(plan, phase)
    alike = before is not None and (before.step, before.outcome) == (step, outcome)
    times = before.times + 1 if before is not None and alike else 1
    others = tuple(each for each in plan.failures if each.phase != phase)
    new = Failure(phase=phase, step=step, outcome=outcome, times=times)
    return msgspec.structs.replace(plan, failures=(*others, new))


def fails_alike(plan: Plan, phase: Phase) -> bool:
    """Return whether a phase has failed twice in a row for the same reason."""
    failure = failure_of(plan, phase)
    return failure is not None and failure.times >= ALIKE


def still_watched(plan: Plan) -> tuple[str, ...]:
    """List the allowances that are watched after a plan is over: they are revoked when their bound falls."""
    return plan.allowances if plan.standing else ()


def is_final(plan: Plan, tables: Tables, final: BlockNumber) -> bool:
    """Return whether no reorg can reopen a finished plan: none of its transactions can still be mined or reverted."""
    return plan.made_at.number <= final and not any(_may_change(step, tables, final) for step in plan.steps)


def never_sent(plan: Plan, tables: Tables) -> bool:
    """Return whether no transaction of a plan was ever signed."""
    intents = [tables.find(keys.intent(step.intent), Intent) for step in plan.steps]
    return plan.attempt == 1 and all(intent is None or not intent.hashes for intent in intents)
