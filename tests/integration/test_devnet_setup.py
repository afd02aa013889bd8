"""Missing tools are named in one line, and only those that are still needed."""

import os
from pathlib import Path

import pytest

from pipeline.errors import DevnetError
from streams.devnet.setup import JAVA, ensure_tools, java_major, missing_tools, prepare

FAKE_JAVA = """#!/bin/sh
echo 'openjdk version "{version}" 2020-01-01' >&2
"""


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no tools at all."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install_java(folder: Path, version: str) -> None:
    program = folder / "java"
    program.write_text(FAKE_JAVA.format(version=version))
    program.chmod(0o755)


def test_one_line_names_all_that_is_missing(empty_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DevnetError) as refusal:
        ensure_tools(cache=tmp_path)
    assert str(refusal.value) == (
        "please install Java 17 or newer, Maven, Node.js with npm"
        " (on Debian or Ubuntu: apt-get install openjdk-17-jre-headless maven nodejs npm)"
    )


@pytest.mark.parametrize(
    ("version", "major", "suffices"),
    [
        ("1.8.0_392", 1, False),
        ("11.0.21", 11, False),
        ("17.0.15", 17, True),
        ("21", 21, True),
        ("25-ea", 25, True),
    ],
)
def test_java_must_be_new_enough(
    empty_path: Path, tmp_path: Path, version: str, major: int, suffices: bool
) -> None:
    install_java(empty_path, version)
    assert java_major() == major
    assert (JAVA not in missing_tools(cache=tmp_path)) == suffices


def test_a_full_cache_needs_java_only(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_tools(cache=cache) == (JAVA,)


def test_root_with_apt_installs_what_is_missing(
    empty_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    asked = tmp_path / "asked"
    apt = empty_path / "apt-get"
    # like apt where Java 17 is no longer packaged: any other package brings a program of that name
    apt.write_text(
        f"""#!/bin/sh
echo "$@" >> {asked}
case "$*" in
  *openjdk-17*) exit 100 ;;
  *openjdk-21*) printf '#!/bin/sh\\necho version \\\\"21\\\\"\\n' > {empty_path}/java; /bin/chmod +x {empty_path}/java ;;
  *maven*) printf '#!/bin/sh\\n' > {empty_path}/mvn; /bin/chmod +x {empty_path}/mvn ;;
  *npm*) printf '#!/bin/sh\\n' > {empty_path}/npm; /bin/chmod +x {empty_path}/npm ;;
esac
"""
    )
    apt.chmod(0o755)
    said: list[str] = []
    ensure_tools(cache=tmp_path, say=said.append)
    assert said == ["installing Java 17 or newer, Maven, Node.js with npm with apt-get"]
    installs = [line.split()[-1] for line in asked.read_text().splitlines() if "install" in line]
    assert installs == ["openjdk-17-jre-headless", "openjdk-21-jre-headless", "maven", "npm"]


def test_without_root_nothing_is_installed(
    empty_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    (empty_path / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (empty_path / "apt-get").chmod(0o755)
    with pytest.raises(DevnetError, match="please install"):
        ensure_tools(cache=tmp_path)


def test_nothing_is_said_when_all_is_there(cache: Path) -> None:
    said: list[str] = []
    prepare(cache=cache, say=said.append)
    assert said == []
