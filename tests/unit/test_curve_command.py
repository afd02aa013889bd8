"""`evenkeel curve` and `evenkeel volatility` without a broker: what they print, draw and refuse."""

import json
import math
import re
import sys
from pathlib import Path

import pytest
from fee_band_world import pool_prices

from pipeline.errors import EvenkeelError, SettingsError, StatisticsError
from streams.cli.commands import app

PAGE = Path(__file__).parents[2] / "docs" / "curves.md"


@pytest.fixture
def evenkeel(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own; derivations are kept in the user's folder, as everywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[str, str]:
        capsys.readouterr()
        app(list(words), prog_name="evenkeel", standalone_mode=False)
        return tuple(capsys.readouterr())

    return run


def points(text: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_range_is_shown_with_its_edges_worth_100_at_the_price_of_now(evenkeel):
    told = points(evenkeel("curve", "range", "--range", "1800", "2300", "--price", "2000", "--json")[0])
    at = {each["price"]: each for each in told}
    assert {1800.0, 2000.0, 2300.0} <= at.keys()
    assert at[2000.0]["value"] == pytest.approx(100)
    assert at[2000.0]["held"] == pytest.approx(100)
    assert at[2000.0]["lvr_per_year"] / 100 == pytest.approx(0.757499920170465908, rel=1e-12)
    assert all(each["held"] >= each["value"] - 1e-9 for each in told)
    assert at[2300.0]["base"] == 0
    assert told[-1]["gamma"] == told[0]["gamma"] == 0


def test_volatility_scales_lvr_by_its_square(evenkeel):
    low, high = (
        points(evenkeel("curve", "constant-product", "--volatility", each, "--json")[0])[0]["lvr_per_year"]
        for each in ("30%", "60%")
    )
    assert high == pytest.approx(4 * low)


def test_the_formulas_are_said_and_what_has_no_closed_form(evenkeel):
    out, err = evenkeel("curve", "constant-product")
    assert "value = 2*L*sqrt(P)" in err
    assert "no closed form" not in err
    assert "lvr per year" in out
    assert "no closed form in the price P" in evenkeel("curve", "solidly", "--prices", "0.8", "1.2")[1]


def test_a_file_and_its_parameters(evenkeel, tmp_path):
    (tmp_path / "mine.yaml").write_text("equation: (x + 5)*(y + 10) = k\nparameters: {k: 72}\n")
    mine = points(evenkeel("curve", "mine.yaml", "--with", "k=98", "--price", "2", "--json")[0])
    now = next(each for each in mine if each["price"] == 2)
    assert now["base"] / now["quote"] == pytest.approx(0.5)
    assert [each["base"] == 0 for each in mine].count(True) >= 2, "the edge at 98/25, and beyond"
    assert [each["quote"] == 0 for each in mine].count(True) >= 2, "the edge at 100/98, and beyond"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("curve", "rnge"), "neither a curve nor a file rnge; did you mean range"),
        (("curve", "solidly", "--range", "1", "2"), "--range is of the curve range, not of solidly"),
        (("curve", "solidly", "--with", "k"), "--with k: write a parameter as NAME=VALUE"),
        (("curve", "solidly", "--with", "m=1"), "does not have m"),
        (("curve", "range", "--range", "2", "1"), "lowest price 2.0 is not below the highest 1.0"),
        (("curve", "solidly", "--volatility", "much"), "--volatility: 'much' is not a share"),
        (("curve", "solidly", "--price", "-1"), "the price -1.0 is not positive"),
        (("curve", "solidly", "--price", "0"), "the price 0.0 is not positive"),
        (("curve", "book/a", "--price", "0"), "a book has its own ranges and price"),
        (("curve", "solidly", "--prices", "2", "1"), "no grid of"),
        (("curve", "solidly", "--plot", "x.pdf"), "x.pdf: a picture is .svg or .png"),
        (("curve", "book/a", "--price", "1"), "a book has its own ranges and price"),
        (("volatility", "f.csv", "--fee", "0.3%"), "add --fee and --block"),
        (("volatility", "f.csv", "--fee", "0.3", "--block", "12s"), "'0.3' is not a share"),
        (("volatility", "0xab", "--fee", "0.3%"), "--fee and --block are for a file"),
    ],
)
def test_what_cannot_be_is_refused(evenkeel, tmp_path, words, says):
    (tmp_path / "f.csv").write_text("time_s,price\n1,2\n")
    with pytest.raises(EvenkeelError, match=re.escape(says)):
        evenkeel(*words)


def test_a_picture_is_drawn_and_the_same_one_has_the_same_bytes(evenkeel, tmp_path):
    for name in ("one.svg", "two.svg", "one.png"):
        evenkeel("curve", "range", "--plot", name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two
    assert b"<svg" in one
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_picture_is_refused_before_any_work(evenkeel, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingsError, match=r"pip install 'evenkeel\[plots\]'"):
        evenkeel("curve", "no such curve", "--plot", "x.svg")


def test_a_files_volatility_and_its_signature(evenkeel, tmp_path):
    daily = 0.6 / math.sqrt(365.25)
    prices = pool_prices(3, blocks=60_000, fee=0.0005, block_s=12, daily=daily)
    lines = [f"{at_s},{math.exp(log):.12g}" for at_s, log in zip(prices.at_s, prices.log, strict=True)]
    (tmp_path / "p.csv").write_text("\n".join(["time_s,price", *lines]))
    words = ("volatility", "p.csv", "--fee", "0.05%", "--block", "12s")
    (found,) = points(evenkeel(*words, "--json")[0])
    assert int(found["low_ppm"]) < 600_000 < int(found["high_ppm"])
    shown, _ = evenkeel(*words, "--plot", "s.svg")
    assert "12s" in shown
    assert "yes" in shown
    assert b"<svg" in (tmp_path / "s.svg").read_bytes()
    (tmp_path / "p.csv").write_text("\n".join(["time_s,price", *lines[:2]]))
    with pytest.raises(StatisticsError, match="too few"):
        evenkeel(*words)


def test_every_picture_of_the_page_is_drawn_by_a_command_above_it():
    text = PAGE.read_text(encoding="utf-8")
    drawn = re.findall(r"--plot (pictures/\S+)", text)
    assert drawn == re.findall(r"!\[[^]]+\]\((pictures/\S+)\)", text)
    assert sorted(each.removeprefix("pictures/") for each in drawn) == sorted(
        path.name for path in (PAGE.parent / "pictures").iterdir()
    )
