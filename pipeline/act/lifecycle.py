"""The life of a plan as a table: its states, the events that move it, and the state that each leads to.

Which state a plan is in is not kept: it follows from the plan and from the branch (`settle`), so a reorg needs no code of its own. A
plan that does what its state does not allow stops its book (`continue_plan`), and nothing of that block is sent. That each move and each
happening leads to one of the states named for it is held against random lives: tests/properties/test_plan_lifecycle.py.
"""

from collections.abc import Mapping
from typing import Literal

from pipeline.act.settle import Broken, Due, Finished, Waiting, stand
from pipeline.errors import UnforeseenMoveError
from pipeline.messages.effects import Plan
from pipeline.messages.goals import Phase
from pipeline.state.tables import Tables

State = Literal["none", "due", "held", "commanded", "broken", "finished", "clearing", "over"]
"""`none`: the book never had a plan.
`due`: a phase is to be commanded. `held`: it, or one behind it, was refused or failed; the policy's time runs.
`commanded`: a transaction may still come into a block. `broken`: nothing came of one.
`finished`: all is mined, and a reorg may still undo it.
`clearing`: it has ended, and what it left allowed, or in flight, is not settled. `over`: nothing of it is left to be done."""

Move = Literal["open", "command", "hold", "give_up", "wait", "end"]
"""What a plan does at the end of a block: `hold` notes why it does not go on, `give_up` leaves phases out."""

Happening = Literal["block", "report", "reorg", "leave"]
"""What befalls a plan: receipts, reads and a policy's new bounds (`block`), a signer's report, a branch that goes away, the end of what
it rests on."""

_OPEN: tuple[State, ...] = ("due", "held", "commanded", "broken", "finished")
_ENDED: tuple[State, ...] = ("clearing", "over")
_GIVEN_UP: tuple[State, ...] = ("due", "finished")

TABLE: Mapping[State, Mapping[Move | Happening, tuple[State, ...]]] = {
    "none": {"block": ("none",), "reorg": ("none",), "open": ("commanded",)},
    "due": {
        "command": ("commanded",),
        "hold": ("held",),
        "give_up": _GIVEN_UP,
        "wait": ("due",),
        "end": _ENDED,
        "block": ("due", "finished"),
        "report": ("due",),
        "reorg": _OPEN,
        "leave": _ENDED,
    },
    "held": {
        "command": ("commanded",),
        "hold": ("held",),
        "give_up": _GIVEN_UP,
        "wait": ("held",),
        "end": _ENDED,
        "block": ("held", "finished"),
        "report": ("held",),
        "reorg": _OPEN,
        "leave": _ENDED,
    },
    "commanded": {
        "wait": ("commanded",),
        "block": _OPEN,
        "report": ("commanded", "broken"),
        "reorg": _OPEN,
        "leave": _ENDED,
    },
    "broken": {
        "hold": ("held",),
        "give_up": _GIVEN_UP,
        "end": _ENDED,
        "block": _OPEN,
        "report": ("broken",),
        "reorg": _OPEN,
        "leave": _ENDED,
    },
    "finished": {
        "wait": ("finished",),
        "open": ("commanded",),
        "end": _ENDED,
        "block": ("finished", "due"),
        "report": ("finished",),
        "reorg": _OPEN,
        "leave": _ENDED,
    },
    "clearing": {
        "command": ("clearing",),
        "hold": ("clearing",),
        "wait": _ENDED,
        "open": ("commanded",),
        "block": _ENDED,
        "report": _ENDED,
        "reorg": _ENDED,
    },
    "over": {
        "wait": ("over",),
        "open": ("commanded",),
        "block": _ENDED,
        "report": ("over",),
        "reorg": _ENDED,
        "leave": ("clearing",),
    },
}
"""By state, and what happens to a plan or what it does: the states that may follow."""


def state_of(plan: Plan | None, tables: Tables) -> State:
    """Return a plan's state on the present branch."""
    if plan is None:
        return "none"
    standing = stand(plan, tables)
    if plan.closed is not None:
        return "over" if isinstance(standing, Finished) else "clearing"
    match standing:
        case Finished():
            return "finished"
        case Waiting():
            return "commanded"
        case Broken():
            return "broken"
        case Due(phase=phase):
            return "held" if _is_held(plan, phase) else "due"


def _is_held(plan: Plan, due: Phase) -> bool:
    """Return whether the running clock belongs to the phase that is due, or to a later one that was made due again with it."""
    held = plan.stalled_phase
    return held is not None and plan.names.index(due) <= plan.names.index(held)


def check_move(before: State, move: Move) -> None:
    """Compare a plan's transition with the table. Raises: UnforeseenMoveError."""
    if move not in TABLE[before]:
        raise UnforeseenMoveError(f"a plan that is {before} may not: {move}")
