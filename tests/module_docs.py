"""Write docs/modules.md, the list of all modules, from the first lines of their docstrings: `make module-docs`."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "modules.md"
_TOPS = ("pipeline", "streams", "contracts_abi")
_BEGINNING = """# Modules

Made by `make module-docs` from the first lines of the modules' docstrings. How the folders fit together is in
[architecture.md](architecture.md#layout), which also follows a swap, a transaction and a dry-run through the modules.
"""


def page() -> str:
    """Write the whole page: a section per folder, a line per module."""
    return "\n".join([_BEGINNING, *(_section(folder) for top in _TOPS for folder in _packages(ROOT / top))])


def first_line(path: Path) -> str:
    """Take the first line of a module's docstring. Raises: ValueError naming a module without one."""
    told = ast.get_docstring(ast.parse(path.read_text()))
    if not told:
        raise ValueError(f"{path.relative_to(ROOT)} has no docstring")
    return told.splitlines()[0]


def _packages(folder: Path) -> Iterator[Path]:
    if (folder / "__init__.py").exists():
        yield folder
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from _packages(inner)


def _section(folder: Path) -> str:
    lines = [f"## {folder.relative_to(ROOT)}", "", first_line(folder / "__init__.py"), ""]
    modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    lines += [f"- `{path.name}`: {first_line(path)}" for path in modules]
    return "\n".join([*lines, ""] if modules else lines)


if __name__ == "__main__":
    PAGE.write_text(page())
