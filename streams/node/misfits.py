"""Say in plain words how a node's answer differs from the form that it must have."""

import re
from collections.abc import Mapping

from streams.plain_json import why_malformed

_KINDS: Mapping[str, str] = {
    "object": "an object",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_KIND = re.compile(r"^Expected `(?P<wanted>[^`]+)`(?P<more>[^,`]*)(?:, got `(?P<found>[^`]+)`)?")
_FIELD = re.compile(r"^Object missing required field `(?P<field>[^`]*)`")


def misfit(theirs: str) -> str:
    """Reword what msgspec says of an answer: it names no value, which a stranger chose."""
    place = _PLACE.search(theirs)
    at = f"{place['path']} " if place and place["path"] else ""
    if kind := _KIND.match(theirs):
        found = f", is {_kinds(kind['found'])}" if kind["found"] else ""
        return f"{at}must be {_kinds(kind['wanted'])}{kind['more']}{found}"
    if field := _FIELD.match(theirs):
        return f"{f'{at.strip()}.'.removeprefix('.')}{field['field']} is missing"
    if "recursion" in theirs:
        return "its values lie too deep inside each other"
    return why_malformed(theirs).replace("`", "")


def _kinds(named: str) -> str:
    return " or ".join(_KINDS.get(each, each) for each in named.split(" | "))
