"""The versions of messages and entries: how a type states its own, and how older forms are upgraded.

A type is of version 1 until its form changes for the first time, and states nothing. From then on a message states its version in
its tag (`tag="Paused.2"`), an entry in a tag of its own (`tag_field="version", tag="2"`). Beside the type stands a function that makes
its form out of the one before, as it is on the wire; a type that holds a changed one has changed as well:

    @upgrades("Paused", 1)
    def _paused_2(fields: Fields) -> Fields: ...
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from pipeline.errors import MalformedRecordError

Fields = dict[str, Any]
"""A record decoded from JSON; every integer is still a decimal string."""
Upgrade = Callable[[Fields], Fields]

VERSION_FIELD = "version"
"""The field of an entry that states its version."""
TYPE_FIELD = "type"
"""The field of a message that states its type and version."""

_TYPE = re.compile(r"([A-Z][A-Za-z]{0,63})(?:\.([2-9]|[1-9]\d{1,3}))?")
_UPGRADES: dict[tuple[str, int], Upgrade] = {}


def upgrades(name: str, version: int) -> Callable[[Upgrade], Upgrade]:
    """Register a function that upgrades records of a type from one version to the next."""

    def register(upgrade: Upgrade) -> Upgrade:
        _UPGRADES[name, version] = upgrade
        return upgrade

    return register


def has_upgrade(name: str, version: int) -> bool:
    """Return whether there is an upgrader from a type's version to the next."""
    return (name, version) in _UPGRADES


def type_and_version(stated: object) -> tuple[str, int] | None:
    """Parse the type field of a message, such as `Paused.2`; None where no release writes such a type."""
    found = _TYPE.fullmatch(stated) if isinstance(stated, str) else None
    return None if found is None else (found[1], int(found[2] or 1))


def version_of_type(kind: type[msgspec.Struct]) -> int:
    """Return the version of a message or an entry type that this release writes."""
    config = kind.__struct_config__
    match config.tag_field:
        case "type":
            stated = type_and_version(config.tag)
            return 1 if stated is None else stated[1]
        case "version":
            return int(str(config.tag))
    return 1


def upgraded(name: str, fields: Fields, version: int, newest: int, *, where: str) -> Fields:
    """Upgrade a record to the newest version of its type. Raises: MalformedRecordError naming `where`."""
    for each in range(version, newest):
        try:
            fields = _UPGRADES[name, each](fields)
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise MalformedRecordError(
                f"{where}: {name} of version {each} cannot be made one of version {each + 1}: {type(error).__name__}: {error}"
            ) from error
    return fields
