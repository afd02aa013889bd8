"""The rules by which the system recovers, and the log line that shows that each was applied."""

import re
from collections import Counter

from chaos.crew import Member

_WORKER_SAYS = {
    "records that were passed over were read": r"which were not delivered",
    "a twin was fenced": r"the worker ends: .*(has been opened by another|Fenced)",
    "a commit was bounded in time": r"the worker ends: commit of shard \d+ (took longer than|failed)",
    "an opening was bounded in time": r"the worker ends: opening shard \d+ took longer than",
    "the watchdog ended a worker": r"the worker ends: shard \d+: (records wait|stands at)",
    "a worker ended for want of the log": r"the worker ends: no answer from",
    "a truncated state was refused": r"the worker ends: shard \d+: .* begins at \d+",
}
_WATCHER_SAYS = {
    "a watcher was fenced": r"another watcher writes since",
    "a watcher that stood by took over": r"takes over again",
    "a node that failed was asked again": r"the node (fails|does not answer)",
}

MUST_FIRE = (
    "records that were passed over were read",
    "a block was set aside",
    "a set-aside ended",
    "a record that was known already",
    "a record of a replaced watcher",
    "a read or revert of another block",
    "a twin was fenced",
    "a watcher was fenced",
    "a watcher took over",
    "a watcher that stood by took over",
    "a branch was undone",
    "a shard halted",
    "a halted shard was resumed",
    "a dead letter",
    "a commit was bounded in time",
    "the watchdog ended a worker",
    "a node that failed was asked again",
    "a bootstrap was taken up in the middle",
    "a block was taken up between partitions",
    "a chain that stands still was told",
    "a truncated state was refused",
)
"""A run of all faults in which one of these never happened has not tested it."""


def count_said(member: Member, rules: Counter[str]) -> None:
    """Count what a process has said since the last time."""
    patterns = _WORKER_SAYS if member.kind == "work" else _WATCHER_SAYS
    member.read()
    for line in member.lines:
        text = " ".join(str(line.get(field, "")) for field in ("message", "error"))
        for rule, pattern in patterns.items():
            rules[rule] += re.search(pattern, text) is not None
    member.lines.clear()
