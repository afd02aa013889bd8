"""Draw the growth tables of `make bench` for docs/performance.md from its JSON file."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

RESULT = Path(__file__).parents[2] / ".evenkeel" / "bench" / "bench.json"
FOLDER = Path(__file__).parents[2] / "docs" / "performance"


def main() -> None:
    """Draw a picture per table: microseconds over sizes, both on logarithmic scales."""
    growth = json.loads(RESULT.read_text())["growth"]
    mpl.rcParams["svg.hashsalt"] = "evenkeel"
    FOLDER.mkdir(exist_ok=True)
    for name, table in growth.items():
        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        for label, row in table.items():
            axes.plot([int(size) for size in row], list(row.values()), marker="o", label=label)
        axes.set(xscale="log", yscale="log", xlabel=name, ylabel="microseconds of processor time")
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(frameon=False)
        path = FOLDER / f"{name.replace(',', '').replace(' ', '-').lower()}.svg"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
        sys.stdout.write(f"{path.relative_to(Path.cwd())}\n")


if __name__ == "__main__":
    main()
