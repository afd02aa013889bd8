"""Draw the pictures of docs/curves.md by the commands on that page: `python tests/pictures/draw.py [FOLDER]`.

The prices of the last one are simulated: a market of 60 % a year behind a fee of 0.3 %, which a year of pool prices shows.
"""

import math
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from fee_band_world import pool_prices

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "curves.md"
COMMAND = re.compile(r"^evenkeel (.*--plot pictures/\S+)$", re.MULTILINE)
OWN = "equation: (x + 20)**2 * (y + 10) = k\nparameters:\n  k: 50000\n"


def commands() -> list[list[str]]:
    """List the page's commands that draw."""
    return [shlex.split(each) for each in COMMAND.findall(PAGE.read_text(encoding="utf-8"))]


def write_inputs(folder: Path) -> None:
    """Write the files that the commands read."""
    (folder / "mine.yaml").write_text(OWN, encoding="utf-8")
    prices = pool_prices(3, blocks=900_000, fee=0.003, block_s=12, daily=0.6 / math.sqrt(365.25))
    lines = [f"{at_s},{math.exp(log):.10g}" for at_s, log in zip(prices.at_s, prices.log, strict=True)]
    (folder / "prices.csv").write_text("\n".join(["time_s,price", *lines, ""]), encoding="utf-8")


def draw(pictures: Path) -> None:
    """Run each command in a folder of its own, and take its picture."""
    pictures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        (folder / "pictures").symlink_to(pictures.resolve())
        for command in commands():
            program = [sys.executable, "-m", "streams.cli", *command]
            subprocess.run(
                program, cwd=folder, check=True, env={"PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
            )


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
