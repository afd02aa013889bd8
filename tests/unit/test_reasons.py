"""Every reason not to act is told: what it means and what to do."""

import re
from pathlib import Path
from typing import get_args

from pipeline.guard import GUARDS, OTHER_REASONS
from pipeline.messages.events import RefusalReason

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
STREAM = (Path(__file__).parents[2] / "docs" / "stream.md").read_text(encoding="utf-8")


def table_of(title: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    section = OPERATIONS.partition(f"### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", section, re.MULTILINE)
    return [list(row) for row in rows]


def test_every_reason_of_a_book_is_told_in_the_order_of_the_guards():
    rows = table_of("Why a book does not act")
    assert [row[0] for row in rows] == [*GUARDS, *OTHER_REASONS]
    assert all(len(means) > 15 and len(does) >= len("Nothing") for _, means, does in rows)


def test_every_reason_of_the_signer_is_told():
    rows = table_of("What the signer refuses")
    assert {row[0] for row in rows} == set(get_args(RefusalReason))


def test_the_guards_are_told_in_their_order():
    told = (
        STREAM.partition("- **Guards**, in this order")[2]
        .partition(";\n  `pipeline")[0]
        .partition("[what each")[0]
    )
    assert [name for name in re.findall(r"`(\w+)`", told) if name in GUARDS] == list(GUARDS)
