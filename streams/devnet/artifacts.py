"""Download published bytecode and programs by npm once, check them, and keep only what is needed."""

import base64
import functools
import hashlib
import json
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import msgspec

from contracts_abi import Abi, Source, load_abi, load_programs, load_sources
from pipeline.errors import DevnetError

from .cache import DEFAULT_CACHE, made_once

_NPM_TIMEOUT_S = 600
_INSIDE = "package"  # the folder that every npm archive holds


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A contract ready to deploy; `links` gives the byte offsets that take a library's address."""

    abi: Abi
    creation_code: str  # hex without 0x, link places not filled
    links: dict[str, tuple[int, ...]]


def load_artifact(contract: str, *, cache: Path = DEFAULT_CACHE) -> Artifact:
    """Return a contract by its name in SOURCES.toml, e.g. "uniswap-v3/UniswapV3Factory", downloaded if needed.

    Raises: DevnetError if npm fails, or the archive is not the pinned one.
    """
    for source in load_sources():
        if contract in source.contracts:
            return _parse(contract, fetch(source, cache=cache) / source.contracts[contract])
        if contract in source.constants:
            script, _, name = source.constants[contract].partition("#")
            return _parse_constant(contract, fetch(source, cache=cache) / script, name)
    raise DevnetError(f"SOURCES.toml has no contract {contract!r}")


def anvil_program(*, cache: Path = DEFAULT_CACHE) -> Path:
    """Return the local chain's program for this machine, downloaded if needed.

    Elsewhere than on the pinned platforms, an `anvil` of the pinned version on the path is taken.

    Raises: DevnetError if there is none.
    """
    here = _here()
    for source in load_programs():
        if source.platform == here:
            return fetch(source, cache=cache) / source.file
    version = load_programs()[0].version
    found = shutil.which("anvil")
    if found is None or version not in _output_of([found, "--version"]):
        raise DevnetError(f"no anvil is pinned for {here}: put anvil {version} on the path")
    return Path(found)


def anvil_here(*, cache: Path = DEFAULT_CACHE) -> Path | None:
    """Find the local chain's program where nothing may be downloaded: in the cache, else on the path."""
    for source in load_programs():
        if source.platform == _here() and is_fetched(source, cache=cache):
            return _folder(source, cache) / source.file
    found = shutil.which("anvil")
    return None if found is None else Path(found)


def fetch(source: Source, *, cache: Path = DEFAULT_CACHE) -> Path:
    """Return the folder with what SOURCES.toml names of an archive, downloaded and checked if needed."""
    return made_once(_folder(source, cache), lambda path: _download(source, path))


def is_fetched(source: Source, *, cache: Path = DEFAULT_CACHE) -> bool:
    """Whether an archive's files are in the cache already, or of no use on this machine."""
    return source.platform not in ("", _here()) or _folder(source, cache).exists()


def _here() -> str:
    return f"{platform.system().lower()}-{platform.machine().lower()}"


def _files(source: Source) -> list[str]:
    scripts = (constant.partition("#")[0] for constant in source.constants.values())
    ready = (
        () if source.mount else source.contracts.values()
    )  # what is compiled names a contract within a file
    return sorted({source.file, *ready, *scripts} - {""})


def _folder(source: Source, cache: Path) -> Path:
    # the name changes with the list of files, so that a longer list downloads again
    taken = [*_files(source), *([source.folder, source.mount] if source.mount else [])]
    digest = hashlib.sha256("\n".join([source.integrity, *taken]).encode()).hexdigest()[:12]
    plain_name = source.name.lstrip("@").replace("/", "-")
    return cache / "npm" / f"{plain_name}-{source.version}-{digest}"


def _download(source: Source, folder: Path) -> None:
    folder.mkdir()
    archive = _pack(source, folder)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != source.integrity:
        raise DevnetError(
            f"{source.name}@{source.version} is not the pinned archive: its integrity is {found}"
        )
    with tarfile.open(archive) as packed:
        for file in (*_files(source), *_of_folder(source, packed)):
            _take_out(packed, f"{_INSIDE}/{file}", folder / file, of=source)
    archive.unlink()


def _of_folder(source: Source, packed: tarfile.TarFile) -> list[str]:
    """List the sources below the folder that imports name; none of an archive that is not compiled."""
    below = f"{_INSIDE}/{source.folder}".rstrip("/") + "/"
    names = packed.getnames() if source.mount else []
    return [
        name.removeprefix(f"{_INSIDE}/") for name in names if name.startswith(below) and name.endswith(".sol")
    ]


def _pack(source: Source, folder: Path) -> Path:
    command = ["npm", "pack", "--silent", f"--pack-destination={folder}", f"{source.name}@{source.version}"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_NPM_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise DevnetError("`npm` not found: install Node.js with npm") from None
    except subprocess.TimeoutExpired:
        raise DevnetError(f"`npm` did not download {source.name} in {_NPM_TIMEOUT_S} s") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        reason = (done.stdout + done.stderr)[-1_000:].strip() or "it said nothing; is the registry reachable?"
        raise DevnetError(f"`npm pack {source.name}@{source.version}` failed: {reason}")
    return archives[0]


def _take_out(packed: tarfile.TarFile, name: str, target: Path, *, of: Source) -> None:
    try:
        member = packed.getmember(name)
    except KeyError:
        raise DevnetError(f"{of.name}@{of.version} holds no {name}") from None
    content = packed.extractfile(member)
    if content is None:
        raise DevnetError(f"{of.name}@{of.version}: {name} is not a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.read())
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


@functools.cache
def _parse(contract: str, path: Path) -> Artifact:
    return artifact_of(contract, json.loads(path.read_text()))


def artifact_of(contract: str, raw: dict[str, Any]) -> Artifact:
    """Take what is needed of a published or compiled contract. Raises: DevnetError where it has no code."""
    libraries = (found for file in raw.get("linkReferences", {}).values() for found in file.items())
    return Artifact(
        abi=tuple(raw["abi"]),
        creation_code=_hex(contract, raw["bytecode"]),
        links={name: tuple(place["start"] for place in places) for name, places in libraries},
    )


@functools.cache
def _parse_constant(contract: str, path: Path, name: str) -> Artifact:
    found = re.search(rf"exports\.{name} = '(0x[0-9a-f]+)'", path.read_text())
    if found is None:
        raise DevnetError(f"{path.name} has no constant {name} for {contract}")
    protocol, _, plain = contract.partition("/")
    return Artifact(abi=load_abi(protocol, plain), creation_code=_hex(contract, found[1]), links={})


def _hex(contract: str, code: str) -> str:
    if not code.startswith("0x") or len(code) <= len("0x"):
        raise DevnetError(f"the artifact of {contract} holds no creation code")
    return code.removeprefix("0x")


def _output_of(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
