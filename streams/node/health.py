"""Keep what is known of a node's health: its head, its latency, its rate of errors and the last of them."""

from dataclasses import dataclass

from pipeline.errors import NodeError
from pipeline.messages.processes import NodeSeen
from pipeline.units import BlockNumber, Seconds
from streams.backoff import doubled
from streams.node.budget import NodeBudget
from streams.node.port import Header

_WEIGHT, _FAILURE_WEIGHT = 0.2, 0.05
"""Of the newest answer in the mean of times, and in the share of failures."""
_LONGEST_TROUBLE = 200
"""Of what a heartbeat tells; the log has it whole."""
_FIRST_REST_S, _LONGEST_REST_S = 1.0, 30.0


@dataclass
class NodeHealth:
    """How well a node answers, kept by whoever asks it."""

    head: BlockNumber | None = None
    head_time_s: Seconds | None = None
    """That block's own time."""
    head_at_s: float | None = None
    """When that block was first told, by the caller's clock."""
    latency_s: float | None = None
    """A mean that leans on the newest answers."""
    failing: float = 0.0
    """The share of questions without an answer, of the newest ones."""
    trouble: str = ""
    """Why the last question has no answer; empty where it has one."""
    failed_in_a_row: int = 0
    rests_until_s: float = 0.0

    def at(self, head: Header, now_s: float) -> None:
        """Record a node's newest block."""
        if head.block.number != self.head:
            self.head, self.head_at_s = head.block.number, now_s
            self.head_time_s = head.block.timestamp_s

    def answered(self, took_s: float) -> None:
        """Record an answer."""
        self.failing -= _FAILURE_WEIGHT * self.failing
        self.trouble, self.failed_in_a_row, self.rests_until_s = "", 0, 0.0
        self.latency_s = (
            took_s if self.latency_s is None else self.latency_s + _WEIGHT * (took_s - self.latency_s)
        )

    def failed(self, error: NodeError, now_s: float) -> None:
        """Record a question without an answer; where there are other nodes, this one is left alone for a while."""
        self.failing += _FAILURE_WEIGHT * (1 - self.failing)
        self.trouble = str(error)
        self.rests_until_s = now_s + doubled(_FIRST_REST_S, self.failed_in_a_row, most=_LONGEST_REST_S)
        self.failed_in_a_row += 1

    def seen(self, name: str, highest: BlockNumber | None, budget: NodeBudget | None) -> NodeSeen:
        """Return the health under the node's name, beside the highest block that any node has shown."""
        return NodeSeen(
            name=name,
            head=self.head,
            lag_blocks=None if self.head is None or highest is None else highest - self.head,
            latency_ms=None if self.latency_s is None else round(1000 * self.latency_s),
            failing_percent=round(100 * self.failing),
            asked_in_a_day=budget.asked_in_a_day if budget is not None and budget.is_bounded else None,
            trouble=self.trouble[:_LONGEST_TROUBLE] or None,
            head_time_s=self.head_time_s,
        )

    def rests(self, now_s: float) -> bool:
        """Return whether the node failed so recently that another one should be asked."""
        return now_s < self.rests_until_s
