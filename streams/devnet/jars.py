"""Fetch the broker's jars, and make the archive with which its Java starts fast; both once."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from pipeline.errors import DevnetError

from .cache import made_once

_HERE = Path(__file__).parent
POM = _HERE / "pom.xml"
LOG4J2 = _HERE / "log4j2.properties"
_MAVEN_TIMEOUT_S = 600


def jars(cache: Path) -> Path:
    """Return the folder of all jars that pom.xml pins, resolved by Maven the first time.

    Raises: DevnetError with Maven's last lines if it fails.
    """
    return made_once(_folder(cache), _resolve)


def are_resolved(cache: Path) -> bool:
    """Whether the jars are in the cache already."""
    return _folder(cache).exists()


def kafka_version() -> str:
    """Return the version of Kafka that pom.xml pins."""
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([0-9.]+)</version>", POM.read_text())
    assert found is not None, "pom.xml names Kafka's broker"
    return found[1]


def _folder(cache: Path) -> Path:
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return cache / f"kafka-{digest}" / "jars"


def _resolve(folder: Path) -> None:
    command = [
        "mvn",
        "--batch-mode",
        "--quiet",
        "--strict-checksums",
        f"--file={POM}",
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder}",
        "-DincludeScope=runtime",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MAVEN_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise DevnetError("`mvn` not found: install Apache Maven") from None
    except subprocess.TimeoutExpired:
        raise DevnetError(f"`mvn` did not resolve the broker's jars in {_MAVEN_TIMEOUT_S} s") from None
    if done.returncode != 0 or not folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        raise DevnetError(
            "`mvn` could not resolve the broker's jars:\n" + (done.stdout + done.stderr)[-2_000:]
        )


_PAUSES_LITTLE = ("-XX:+UseParallelGC", "-Xmn128m")
"""Half as long, and seldom: while Java collects garbage the broker answers nobody, and it allocates most within a commit. With
one thread and the 20 MB for new objects that Java takes by itself this was 10 ms every 12 s at four blocks a second."""


def java_command(folder_of_jars: Path, *options: str) -> list[str]:
    """Return the `java` command line up to the main class."""
    class_path = ":".join(str(jar) for jar in sorted(folder_of_jars.glob("*.jar")))
    return [
        "java",
        "-Xms256m",
        "-Xmx512m",
        *_PAUSES_LITTLE,
        "-XX:TieredStopAtLevel=1",
        "-Xshare:auto",
        "-Xlog:cds=off",
        "-Xlog:cds+dynamic=off",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={LOG4J2}",
        *options,
        "-cp",
        class_path,
    ]


def java_version() -> str:
    """Return the version of the `java` on the path, in full: a class-data archive fits only its own.

    Raises: DevnetError if there is none.
    """
    try:
        done = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise DevnetError("`java` not found: install Java 17 or newer") from None
    return done.stdout + done.stderr
