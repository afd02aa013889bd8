"""Count the instructions that one core folds a block with, in two checkouts: `instructions.py OLD` names a commit. Needs valgrind.

Unlike a time, a count is nearly the same at each run, whatever else the machine does. A ratio above 1 says that this checkout needs fewer.
"""

import gc
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

BLOCKS = {0: 200, 1: 150, 100: 12, 400: 4}
"""By swaps a block: how many blocks are counted."""
_READY = "ready"


def counted(checkout: Path, swaps: int) -> float:
    """Count a block's instructions in a checkout."""
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    with subprocess.Popen(
        [*command, sys.executable, __file__, "--fold", str(swaps)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        if run.stdout.readline().strip() != _READY:
            sys.exit(run.communicate()[1])
        subprocess.run(["callgrind_control", "-i", "on", str(run.pid)], check=True, capture_output=True)
        _, said = run.communicate("\n")
    found = re.search(r"Collected : (\d+)", said)
    if found is None:
        sys.exit(said)
    return int(found[1]) / BLOCKS[swaps]


def fold(swaps: int) -> None:
    """Fold a log twice to warm up the interpreter, and once more on request, with this checkout."""
    sys.path[0] = str(Path.cwd() / "tests" / "bench")
    from fold import fold_s, log_of

    log = log_of(swaps, BLOCKS[swaps])
    fold_s(log)
    fold_s(log)
    gc.collect()
    gc.disable()
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()
    sys.stdin.readline()
    fold_s(log)
    os._exit(0)  # what ends a process is not counted


def main() -> None:
    """Print the counts of both, and how many times fewer this one needs."""
    if len(sys.argv) != 2 or shutil.which("valgrind") is None:
        sys.exit("usage: make bench-instructions OLD=COMMIT, with valgrind installed")
    from compare import HERE, checked_out

    with checked_out(sys.argv[1]) as old:
        sys.stdout.write(f"{'swaps a block':>14}{'old':>14}{'new':>14}{'old / new':>11}\n")
        for swaps in BLOCKS:
            before, now = counted(old, swaps), counted(HERE, swaps)
            sys.stdout.write(f"{swaps:>14}{before:>14,.0f}{now:>14,.0f}{before / now:>10.2f}x\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fold"]:
        fold(int(sys.argv[2]))
    else:
        main()
