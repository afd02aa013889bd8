"""Cache what is made once: downloads, jars, archives."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

DEFAULT_CACHE = Path.home() / ".cache" / "evenkeel"


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return a cached file or folder, made first if it is missing.

    `make` fills the path it is given, which takes the real name only when it is complete;
    a second process that wants the same waits for the first.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            make(scratch / path.name)
            (scratch / path.name).rename(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return path
