"""Write and read the JSON files by which later commands find our processes, always whole."""

from pathlib import Path
from typing import TypeVar

import msgspec

from contracts_abi.file_forms import FileFormError
from pipeline.errors import DevnetError
from streams.plain_json import take_json

T = TypeVar("T", bound=msgspec.Struct)


def write_record(path: Path, record: msgspec.Struct) -> None:
    """Write a record in place of the one before; whoever reads meanwhile finds either."""
    path.with_suffix(".new").write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    path.with_suffix(".new").rename(path)


def read_record(path: Path, form: type[T]) -> T | None:
    """Read a record; None where there is none. Raises: DevnetError if the file says something else."""
    if not path.exists():
        return None
    try:
        return take_json(path.read_bytes(), form)
    except FileFormError as error:
        raise DevnetError(f"{path}: {error}") from None
