"""Read files that hold secrets or a signer's limits, and refuse one that others may read or change."""

import os
import stat
from io import FileIO
from pathlib import Path

from pipeline.errors import SettingsError

_MOST_LINKS = 40


def private_text(path: Path) -> str:
    """Read a file that only its owner, who is us, can read. Raises: SettingsError naming the file."""
    try:
        return private_bytes(path).decode()
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {path}: it is not UTF-8 text") from None


def private_bytes(path: Path) -> bytearray:
    """Read a file as `private_text` does, into memory that can be wiped. Raises: SettingsError naming the file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with _file(handle, path) as file:
            found = os.fstat(file.fileno())  # of the file that is read, not of one put in its place
            if found.st_mode & 0o077:
                raise SettingsError(
                    f"{path} may be read by others (mode {found.st_mode & 0o777:04o}): chmod 600 {path}"
                )
            if found.st_uid != os.geteuid():
                raise SettingsError(f"{path} belongs to another user ({found.st_uid})")
            content = bytearray(found.st_size)
            read = 0
            while read < len(content) and (more := file.readinto(memoryview(content)[read:])):
                read += more
            del content[read:]
            return content
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None


def wipe(secret: bytearray) -> None:
    """Overwrite a secret in memory."""
    secret[:] = bytes(len(secret))


def owned_text(path: Path) -> str:
    """Read a file that nobody but its owner, who is us or root, can change, whatever link stands for it.

    Raises: SettingsError naming the file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise _is_link(path) from None
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    with _file(handle, path) as file:
        found = os.fstat(file.fileno())
        _refuse_writable(path, found)
        try:
            return file.read().decode()
        except UnicodeDecodeError:
            raise SettingsError(f"cannot read {path}: it is not UTF-8 text") from None


def _file(handle: int, path: Path) -> FileIO:
    """Take a handle over. Raises: SettingsError where it is a folder, a pipe or a device."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise SettingsError(f"cannot read {path}: it is not a file")
    return FileIO(handle)


def guard_place(path: Path) -> None:
    """Refuse a file that somebody else could put another in place of: a link, or a folder on its way that is not safe.

    Raises: SettingsError naming the link or the folder.
    """
    if path.is_symlink():
        raise _is_link(path)
    todo = list(reversed(Path(os.path.abspath(path.parent)).parts[1:]))  # noqa: PTH100 - resolve() would follow links
    here, links = Path("/"), 0
    try:
        _refuse_writable(here, here.lstat())
        while todo:
            there = here / todo.pop()
            found = there.lstat()
            if stat.S_ISLNK(found.st_mode):
                links += 1
                target = there.readlink()
                _refuse_anothers(there, found)
                todo += reversed([part for part in target.parts if part != "/"])
                here = Path("/") if target.is_absolute() else here
            elif there.name == "..":
                here = here.parent
            else:
                _refuse_writable(there, found)
                here = there
            if links > _MOST_LINKS:
                raise SettingsError(f"cannot read {path}: its folders are links without an end")
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None


def _refuse_writable(path: Path, found: os.stat_result) -> None:
    """Refuse what others may change. In a sticky folder they may add, but not replace what is ours."""
    _refuse_anothers(path, found)
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_mode & 0o022 and not sticky:
        raise SettingsError(
            f"{path} may be written by others (mode {found.st_mode & 0o7777:04o}): chmod go-w {path}"
        )


def _refuse_anothers(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        raise SettingsError(f"{path} belongs to another user ({found.st_uid})")


def _is_link(path: Path) -> SettingsError:
    return SettingsError(f"{path} is a symbolic link, which may be pointed elsewhere: name the file itself")
