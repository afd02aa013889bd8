"""A row of `make bench`: the cost of an operation, and a peer's cost of the same."""

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple


class Row(NamedTuple):
    """Costs per unit, in microseconds of processor time, and how they compare."""

    name: str
    peer: str
    ours_us: float
    peer_us: float
    must: float | None
    aim: float | None
    note: str = ""
    """What the two do not have in common."""

    @property
    def ratio(self) -> float:
        """How many times dearer the peer is."""
        return self.peer_us / self.ours_us


class Absent(NamedTuple):
    """A peer that could not be asked here, and why."""

    name: str
    peer: str
    why: str


def as_json(row: Row | Absent) -> dict[str, Any]:
    """Say a row with its ratio, and whether that is what it must be; an absent peer is said too."""
    if isinstance(row, Absent):
        return {**row._asdict(), "absent": True}
    reached = None if row.must is None else row.ratio >= row.must
    return {**row._asdict(), "ratio": round(row.ratio, 2), "reached": reached}


def say(rows: Iterable[Row | Absent]) -> None:
    """Print rows as a table."""
    sys.stdout.write(f"{'':44}{'ours us':>12}{'peer us':>12}{'ratio':>9}{'must':>7}{'aim':>7}\n")
    for row in rows:
        if isinstance(row, Absent):
            sys.stdout.write(f"{row.name:44}  not measured against {row.peer}: {row.why}\n")
            continue
        must, aim = (f"{each:g}" if each else "-" for each in (row.must, row.aim))
        sys.stdout.write(
            f"{row.name:44}{row.ours_us:>12,.2f}{row.peer_us:>12,.2f}{row.ratio:>8,.1f}x{must:>7}{aim:>7}\n"
        )
        sys.stdout.write(f"  against {row.peer}{'; ' + row.note if row.note else ''}\n")
