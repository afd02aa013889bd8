"""Install what a devnet needs on this machine before it can start."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from contracts_abi import load_programs, load_sources
from pipeline.errors import DevnetError

from .artifacts import anvil_program, fetch, is_fetched
from .cache import DEFAULT_CACHE
from .jars import are_resolved, jars, java_version

_OLDEST_JAVA = 17
_APT_TIMEOUT_S = 1_200
Say = Callable[[str], None]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A program we start by name; of the apt packages the first that installs is taken."""

    name: str
    packages: tuple[str, ...]


JAVA = Tool(name="Java 17 or newer", packages=("openjdk-17-jre-headless", "openjdk-21-jre-headless"))
MAVEN = Tool(name="Maven", packages=("maven",))
NODE = Tool(name="Node.js with npm", packages=("nodejs npm",))
OF_KAFKA = (JAVA, MAVEN)


def prepare(*, cache: Path = DEFAULT_CACHE, say: Say = lambda _: None) -> None:
    """Get everything a devnet needs that is not here yet: tools, jars, programs and bytecode.

    Raises: DevnetError with one line on what to install, or on the download that failed.
    """
    ensure_tools(cache=cache, say=say)
    _resolve_jars(cache, say)
    for source in load_sources():
        if not is_fetched(source, cache=cache):
            say(f"downloading {source.name} {source.version} with npm, once")
            fetch(source, cache=cache)
    anvil_program(cache=cache)


def prepare_kafka(*, cache: Path, say: Say) -> None:
    """Get what a broker alone needs that is not here yet: tools and jars.

    Raises: DevnetError with one line on what to install, or on the download that failed.
    """
    ensure_tools(OF_KAFKA, cache=cache, say=say)
    _resolve_jars(cache, say)


def _resolve_jars(cache: Path, say: Say) -> None:
    if not are_resolved(cache):
        say("resolving Apache Kafka's jars with Maven, once (55 MB)")
        jars(cache)


def ensure_tools(
    needed: Collection[Tool] = (JAVA, MAVEN, NODE),
    *,
    cache: Path = DEFAULT_CACHE,
    say: Say = lambda _: None,
) -> None:
    """See that these tools are there as far as they are still of use; install them where root has apt.

    Raises: DevnetError with one line on what to install.
    """
    missing = _missing_of(needed, cache)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {_names(missing)} with apt-get")
        for tool in missing:
            _install(tool)
        missing = _missing_of(needed, cache)
    if missing:
        packages = " ".join(tool.packages[0] for tool in missing)
        raise DevnetError(
            f"please install {_names(missing)} (on Debian or Ubuntu: apt-get install {packages})"
        )


def _missing_of(needed: Collection[Tool], cache: Path) -> tuple[Tool, ...]:
    return tuple(tool for tool in missing_tools(cache=cache) if tool in needed)


def missing_tools(*, cache: Path = DEFAULT_CACHE) -> tuple[Tool, ...]:
    """List the tools that are needed and not there: Maven and Node serve only what is not in the cache."""
    npm_has_work = not all(is_fetched(source, cache=cache) for source in (*load_sources(), *load_programs()))
    needed = {
        JAVA: java_major() < _OLDEST_JAVA,
        MAVEN: not are_resolved(cache) and shutil.which("mvn") is None,
        NODE: npm_has_work and shutil.which("npm") is None,
    }
    return tuple(tool for tool, is_missing in needed.items() if is_missing)


def java_major() -> int:
    """Return the major version of the `java` on the path, 0 if there is none."""
    if shutil.which("java") is None:
        return 0
    found = re.search(r'version "(\d+)', java_version())
    return int(found[1]) if found else 0


def _install(tool: Tool) -> None:
    """Try a tool's packages one after the other."""
    _apt("update")
    for packages in tool.packages:
        if _apt("install", "--yes", "--no-install-recommends", *packages.split()):
            return


def _apt(*arguments: str) -> bool:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "--quiet", *arguments],
        env=quiet,
        capture_output=True,
        timeout=_APT_TIMEOUT_S,
        check=False,
    )
    return done.returncode == 0


def _names(tools: tuple[Tool, ...]) -> str:
    return ", ".join(tool.name for tool in tools)
