"""The points, by name, at which a process may die between a plan and its end."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Process = Literal["submit", "work", "watch", "rehearse"]
PROCESSES: tuple[Process, ...] = ("watch", "work", "submit")
"""Those that a live book needs."""


class Point(NamedTuple):
    """One place of death."""

    process: Process
    fuse: str
    """What the process itself calls it; `saw KIND`: it is killed from outside once that is committed."""


POINTS: Mapping[str, Point] = {
    "plan: worker, before its commit": Point("work", "PlanOpened, before the commit"),
    "plan: worker, after its commit": Point("work", "PlanOpened, after the commit"),
    "plan: watcher": Point("watch", "saw PlanOpened"),
    "simulate: submit": Point("submit", "simulate"),
    "nonce: submit": Point("submit", "nonce"),
    "journal: submit": Point("submit", "journal"),
    "journal: worker folds it": Point("work", "folds Signed"),
    "journal: watcher reads it": Point("watch", "reads Signed"),
    "send: submit": Point("submit", "send"),
    "send: submit, after its report": Point("submit", "report"),
    "send: worker folds it": Point("work", "folds Sent"),
    "send: watcher reads it": Point("watch", "reads Sent"),
    "receipt: watcher, before its append": Point("watch", "receipt, before the append"),
    "receipt: watcher, after its append": Point("watch", "receipt, after the append"),
    "receipt: worker folds it": Point("work", "folds receipt"),
    "receipt: submit": Point("submit", "receipt"),
    "next phase: worker, before its commit": Point("work", "SubmitTransaction, before the commit"),
    "next phase: worker, after its commit": Point("work", "SubmitTransaction, after the commit"),
    "settle: worker, before its commit": Point("work", "PlanClosed, before the commit"),
    "settle: worker, after its commit": Point("work", "PlanClosed, after the commit"),
    "settle: watcher": Point("watch", "saw PlanClosed"),
    "final: submit": Point("submit", "final"),
}
"""In the order of a transaction's way."""
SAW = "saw "
