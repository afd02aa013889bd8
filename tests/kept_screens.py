"""Screens of commands kept as text: varying parts are masked, and a table keeps its columns.

A hexadecimal word with 0x, or of 12 digits or more, becomes `HEX`, an output's id `ID`, an age `AGE`, any other number `9`. Each
column of a table is as wide as its masked cells, which stand to the side on which they stood or are indented as they were. Left out
are lines about records that no worker has taken in yet, about transactions that are not mined yet, whether a block tells native balances, the rows of the processes in `doctor`, and the policy's fields under `why`.
"""

import difflib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

_MASKS = (
    (re.compile(r"\b(?:dec|reb|dry|int|plan)\.[0-9]+\.[0-9]+\.[0-9a-f]+"), "ID"),
    (re.compile(r"\b0x[0-9a-f]{4}…[0-9a-f]{4}|\b0x[0-9a-f]+|\b(?=[0-9]*[a-f])[0-9a-f]{12,}\b"), "HEX"),
    (re.compile(r"\b(?:\d+[wdhms])+\b"), "AGE"),
    (re.compile(r"\d[\d,.]*\d|\d"), "9"),
)
_LEFT_OUT = (
    (re.compile(r"^(policy: .*\n)(?:  .*\n?)+", re.MULTILINE), r"\1"),
    (re.compile(r"^not compared: .*\n", re.MULTILINE), ""),
    (re.compile(r"^\S+ has .* transactions? waiting to be mined, .*\n", re.MULTILINE), ""),
    (
        re.compile(
            r"^ *reads\[\d+\]\.type +native_balance\n(?: *reads\[\d+\]\.(?:account|amount_wei) .*\n?){2}",
            re.MULTILINE,
        ),
        "",
    ),
    (re.compile(r"^ *(?:reads +none|native_checksum +.*)\n", re.MULTILINE), ""),
    (re.compile(r"^(?:up|watch|work|rehearse) tour  .*\n(?:  .*\n)*", re.MULTILINE), ""),
)
_GUTTER = "  "


def masked(screen: str, folder: str) -> str:
    """Replace the parts that vary from run to run."""
    text = screen.replace(folder, "FOLDER")
    for pattern, word in _LEFT_OUT:
        text = pattern.sub(word, text)
    blocks = itertools.groupby(text.rstrip("\n").split("\n"), key=lambda line: _GUTTER in line.rstrip())
    parts = [
        laid_out(list(lines)) if is_table else [in_words(line) for line in lines]
        for is_table, lines in blocks
    ]
    return "\n".join(line.rstrip() for part in parts for line in part)


def in_words(text: str) -> str:
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text


def laid_out(lines: list[str]) -> list[str]:
    """Mask the cells of a table and keep its layout: a column ends where all lines have two blanks."""
    width = max(map(len, lines))
    lines = [line.ljust(width) for line in lines]
    free = "".join(" " if all(line[i] == " " for line in lines) else "x" for i in range(width))
    spans = [found.span() for found in re.finditer(r"x+(?: x+)*", free)]
    columns = [_column([line[start:end] for line in lines]) for start, end in spans]
    indent = " " * (spans[0][0] if spans else 0)
    return [indent + _GUTTER.join(cells) for cells in zip(*columns, strict=True)]


def _column(cells: list[str]) -> list[str]:
    """Mask one column's cells. A column whose cells all end at its right side stays aligned there; other cells keep their indentation.

    Of cells that are all as wide as their column, such as process ids of three digits under `pid`, whole numbers stand to the right.
    """
    there = [cell for cell in cells if cell.strip()]
    are_numbers = len(there) > 1 and all(cell.strip().isdigit() for cell in there[1:])
    to_right = all(cell[-1] != " " for cell in there) and (are_numbers or any(c[0] == " " for c in there))
    words = [in_words(cell.strip() if to_right else cell.rstrip()) for cell in cells]
    width = max(map(len, words))
    return [word.rjust(width) if to_right else word.ljust(width) for word in words]


def differs(folder: Path, name: str, told: str) -> Iterator[str]:
    """Compare a screen with its kept text. A missing file is written."""
    file = folder / f"{name}.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{told}\n", encoding="utf-8")
        yield f"{file.name} was missing and has been written: look at it"
    elif told != (kept := file.read_text(encoding="utf-8").rstrip("\n")):
        yield "\n".join(
            difflib.unified_diff(kept.split("\n"), told.split("\n"), file.name, "now", lineterm="")
        )
