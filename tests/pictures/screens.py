"""Take the pictures of the README from a devnet of its own: `python tests/pictures/screens.py [FOLDER]`.

A broker, a chain with order flow, and `evenkeel up`; once a proposal has come, `inventory` and the proposal's sentences as a terminal
of 118 columns shows them, each written as an SVG.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parents[2]
COLUMNS = 118
WAIT_S = 600
BOOK = "usdc-low"
EDITS = {
    "      target_share: 50%": "      target_share: 40%",
    "max_share_of_depth: 40%": "max_share_of_depth: 100%",
}
"""Of the portfolio, so that a proposal comes soon, and its whole mint fits."""
SCREENS = {
    "inventory": ["inventory"],
    "decision": ["topics", "tail", "decisions", "--no-follow", "-n", "8", "--book", BOOK],
}
_CHAR_PX, _LINE_PX, _EDGE_PX, _FONT_PX = 8.0, 19, 16, 13
NBSP = "\u00a0"
"""An image viewer keeps these, and not every one keeps spaces."""
_PAPER, _INK = "#fbfaf6", "#24292f"
_COLORS = {
    "red": "#b42318",
    "green": "#1a7f37",
    "yellow": "#9a6700",
    "blue": "#0550ae",
    "magenta": "#8250df",
    "cyan": "#1b7c83",
}


def main(pictures: Path) -> None:
    """Run a devnet until a proposal has come, and take the screens."""
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as folder:
        wait_for_a_dry_run(folder)
        for title, command in SCREENS.items():
            picture = svg(f"evenkeel {' '.join(command)}", shown(folder, *command))
            (pictures / f"{title}.svg").write_text(picture, encoding="utf-8")


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Start devnet and deployment in a folder, and end them."""
    children = [start(folder, "devnet", "up", "--flow")]
    try:
        wait_until(lambda: asked(folder, "devnet", "status").returncode == 0)
        subprocess.run(program("init"), cwd=folder, env=environment(), check=True, capture_output=True)
        file = folder / "portfolio.yaml"
        file.write_text(edited(file.read_text(encoding="utf-8")), encoding="utf-8")
        subprocess.run(program("apply"), cwd=folder, env=environment(), check=True, capture_output=True)
        children.append(start(folder, "up"))
        wait_until(lambda: "WETH" in asked(folder, "inventory").stdout)
        yield folder
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait(60)


def edited(portfolio: str) -> str:
    """Edit the first book of the portfolio file that `evenkeel init` writes for a devnet. Raises: ValueError where it has another form by now."""
    for was, becomes in EDITS.items():
        if was not in portfolio:
            raise ValueError(f"{was!r} is not in the file of `evenkeel init`")
        portfolio = portfolio.replace(was, becomes, 1)
    return portfolio


def wait_for_a_dry_run(folder: Path) -> None:
    """Wait until a proposal of the book has been tried."""
    tail = (
        "topics",
        "tail",
        "decisions",
        "--no-follow",
        "-n",
        "50",
        "--book",
        BOOK,
        "--type",
        "ProposalTried",
    )
    wait_until(lambda: bool(asked(folder, *tail).stdout))


def wait_until(holds: Callable[[], bool]) -> None:
    """Ask again and again. Raises: TimeoutError."""
    end_s = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end_s:
            raise TimeoutError(f"not within {WAIT_S} s")
        time.sleep(5)


def program(*command: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli", *command]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS)}


def start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(program(*command), cwd=folder, env=environment(), stdout=quiet, stderr=quiet)


def asked(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(*command), cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def shown(folder: Path, *command: str) -> str:
    """Run a command as on a terminal with colours. Raises: CalledProcessError."""
    colours = environment() | {"FORCE_COLOR": "1"}
    done = subprocess.run(
        program(*command), cwd=folder, env=colours, capture_output=True, text=True, check=True
    )
    return done.stdout


# ------------------------------------------------------------------ from a terminal's text to a picture
def svg(title: str, screen: str) -> str:
    """Draw a terminal's screen, with its colours and with long lines broken."""
    console = Console(width=COLUMNS)
    texts = [part for line in AnsiDecoder().decode(screen) for part in line.wrap(console, COLUMNS)]
    width = round(2 * _EDGE_PX + COLUMNS * _CHAR_PX)
    height = 2 * _EDGE_PX + (len(texts) + 2) * _LINE_PX
    rows = [row(number + 2, text) for number, text in enumerate(texts)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
            f"<style>text {{ font: {_FONT_PX}px ui-monospace, Menlo, Consolas, monospace; }}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{_PAPER}" stroke="#d0d7de"/>',
            row(0, Text(f"$ {title}", style="bold")),
            *rows,
            "</svg>",
            "",
        ]
    )


def row(number: int, text: Text) -> str:
    """Draw one line: each piece where its column is, so that no font moves a table."""
    y = _EDGE_PX + (number + 1) * _LINE_PX - 5
    pieces = []
    for start_at, end_at, style in spans(text):
        words = text.plain[start_at:end_at].rstrip()
        if words:
            x = _EDGE_PX + start_at * _CHAR_PX
            kept = escape(words).replace(" ", NBSP)
            long = f' textLength="{len(words) * _CHAR_PX:g}" lengthAdjust="spacingAndGlyphs"'
            pieces.append(f'<text x="{x:g}" y="{y}"{long}{css(style)}>{kept}</text>')
    return "\n".join(pieces)


def spans(text: Text) -> Iterator[tuple[int, int, Style]]:
    """Split a line where its style changes."""
    at = 0
    while at < len(text.plain):
        style, end_at = style_at(text, at), at + 1
        while end_at < len(text.plain) and style_at(text, end_at) == style:
            end_at += 1
        yield at, end_at, style
        at = end_at


def style_at(text: Text, place: int) -> Style:
    style = text.style if isinstance(text.style, Style) else Style.parse(text.style)
    for span in text.spans:
        if span.start <= place < span.end and isinstance(span.style, Style):
            style += span.style
    return style


def css(style: Style) -> str:
    name = "" if style.color is None else style.color.name.removeprefix("bright_")
    weight = ' font-weight="bold"' if style.bold else ""
    opacity = ' opacity="0.6"' if style.dim else ""
    return f' fill="{_COLORS.get(name, _INK)}"{weight}{opacity}'


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screens")
