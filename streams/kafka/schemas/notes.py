"""Read the note on each field from the source: the string below the field."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Mapping

import msgspec


def field_notes(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """Collect the notes on a struct's fields, its bases' included; fields without one are left out."""
    notes: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.startswith(("pipeline.", "streams.")):
            notes.update(_notes_in(each))
    return notes


def first_sentence(kind: type[msgspec.Struct]) -> str:
    """Return the first line of a type's own docstring; nothing where it has none."""
    return (kind.__dict__.get("__doc__") or "").strip().partition("\n")[0]


@functools.cache
def _notes_in(kind: type) -> Mapping[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    pairs = zip(tree.body, tree.body[1:], strict=False)
    told = {
        field.target.id: _text(below)
        for field, below in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    return {name: note for name, note in told.items() if note}


def _text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""
