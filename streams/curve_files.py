"""Load curves by name or from a user's file, and cache on disk what was derived of each."""

import contextlib
import hashlib
import math
import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

import pipeline.curves
from pipeline.curves.curve import Curve
from pipeline.curves.derived import Derived
from pipeline.curves.invariants import AMMS, Amm, Invariant
from pipeline.errors import CurveError, SettingsError
from streams.run_folder import read_text
from streams.yaml_positions import Document, Problem, did_you_mean, read_yaml

_FIELDS = ("equation", "parameters")


def curve_of(amm: Amm, parameters: Mapping[str, float], folder: Path) -> Curve:
    """Make a curve, with its own parameters where none are given. Raises: CurveError as `Curve`."""
    return Curve(derived_once(amm.invariant, folder), {**amm.parameters, **parameters})


def find_amm(name: str) -> Amm:
    """Find a curve by its name, or in a file. Raises: SettingsError if there is neither."""
    if name in AMMS:
        return AMMS[name]
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"there is neither a curve nor a file {name}{did_you_mean(name, AMMS)}")
    return parse_amm(read_text(path), name)


def parse_amm(text: str, file: str) -> Amm:
    """Read a user's invariant and its parameters. Raises: SettingsError naming file and line."""
    document = read_yaml(text, file)
    fields = document.value
    if not isinstance(fields, dict) or not isinstance(fields.get("equation"), str):
        raise document.refuse(
            [Problem(("equation",), "missing: `left = right` in x, the base, and y, the quote")]
        )
    unknown = [
        Problem((name,), f"unknown field{did_you_mean(name, _FIELDS)}")
        for name in fields.keys() - set(_FIELDS)
    ]
    if unknown:
        raise document.refuse(unknown)
    try:
        invariant = Invariant(fields["equation"])
    except CurveError as error:
        raise document.refuse([Problem(("equation",), str(error))]) from None
    parameters = _parameters(document, fields.get("parameters") or {})
    missing = [name for name in invariant.parameters if name not in parameters]
    if missing:
        raise document.refuse([Problem(("parameters",), f"no value for {', '.join(missing)}")])
    return Amm(invariant, parameters)


def derived_once(invariant: Invariant, folder: Path) -> Derived:
    """Read what was derived of an invariant, or derive it, which loads sympy, and keep it.

    The file's name is the digest of the equation, of sympy's version and of our own derivation. Raises: CurveError.
    """
    path = folder / "curves" / f"{_digest(invariant)}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):  # missing, or not whole: derived again
        return msgspec.json.decode(path.read_bytes(), type=Derived)
    from pipeline.curves.derive import derive  # noqa: PLC0415 - loads sympy, which takes a second

    derived = derive(invariant)
    with contextlib.suppress(OSError):  # a folder that cannot be written costs time only
        _write(path, msgspec.json.encode(derived))
    return derived


def _digest(invariant: Invariant) -> str:
    ours = sorted(Path(pipeline.curves.__path__[0]).glob("deriv*.py"))
    parts = [invariant.equation.encode(), version("sympy").encode(), *(path.read_bytes() for path in ours)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(scratch).replace(path)


def _parameters(document: Document, given: object) -> dict[str, float]:
    if not isinstance(given, dict):
        raise document.refuse([Problem(("parameters",), "must hold a number per name")])
    found, problems = {}, []
    for name, text in given.items():
        try:
            found[name] = float(text)
        except (TypeError, ValueError):
            found[name] = math.nan
        if not 0 < found[name] < math.inf:
            problems.append(Problem(("parameters", name), "must be a number above 0"))
    if problems:
        raise document.refuse(problems)
    return found
