"""Parse YAML with the position of each value, so that an error can name file, line and column."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from pipeline.errors import SettingsError

FieldPath = tuple[str | int, ...]

_EMPTY = frozenset({"", "~", "null"})
_DEEPEST = 50
"""How many levels of values may lie inside each other: the files that Evenkeel reads have six."""
_MOST_REPEATED = 200_000
"""How many values a file's aliases may repeat, all together: a few lines of them stand for billions."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with the value at a path."""

    path: FieldPath
    says: str


@dataclass(frozen=True)
class Document:
    """A file's value (mappings, lists, texts, None) and where each part of it stands."""

    file: str
    value: Any
    places: Mapping[FieldPath, yaml.Mark]

    def where(self, path: FieldPath) -> str:
        """Name the place of a value, or of the nearest thing around it that the file has."""
        while path not in self.places:
            path = path[:-1]
        mark = self.places[path]
        return f"{self.file}:{mark.line + 1}:{mark.column + 1}"

    def refuse(self, problems: Iterable[Problem]) -> SettingsError:
        """Put the problems into one error, a line each, in the file's order."""
        lines = [
            (self._order(p.path), f"{self.where(p.path)}: {path_text(p.path)}{p.says}") for p in problems
        ]
        return SettingsError("\n".join(line for _, line in sorted(lines)))

    def paths_of(self, text: str) -> Iterator[FieldPath]:
        """Find the fields that hold a text."""
        for path in self.places:
            found = self.value
            for part in path:
                inside = isinstance(found, dict | list) and part != ""
                found = found[part] if inside else None
            if found == text:
                yield path

    def _order(self, path: FieldPath) -> int:
        while path not in self.places:
            path = path[:-1]
        return self.places[path].index


def read_yaml(text: str, file: str) -> Document:
    """Read one YAML document. Every scalar stays the text it is: the field that takes it knows its type.

    (YAML itself would turn an address without quotes into a number.)

    Raises: SettingsError for what is no YAML, a field given twice, a value that contains itself, more levels than
    `_DEEPEST`, or aliases that repeat more values than `_MOST_REPEATED`.
    """
    try:
        root = yaml.compose(text, Loader=_Composer)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise SettingsError(f"{file}{place}: no YAML: {error.problem}") from None
    except ReaderError as error:
        raise SettingsError(_not_a_text(text, file, error)) from None
    values = _Values(file, most=len(text) + _MOST_REPEATED)
    value = None if root is None else values.of(root, (), ())
    return Document(file=file, value=value, places=values.places)


def _not_a_text(text: str, file: str, error: ReaderError) -> str:
    """Name the place of a character that no YAML may hold."""
    before = text[: error.position]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{file}:{line}:{column}: no YAML: a character that no text may hold (U+{ord(text[error.position]):04X})"


