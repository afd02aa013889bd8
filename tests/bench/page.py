"""Write the results of `make bench` into docs/performance.md, between two marks: rows, growth, and the run's description."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT = ROOT / ".evenkeel" / "bench" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by `make bench-page` -->", "<!-- until here -->"


def main() -> None:
    """Put the tables into the page."""
    told = json.loads(RESULT.read_text())
    page = PAGE.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{PAGE}: the marks are not there")
    made = "\n".join(_lines(told))
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n{END}{after}")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: of the run of {told['machine']['at']}\n")


def _lines(told: dict[str, Any]) -> Iterator[str]:
    machine = told["machine"]
    yield (
        f"Run of {machine['at']}: {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}, load {machine['load_before']} at its begin, "
        f"{told['took_s'] // 60} minutes. Microseconds of processor time per swap or block, medians."
    )
    yield ""
    yield "| row | against | ours | peer | ratio | must (aim) |"
    yield "|---|---|---|---|---|---|"
    for row in told["rows"]:
        yield _absent(row) if row.get("absent") else _row(row)
    yield ""
    for name, table in told["growth"].items():
        yield from _growth(name, table)
    yield from _growth("folded from bytes to bytes, swaps a block", {"us": told["fold"]})
    memory = ", ".join(f"{size:,.0f} {name}" for name, size in told["memory"].items())
    yield f"Memory of a shard's state: {memory}."
    yield ""


def _row(row: dict[str, Any]) -> str:
    aim = f" ({row['aim']:g})" if row["aim"] else ""
    must = f"{row['must']:g}{aim}" if row["must"] else ""
    ratio = f"**{row['ratio']:,.1f}**" if row["reached"] is False else f"{row['ratio']:,.1f}"
    return f"| {row['name']} | {row['peer']} | {row['ours_us']:,.1f} | {row['peer_us']:,.1f} | {ratio} | {must} |"


def _absent(row: dict[str, Any]) -> str:
    return f"| {row['name']} | {row['peer']} | not measured: {row['why']} | | | |"


def _growth(name: str, table: dict[str, dict[str, float]]) -> Iterator[str]:
    sizes = list(next(iter(table.values())))
    yield f"| {name} | " + " | ".join(f"{int(size):,}" for size in sizes) + " |"
    yield "|---|" + "---|" * len(sizes)
    for label, row in table.items():
        yield f"| {label} | " + " | ".join(f"{row[size]:,.0f}" for size in sizes) + " |"
    yield ""


if __name__ == "__main__":
    main()
