"""Interfaces and sources have the checksums that are stated for them."""

import base64
import hashlib
import io
import tarfile
import threading
from pathlib import Path

import pytest
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.crypto import keccak

import contracts_abi
from contracts_abi import Source, UnknownContractError, load_abi, load_programs, load_sources
from pipeline.errors import DevnetError
from streams.devnet import artifacts
from streams.devnet.cache import made_once

_FOLDER = Path(contracts_abi.__file__).parent


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("*/*.json")), ids=lambda path: path.stem)
def test_every_interface_is_well_formed_and_holds_no_bytecode(path: Path) -> None:
    abi = load_abi(path.parent.name, path.stem)
    assert {entry["type"] for entry in abi} <= {
        "constructor",
        "function",
        "event",
        "error",
        "fallback",
        "receive",
    }
    assert path.stat().st_size < 20_000


def test_a_wrong_name_names_the_nearest() -> None:
    with pytest.raises(UnknownContractError, match="did you mean 'uniswap-v3/UniswapV3Pool'"):
        load_abi("uniswap-v3", "UniswapV3Pol")


def test_the_swap_event_has_its_well_known_topic() -> None:
    (swap,) = (entry for entry in load_abi("uniswap-v3", "UniswapV3Pool") if entry.get("name") == "Swap")
    signature = f"Swap({','.join(argument['type'] for argument in swap['inputs'])})"
    assert keccak(text=signature).hex() == "c42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"


def test_aggregate3_has_its_well_known_selector() -> None:
    (entry,) = (entry for entry in load_abi("multicall", "Multicall3") if entry.get("name") == "aggregate3")
    (calls,) = entry["inputs"]
    inner = ",".join(component["type"] for component in calls["components"])
    assert function_signature_to_4byte_selector(f"aggregate3(({inner})[])").hex() == "82ad56cb"


def test_every_source_is_pinned_by_a_sha512() -> None:
    for source in (*load_sources(), *load_programs()):
        kind, _, digest = source.integrity.partition("-")
        assert (kind, len(base64.b64decode(digest))) == ("sha512", 64), source.name


def packed(folder: Path, files: dict[str, bytes]) -> Path:
    """An archive as npm packs it."""
    path = folder / "thing-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def npm_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What npm would download: one artifact, and much else."""
    content = packed(
        tmp_path, {"in/a.json": b'{"abi": [], "bytecode": "0x6000"}', "b.json": b"much"}
    ).read_bytes()

    def pack(_source: Source, folder: Path) -> Path:
        (folder / "thing.tgz").write_bytes(content)
        return folder / "thing.tgz"

    monkeypatch.setattr(artifacts, "_pack", pack)
    return content


def source(integrity: str, **contracts: str) -> Source:
    return Source(
        name="@some/thing", version="1.0.0", licence="MIT", integrity=integrity, contracts=contracts
    )


@pytest.mark.usefixtures("npm_archive")
def test_another_archive_than_the_pinned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DevnetError, match=r"@some/thing@1\.0\.0 is not the pinned archive"):
        artifacts.fetch(source("sha512-AAAA", thing="in/a.json"), cache=tmp_path)
    assert [path for path in (tmp_path / "npm").iterdir() if path.is_dir()] == []


def test_only_the_named_files_are_kept(tmp_path: Path, npm_archive: bytes) -> None:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(npm_archive).digest()).decode()
    folder = artifacts.fetch(source(integrity, thing="in/a.json"), cache=tmp_path)
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")] == ["in/a.json"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with (
        tarfile.open(packed(tmp_path, {"a": b""})) as archive,
        pytest.raises(DevnetError, match="holds no package/b"),
    ):
        artifacts._take_out(archive, "package/b", tmp_path / "b", of=source("sha512-"))


def test_what_is_made_once_is_made_by_one_of_many(tmp_path: Path) -> None:
    makers: list[str] = []

    def make(path: Path) -> None:
        makers.append(threading.current_thread().name)
        path.write_text("complete")

    threads = [threading.Thread(target=made_once, args=(tmp_path / "thing", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(makers) == 1
    assert (tmp_path / "thing").read_text() == "complete"


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        path.write_text("half")
        raise DevnetError("no space")

    with pytest.raises(DevnetError, match="no space"):
        made_once(tmp_path / "thing", make)
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]