class _Composer(yaml.SafeLoader):
    """Builds the nodes of a document, to a bounded depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Build the next node and all inside it. Raises: ComposerError where it lies too deep."""
        if self._depth > _DEEPEST:
            mark = cast("Any", self).peek_event().start_mark  # has no types
            raise ComposerError(None, None, f"more than {_DEEPEST} levels of values inside each other", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Values:
    """Turns nodes into values, and notes where each stands."""

    def __init__(self, file: str, *, most: int) -> None:
        """Take the file's name, and how many places to note at most: without aliases there are fewer than characters."""
        self._file, self._most = file, most
        self.places: dict[FieldPath, yaml.Mark] = {(): yaml.Mark(file, 0, 0, 0, None, 0)}

    def of(self, node: yaml.Node, path: FieldPath, inside: tuple[int, ...]) -> Any:
        """Return a node's value. Raises: SettingsError."""
        if id(node) in inside:
            raise SettingsError(f"{self._file}:{node.start_mark.line + 1}: {path_text(path)}contains itself")
        if len(self.places) > self._most:
            raise SettingsError(
                f"{self._file}:{node.start_mark.line + 1}: aliases repeat more than {_MOST_REPEATED:,} values"
            )
        inside = (*inside, id(node))
        self.places.setdefault(path, node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inside)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, (*path, i), inside) for i, item in enumerate(node.value)]
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if plain and node.value.lower() in _EMPTY else node.value

    def _mapping(self, node: yaml.MappingNode, path: FieldPath, inside: tuple[int, ...]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, item in node.value:
            place = f"{self._file}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise SettingsError(f"{place}: {path_text(path)}a field's name must be a word")
            if key.value in fields:
                raise SettingsError(f"{place}: {path_text((*path, key.value))}given twice")
            self.places[(*path, key.value)] = (key if _begins_below(item) else item).start_mark
            # the name itself, for a name that should not be there
            self.places[(*path, key.value, "")] = key.start_mark
            fields[key.value] = self.of(item, (*path, key.value), inside)
        return fields


def _begins_below(item: yaml.Node) -> bool:
    """Whether a field's value begins on a later line, or nowhere: then its name is the place to look."""
    if isinstance(item, yaml.ScalarNode):
        return not item.value
    return isinstance(item, yaml.CollectionNode) and item.flow_style is False


def path_text(path: FieldPath) -> str:
    """Write a path as `books[0].owner: `, nothing for the whole file."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path if part != ""]
    return f"{''.join(parts).lstrip('.')}: " if parts else ""


_REWORDED: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\binput should be a valid integer.*", re.IGNORECASE), "must be a whole number"),
    (re.compile(r"\binput should be a valid (number|decimal).*", re.IGNORECASE), "must be a number"),
    (re.compile(r"\binput should be greater than or equal to ", re.IGNORECASE), "must be at least "),
    (re.compile(r"\binput should be less than or equal to ", re.IGNORECASE), "must be at most "),
    (re.compile(r"\b(input|string) should ", re.IGNORECASE), "must "),
)
_IN_OUR_WORDS: Mapping[str, str] = {
    "int_parsing": "must be a whole number",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "finite_number": "must be a finite number",
    "int_parsing_size": "must be a whole number, of fewer digits",
    "int_type": "must be a whole number",
    "path_type": "must be a path",
    "string_type": "must be a word",
    "tuple_type": "must be a list",
    "dict_type": "must hold fields, one per line",
    "model_type": "must hold fields, one per line",
    "model_attributes_type": "must hold fields, one per line",
}


PATTERNS: Mapping[str, str] = {
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "must be of a-z, 0-9, _ and -, begin with a letter or digit, and have 63 characters at most",
    r"^\S{1,32}$": "must be a word of 1 to 32 characters",
    r"^[A-Za-z0-9._-]+$": "must be of a-z, A-Z, 0-9, dots, _ and -",
    r"^[^\x00-\x1f]+$": "must be a name without control characters",
}
"""What the patterns of our models take, in words."""


def in_our_words(says: str) -> str:
    """Reword what pydantic says of a value: `Input should be greater than 0` becomes `must be greater than 0`."""
    for theirs, ours in _REWORDED:
        says = theirs.sub(ours, says)
    return says[:1].lower() + says[1:]


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Describe what a model found wrong, in our words, without the values (one may be a secret)."""
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        path, context = detail["loc"], detail.get("ctx", {})
        known = _fields_at(model, path[:-1])
        match detail["type"]:
            case "missing":
                found.append(Problem(path, _missing(known[str(path[-1])])))
            case "extra_forbidden":
                found.append(Problem((*path, ""), f"unknown field{did_you_mean(str(path[-1]), known)}"))
            case "value_error":
                found.append(Problem(path, str(context["error"])))
            case "string_pattern_mismatch":
                found.append(Problem(path, PATTERNS.get(context["pattern"]) or in_our_words(detail["msg"])))
            case "too_short":
                found.append(Problem(path, f"must name at least {context['min_length']}"))
            case "too_long":
                found.append(Problem(path, f"must name at most {context['max_length']}"))
            case "literal_error":
                found.append(Problem(path, f"must be {context['expected']}"))
            case kind:
                found.append(Problem(path, _IN_OUR_WORDS.get(kind) or in_our_words(detail["msg"])))
    return found


def _missing(field: FieldInfo) -> str:
    return f"missing: {field.description}" if field.description else "missing"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the known words, or list them if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(names)}"


def _fields_at(model: type[BaseModel], path: FieldPath) -> Mapping[str, FieldInfo]:
    """Find the fields that may stand at a path, none below a value that is not a section."""
    section: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, str) and section is not None:
            section = next(_sections_in(section.model_fields[part].annotation), None)
    return section.model_fields if section else {}


def _sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)
