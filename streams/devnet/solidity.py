"""Compile contracts that are published as sources only, by the pinned compiler, and cache the results by their inputs."""

import functools
import hashlib
import json
import posixpath
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts_abi import Source, load_compiler, load_source_trees
from pipeline.errors import DevnetError

from .artifacts import Artifact, artifact_of, fetch
from .cache import DEFAULT_CACHE, made_once

_TIMEOUT_S = 600
_IMPORT = re.compile(r"""^\s*import\s[^;]*?['"]([^'"]+)['"]\s*;""", re.MULTILINE)
_SETTINGS = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "shanghai",
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"]}},
}
_COMPILE = """
const solc = require(process.argv[1]).cwrap("solidity_compile", "string", ["string", "number", "number"]);
process.stdout.write(solc(require("fs").readFileSync(0, "utf8"), 0, 0));
"""


@functools.cache
def load_compiled(contract: str, *, cache: Path = DEFAULT_CACHE) -> Artifact | None:
    """Return a contract by its name among the sources of SOURCES.toml, compiled if needed; None where it is not one of these.

    All contracts of an archive are compiled at once. Raises: DevnetError.
    """
    for tree in load_source_trees():
        if contract in tree.contracts:
            places = {name: place.partition("#") for name, place in tree.contracts.items()}
            compiled = compile_contracts(
                tuple(sorted(f"{tree.mount}/{file}" for file, _, _ in places.values())), cache=cache
            )
            file, _, name = places[contract]
            return artifact_of(contract, contract_of(compiled, f"{tree.mount}/{file}", name))
    return None


def compile_contracts(
    roots: Sequence[str], own: Mapping[str, str] | None = None, *, cache: Path = DEFAULT_CACHE
) -> Path:
    """Compile sources with all that they import, and return the file with what the compiler said.

    A root is the path of a source as imports name it; `own` are sources of ours, by path.

    Raises: DevnetError naming the import that is nowhere, or with the compiler's first error.
    """
    sources = _collect(roots, own or {}, cache)
    question = json.dumps({"language": "Solidity", "sources": sources, "settings": _SETTINGS}, sort_keys=True)
    compiler = load_compiler()
    key = hashlib.sha256(f"{compiler.integrity}\n{question}".encode()).hexdigest()[:16]

    def compile_into(path: Path) -> None:
        path.write_text(_answer(compiler, question, cache))

    return made_once(cache / "solc" / f"{key}.json", compile_into)


def _collect(roots: Sequence[str], own: Mapping[str, str], cache: Path) -> dict[str, dict[str, str]]:
    """Read the roots and, one after the other, what they import."""
    found: dict[str, dict[str, str]] = {}
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        text = own[path] if path in own else _read(path, cache)
        found[path] = {"content": text}
        waiting += [_resolved(path, name) for name in _IMPORT.findall(text)]
    return found


def _resolved(importer: str, name: str) -> str:
    if not name.startswith("."):
        return name
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))


def _read(path: str, cache: Path) -> str:
    for tree in load_source_trees():
        if path.startswith(tree.mount + "/"):
            file = fetch(tree, cache=cache) / tree.folder / path.removeprefix(tree.mount + "/")
            if file.is_file():
                return file.read_text()
    raise DevnetError(f"no source {path} is pinned in SOURCES.toml")


def _answer(compiler: Source, question: str, cache: Path) -> str:
    """Ask the compiler. Raises: DevnetError."""
    program = fetch(compiler, cache=cache) / compiler.file
    try:
        done = subprocess.run(
            ["node", "--eval", _COMPILE, str(program)],
            input=question,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise DevnetError("`node` not found: install Node.js") from None
    except subprocess.TimeoutExpired:
        raise DevnetError(f"solc {compiler.version} did not end within {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise DevnetError(f"solc {compiler.version} failed: {done.stderr[-1_000:]}")
    errors = [each for each in json.loads(done.stdout).get("errors", ()) if each["severity"] == "error"]
    if errors:
        raise DevnetError(f"solc {compiler.version}: {errors[0]['formattedMessage']}")
    return done.stdout


def contract_of(compiled: Path, path: str, name: str) -> dict[str, Any]:
    """Find one contract in what the compiler said, with the fields of a published artifact. Raises: DevnetError."""
    contracts = json.loads(compiled.read_text())["contracts"]
    if name not in contracts.get(path, {}):
        raise DevnetError(f"{path} has no contract {name}")
    found = contracts[path][name]
    bytecode = found["evm"]["bytecode"]
    return {
        "abi": found["abi"],
        "bytecode": "0x" + bytecode["object"],
        "linkReferences": bytecode["linkReferences"],
    }
