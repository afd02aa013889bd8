"""Interfaces of published contracts with their sources, and the files of chains. Data, and the reading of it."""

import difflib
import functools
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

Abi = tuple[Mapping[str, Any], ...]


class UnknownContractError(LookupError):
    """No such protocol or contract here; the text says what came near."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An archive on npm and what we take out of it; `platform` is empty for what runs anywhere.

    Of sources that are compiled, `folder` is what is taken, and `mount` the path by which imports name it.
    """

    name: str
    version: str
    licence: str
    integrity: str
    platform: str = ""
    file: str = ""
    folder: str = ""
    mount: str = ""
    contracts: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


@functools.cache
def load_abi(protocol: str, contract: str) -> Abi:
    """Read a contract's interface, e.g. `load_abi("uniswap-v3", "UniswapV3Pool")`.

    Raises: UnknownContractError naming the nearest we have.
    """
    wanted = f"{protocol}/{contract}"
    known = sorted(str(path.relative_to(_HERE).with_suffix("")) for path in _HERE.glob("*/*.json"))
    if wanted not in known:
        raise UnknownContractError(f"no interface {wanted!r}{_near(wanted, known)}")
    return tuple(json.loads((_HERE / f"{wanted}.json").read_text()))


def types_of(arguments: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Write the types of an interface's arguments as signatures have them: a tuple by its components."""
    return tuple(_type_of(argument) for argument in arguments)


def _type_of(argument: Mapping[str, Any]) -> str:
    kind: str = argument["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(types_of(argument['components']))}){kind.removeprefix('tuple')}"


@functools.cache
def load_sources() -> tuple[Source, ...]:
    """Read every archive that holds contracts."""
    return tuple(Source(**entry) for entry in _sources()["package"])


@functools.cache
def load_programs() -> tuple[Source, ...]:
    """Read every archive that holds a program, one a platform."""
    return tuple(Source(**entry) for entry in _sources()["program"])


@functools.cache
def load_compiler() -> Source:
    """Read the archive that holds the compiler of contracts."""
    return Source(**_sources()["compiler"])


@functools.cache
def load_source_trees() -> tuple[Source, ...]:
    """Read every archive of sources that are compiled here."""
    return tuple(Source(**entry) for entry in _sources()["sources"])


def _sources() -> dict[str, Any]:
    return tomllib.loads((_HERE / "SOURCES.toml").read_text())


def _near(wanted: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wanted, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
