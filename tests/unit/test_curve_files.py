"""Curves by name and from files, and their cache on disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.curves.invariants import AMMS
from pipeline.errors import SettingsError
from streams.curve_files import curve_of, derived_once, find_amm, parse_amm

ROOT = Path(__file__).parents[2]
OWN = """
equation: (x + 5)*(y + 10) = k
parameters:
  k: 72
"""


def test_a_users_curve_is_one_like_any_other(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(OWN)
    curve = curve_of(find_amm(str(file)), {}, tmp_path)
    assert curve.derived.closed_form
    assert curve.at(2.0)[:4] == pytest.approx((2.0, 1.0, 2.0, 4.0))
    assert curve_of(find_amm(str(file)), {"k": 288.0}, tmp_path).at(2.0).base == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f.yaml:1:1: equation: missing"),
        ("equation: [x]", "f.yaml:1:11: equation: missing"),
        ("equation: x*y", r"f.yaml:1:11: equation: 'x\*y' is not an equation"),
        ("equation: x*y = open(k)", "calls something else"),
        ("equation: x*y = k", "f.yaml:1:1: parameters: no value for k"),
        ("equation: x*y = k\nparameters: 3", "f.yaml:2:13: parameters: must hold a number per name"),
        ("equation: x*y = k\nparameters:\n  k: many", "f.yaml:3:6: parameters.k: must be a number above 0"),
        ("equation: x*y = k\nparameters: {k: -1}", "f.yaml:2:17: parameters.k: must be a number above 0"),
        ("equation: x*y = k\nparameter: {k: 1}", "parameter.*unknown field; did you mean parameters"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text, says):
    with pytest.raises(SettingsError, match=says):
        parse_amm(text, "f.yaml")


def test_a_name_that_is_neither_curve_nor_file_is_refused():
    with pytest.raises(SettingsError, match="neither a curve nor a file sollidly; did you mean solidly"):
        find_amm("sollidly")


def test_what_is_kept_is_read_without_sympy_and_gives_the_same(tmp_path):
    fresh = derived_once(AMMS["range"].invariant, tmp_path)
    code = (
        "import sys; from pathlib import Path; from streams.curve_files import *;"
        f"curve = curve_of(AMMS['range'], {{}}, Path({str(tmp_path)!r}));"
        "print(repr(curve.at(1.1))); sys.exit('sympy' in sys.modules)"
    )
    second = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert second.stdout.strip() == repr(curve_of(AMMS["range"], {}, tmp_path).at(1.1))
    assert derived_once(AMMS["range"].invariant, tmp_path) == fresh


def test_what_is_kept_but_not_whole_is_derived_again(tmp_path):
    fresh = derived_once(AMMS["constant-product"].invariant, tmp_path)
    (kept,) = (tmp_path / "curves").iterdir()
    kept.write_bytes(kept.read_bytes()[:-10])
    assert derived_once(AMMS["constant-product"].invariant, tmp_path) == fresh
    assert len(list((tmp_path / "curves").iterdir())) == 1


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "curves").write_text("a file in its place")
    assert derived_once(AMMS["constant-product"].invariant, tmp_path).closed_form
