"""Run the fold's bench of two checkouts by turns: `compare.py OLD` names a commit, which is checked out beside this one.

Each checkout runs its own tests/bench/fold.py on its own code, in the same environment. A ratio above 1 says that this one is faster.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check a commit out into a folder of its own, as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-bench-") as scratch:
        folder = Path(scratch) / "old"
        subprocess.run(["git", "-C", HERE, "worktree", "add", "--detach", folder, commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["git", "-C", HERE, "worktree", "remove", "--force", folder], check=True)


def fold_us(checkout: Path) -> dict[str, float]:
    """Run a checkout's bench; microseconds per block by swaps a block."""
    ran = subprocess.run(
        [sys.executable, checkout / "tests" / "bench" / "fold.py"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        check=True,
        capture_output=True,
        text=True,
    )
    rows = [line.split() for line in ran.stdout.splitlines()[1:]]
    return {row[0]: float(row[-1].replace(",", "")) for row in rows}


def main() -> None:
    """Print the medians of both, and how many times faster this one is."""
    if len(sys.argv) != 2:
        sys.exit("usage: make bench-compare OLD=COMMIT")
    took: dict[str, list[dict[str, float]]] = {"old": [], "new": []}
    with checked_out(sys.argv[1]) as old:
        for number in range(ROUNDS):
            for name, checkout in (("old", old), ("new", HERE)):
                took[name].append(fold_us(checkout))
            sys.stdout.write(f"round {number + 1} of {ROUNDS}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{'swaps a block':>14}{'old us':>12}{'new us':>12}{'old / new':>11}\n")
    for swaps in [row for row in took["new"][0] if row in took["old"][0]]:
        before, now = (median(each[swaps] for each in took[name]) for name in ("old", "new"))
        sys.stdout.write(f"{swaps:>14}{before:>12,.0f}{now:>12,.0f}{before / now:>10.2f}x\n")


if __name__ == "__main__":
    main()
