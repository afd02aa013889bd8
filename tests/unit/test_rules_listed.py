"""The changelog lists every number of the decision rules."""

import re
from pathlib import Path

from pipeline.rules import RULES

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"


def test_each_number_of_rules_stands_in_the_list_once_and_no_other_is_named():
    text = CHANGELOG.read_text()
    listed = [int(number) for number in re.findall(r"^\| (\d+) \| \S", text, re.MULTILINE)]
    assert listed == list(range(1, RULES + 1))
    named = {int(number) for number in re.findall(r"\brules (\d+)", text)}
    assert named
    assert named <= set(listed)
