"""The time to derive a curve, to read it again, and to evaluate it: `python tests/bench/curves.py`."""

import math
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline.curves.invariants import AMMS, Amm
from streams.curve_files import curve_of, derived_once

REPEATS, PRICES = 7, 1_000


def seconds(work: Callable[..., object], *arguments: object) -> float:
    began = time.process_time()
    work(*arguments)
    return time.process_time() - began


def measure(name: str, amm: Amm, folder: Path) -> None:
    derive = seconds(derived_once, amm.invariant, folder)
    read = median(seconds(curve_of, amm, {}, folder) for _ in range(REPEATS))
    prices = [math.exp(0.2 * n / PRICES - 0.1) for n in range(PRICES)]
    curve = curve_of(amm, {}, folder)
    first, *later = (seconds(curve.along, prices) for _ in range(1 + REPEATS))
    print(f"{name:18}{derive:7.2f} s{1e3 * read:8.1f} ms{1e3 * first:11.2f} ms{1e3 * median(later):11.2f} ms")


def main() -> None:
    assert "sympy" not in sys.modules, "the project itself loads no sympy"
    print(f"processor time; loading sympy {seconds(import_module, 'pipeline.curves.derive'):.2f} s")
    print(f"{'':18}{'derive':>9}{'read':>11}{f'{PRICES} prices':>14}{'and again':>14}")
    for name, amm in AMMS.items():
        with tempfile.TemporaryDirectory() as folder:
            measure(name, amm, Path(folder))


if __name__ == "__main__":
    main()
