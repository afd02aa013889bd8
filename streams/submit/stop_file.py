"""Stop a signer by a file beside its own, which no topic can create or remove."""

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.sign.gas_fees import Stop
from streams.yaml_positions import read_yaml

SUFFIX = ".stop"
CANCEL, HOLD = "cancel", "hold"
"""The first word of such a file. Whatever else it says, or if it cannot be read, holds."""
_MOST_BYTES = 4_096


def _say_nothing(problem: str) -> None:
    del problem


def stop_file_of(signer_file: Path, warn: Callable[[str], None] = _say_nothing) -> Path:
    """Return the path of a signer's stop file: from its file, else beside it.

    Reads no more of the file than that: who must stop a signer cannot wait until its file is in order.
    """
    named: object = None
    try:
        document = read_yaml(signer_file.read_text(encoding="utf-8"), str(signer_file))
        named = document.value.get("stop_file") if isinstance(document.value, dict) else None
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        warn(f"{signer_file} cannot be read ({error}): its stop file is taken to be the one beside it")
    beside = signer_file.with_name(signer_file.name + SUFFIX)
    return (signer_file.parent / named if isinstance(named, str) and named else beside).absolute()


def local_stop(path: Path | None) -> Stop | None:
    """Return whether a stop file is there. It stops in any form, and also where its absence cannot be established."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            words = file.read(_MOST_BYTES).split()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Stop(why=f"the stop file {path} cannot be read: {error.strerror}", cancels=False)
    return Stop(why=f"the stop file {path} is there", cancels=words[:1] == [CANCEL.encode()])


def put_stop_file(path: Path, *, cancels: bool, reason: str) -> None:
    """Stop a signer from its own machine. Raises: SettingsError if the file cannot be written."""
    text = f"{CANCEL if cancels else HOLD}\n{reason}\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from None


def remove_stop_file(path: Path) -> bool:
    """Remove the stop file, so that a signer signs again; return whether it was there. Raises: SettingsError if it cannot be removed."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SettingsError(f"cannot remove {path}: {error.strerror}") from None
    return True
