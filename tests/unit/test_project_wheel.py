"""The installed package has every module and interface, and none of the fakes for tests."""

import ast
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts_abi", "pipeline", "streams")


def sources() -> set[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)) for path in found}


def is_fake(name: str) -> bool:
    return any(part.startswith("fake") for part in name.replace(".", "/").split("/"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    (wheel,) = WheelBuilder(str(ROOT)).build(
        directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]
    )
    return set(zipfile.ZipFile(wheel).namelist())


def test_a_wheel_holds_every_module_and_no_fake(shipped):
    fakes = {name for name in sources() if is_fake(name)}
    assert len(fakes) > 3
    assert {name for name in shipped if name.endswith(".py")} == sources() - fakes


def test_a_wheel_holds_the_interfaces_of_contracts_and_the_chains(shipped):
    found = (path for kind in ("json", "toml") for path in (ROOT / "contracts_abi").rglob(f"*.{kind}"))
    data = {str(path.relative_to(ROOT)) for path in found}
    assert {path for path in data if path.startswith("contracts_abi/chains/")}
    assert len(data) > 5
    assert data <= shipped


def test_nothing_that_is_shipped_imports_a_fake():
    for name in sorted(sources()):
        if is_fake(name):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module=str(module), names=names):
                    imported = [module, *(f"{module}.{alias.name}" for alias in names)]
                case ast.Import(names=names):
                    imported = [alias.name for alias in names]
                case _:
                    continue
            assert not [each for each in imported if is_fake(each)], f"{name}:{node.lineno}"
