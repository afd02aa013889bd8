"""Read files that hold secrets: they must be ours, and readable by nobody else."""

import os
from pathlib import Path

from pipeline.errors import SettingsError


def private_text(path: Path) -> str:
    """Read a file that only its owner, who is us, can read. Raises: SettingsError naming the file."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())  # of the file that is read, not of one put in its place
            if found.st_mode & 0o077:
                raise SettingsError(
                    f"{path} may be read by others (mode {found.st_mode & 0o777:04o}): chmod 600 {path}"
                )
            if found.st_uid != os.geteuid():
                raise SettingsError(f"{path} belongs to another user ({found.st_uid})")
            return file.read().decode()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {path}: it is not UTF-8 text") from None
