"""List the processes that `evenkeel up` has started."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def children_of(parent: int) -> Iterator[int]:
    """List the ids of the processes that a process has started."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    yield int(entry.name)


def arguments_of(pid: int) -> list[str]:
    """Return the command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []
