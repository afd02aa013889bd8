"""Time the fold of two checkouts by turns: `compare.py OLD` names a commit, which is checked out beside this one.

A process of each checkout makes the same log and folds it when told to. The turns are short, so that a busy machine slows both alike,
and the processes are made anew some times, for the same code differs from process to process. A ratio above 1 says that this one is faster.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from kept_rows import COMPARED
from machine import machine

HERE = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
"""How often the processes are made anew."""
TURNS = 16
BLOCKS = {0: 150, 1: 150, 10: 60, 100: 10, 400: 3}
"""By swaps a block: how many blocks a turn folds."""
_READY = "ready"


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


@contextmanager
def folding(checkout: Path, swaps: int, round_number: int) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that folds as a checkout does, once per line that it is given."""
    with subprocess.Popen(
        [sys.executable, __file__, "--fold", str(swaps)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": str(round_number)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        if run.stdout.readline().strip() != _READY:
            sys.exit(f"{checkout} does not fold")
        yield run
        run.stdin.close()


def turn_us(run: "subprocess.Popen[str]") -> float:
    """Let a process take its turn; microseconds of processor time per block."""
    assert run.stdin is not None
    assert run.stdout is not None
    run.stdin.write("\n")
    run.stdin.flush()
    return float(run.stdout.readline())


def fold(swaps: int) -> None:
    """Fold a log with this checkout whenever requested, and print the time."""
    sys.path[0] = str(Path.cwd() / "tests" / "bench")
    from fold import fold_s, log_of

    log = log_of(swaps, BLOCKS[swaps])
    fold_s(log)
    fold_s(log)
    print(_READY, flush=True)
    for _ in sys.stdin:
        gc.collect()
        begun = time.process_time()
        fold_s(log)
        print((time.process_time() - begun) / BLOCKS[swaps] * 1e6, flush=True)


def one_round(checkouts: Sequence[Path], swaps: int, number: int) -> list[list[float]]:
    """Let all checkouts fold by turns, each first as often as last."""
    with ExitStack() as stack:
        runs = [stack.enter_context(folding(each, swaps, number)) for each in checkouts]
        taken: list[list[float]] = [[] for _ in runs]
        for turn in range(TURNS):
            places = range(len(runs))
            for place in places if turn % 2 else reversed(places):
                taken[place].append(turn_us(runs[place]))
    return taken


def main() -> None:
    """Print the medians of both, how many times faster this one is, and the ratios of the rounds."""
    if len(sys.argv) != 2:
        sys.exit("usage: make bench-compare OLD=COMMIT")
    kept: dict[str, float] = {}
    told = {"machine": machine(), "old": sys.argv[1], "ratios": kept}
    with checked_out(sys.argv[1]) as old:
        print(f"{'swaps a block':>14}{'old us':>12}{'new us':>12}{'old / new':>11}   of each round")
        for swaps in BLOCKS:
            rounds = [one_round((old, HERE), swaps, 1 + number) for number in range(ROUNDS)]
            before, now = (median(min(taken[place]) for taken in rounds) for place in (0, 1))
            ratios = sorted(median(a / b for a, b in zip(*taken, strict=True)) for taken in rounds)
            shown = ", ".join(f"{each:.2f}" for each in ratios)
            print(f"{swaps:>14}{before:>12,.0f}{now:>12,.0f}{median(ratios):>10.2f}x   {shown}", flush=True)
            kept[str(swaps)] = round(median(ratios), 2)
            COMPARED.parent.mkdir(parents=True, exist_ok=True)
            COMPARED.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fold"]:
        fold(int(sys.argv[2]))
    else:
        main()
