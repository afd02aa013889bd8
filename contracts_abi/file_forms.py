"""Read a file that a person names, and take its values into the form that they must have; what is wrong is named by field, what is expected and what stands there."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")
FieldPath = tuple[str | int, ...]

_PLACE = re.compile(r" - at (?P<is_name>`key` in )?`\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<number>\d+)\]|(?P<any>\[\.\.\.\])")
_ONE_FIELD = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<field>[^`]*)`")
_BARE = re.compile(r"^[\w-]+$")
"""A name that files write without quotes."""
_DIGITS = re.compile(r"^\^0x\[0-9a-f(A-F)?\]\{(?P<count>\d+)\}\$$")
_MOST_BYTES = 16 * 1024 * 1024
"""Of a file: what a person writes is far smaller, and a device may have no end."""
_LONGEST = 60
"""Of a value that is shown: a file may hold anything."""


class FileFormError(ValueError):
    """A file's values are not of the form that they must have; the text begins with the field."""


def read_text(path: Path) -> str:
    """Read a file that a person names. Raises: FileFormError saying why it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise FileFormError(f"it is larger than {_MOST_BYTES // 2**20} MiB")
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read()
    except OSError as error:
        raise FileFormError(error.strerror) from None
    except UnicodeDecodeError:
        raise FileFormError("it is not UTF-8 text") from None


def take_form(written: Any, form: type[T]) -> T:
    """Convert what a file holds. Raises: FileFormError."""
    try:
        return msgspec.convert(written, form)
    except msgspec.ValidationError as error:
        raise FileFormError(_says(str(error), written, form)) from None


def _says(theirs: str, written: Any, form: type[Any]) -> str:
    """Say what msgspec says, with the names of all fields on the way, which it leaves out where any name may stand."""
    path = _path_of(theirs, written, form)
    one = _ONE_FIELD.match(theirs)
    if one is not None:
        field = _text((*path, one["field"]))
        known = _fields_of(_form_at(form, path))
        if one["what"] == "missing required":
            return f"{field}: missing: must be {expected(known[one['field']])}"
        return f"{field}: unknown field; known: {', '.join(known)}"
    found = _form_at(form, path)
    place = _PLACE.search(theirs)
    if place is not None and place["is_name"]:
        assert isinstance(found, inspect.DictType)
        name = _wrong_key(theirs, written, form, path)
        return f"{_text((*path, name))}: the name must be {expected(found.key_type)}"
    return f"{_text(path) or 'the file'}: must be {expected(found)}, is {_shown(_value_at(written, path))}"


# ------------------------------------------------------------------ where
def _path_of(theirs: str, written: Any, form: type[Any]) -> FieldPath:
    place = _PLACE.search(theirs)
    path: FieldPath = ()
    for step in _STEP.finditer(place["path"]) if place else ():
        if step["any"]:
            path = (*path, _wrong_key(theirs, written, form, path))
        else:
            path = (*path, step["field"] if step["number"] is None else int(step["number"]))
    return path


def _wrong_key(theirs: str, written: Any, form: type[Any], path: FieldPath) -> str:
    """Find the field below a path that an error is about: it remains where all others beside it are left out."""
    for key, value in _value_at(written, path).items():
        try:
            msgspec.convert(_with(written, path, {key: value}), form)
        except msgspec.ValidationError as error:
            if str(error) == theirs:
                return str(key)
    raise AssertionError(theirs)


def _with(value: Any, path: FieldPath, instead: Any) -> Any:
    """Copy a value with something else at a path."""
    if not path:
        return instead
    inner = _with(value[path[0]], path[1:], instead)
    if isinstance(value, Mapping):
        return {**value, path[0]: inner}
    return [inner if place == path[0] else each for place, each in enumerate(value)]


def _value_at(value: Any, path: FieldPath) -> Any:
    for step in path:
        value = value[step]
    return value


def _text(path: FieldPath) -> str:
    return "".join(map(_step_text, path)).removeprefix(".")


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _BARE.match(step) else f'."{step}"'


def _shown(value: Any) -> str:
    kinds = {dict: "a group of fields", list: "a list", type(None): "nothing"}
    if type(value) in kinds:
        return kinds[type(value)]
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return f'"{shown}"' if isinstance(value, str) else shown


# ------------------------------------------------------------------ what is expected
def _form_at(form: type[Any], path: FieldPath) -> inspect.Type:
    found = inspect.type_info(form)
    for step in path:
        found = next(each for each in _parts(found) if _may_hold(each))
        if isinstance(found, inspect.StructType):
            found = _fields_of(found)[str(step)]
        elif isinstance(found, inspect.DictType):
            found = found.value_type
        else:
            assert isinstance(found, inspect.VarTupleType | inspect.ListType)
            found = found.item_type
    return found


def _fields_of(found: inspect.Type) -> Mapping[str, inspect.Type]:
    struct = next(each for each in _parts(found) if isinstance(each, inspect.StructType))
    return {field.encode_name: field.type for field in struct.fields}


def _parts(found: inspect.Type) -> Iterator[inspect.Type]:
    """Unfold what may be one of several, and what carries a name or an annotation."""
    if isinstance(found, inspect.UnionType):
        for each in found.types:
            yield from _parts(each)
    elif isinstance(found, inspect.Metadata):
        yield from _parts(found.type)
    else:
        yield found


def _may_hold(found: inspect.Type) -> bool:
    return isinstance(found, inspect.StructType | inspect.DictType | inspect.VarTupleType | inspect.ListType)


def expected(found: inspect.Type) -> str:
    """Describe in words what a field takes."""
    return " or ".join(dict.fromkeys(filter(None, map(_one_expected, _parts(found)))))


def _one_expected(found: inspect.Type) -> str:
    match found:
        case inspect.NoneType():
            return ""  # a file has no word for it: the field is left out
        case inspect.IntType(gt=gt, ge=ge, lt=lt, le=le):
            least = ge if gt is None else gt + 1
            most = le if lt is None else lt - 1
            return f"a whole number{_between(least, most)}"
        case inspect.StrType(pattern=str(pattern)):
            digits = _DIGITS.match(pattern)
            return f"0x and {digits['count']} hexadecimal digits" if digits else f"text like {pattern}"
        case inspect.StrType(min_length=least, max_length=most):
            return f"text{_between(least, most, 'of')}{' characters' if least or most else ''}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
        case inspect.BoolType():
            return "true or false"
        case inspect.FloatType():
            return "a number"
        case inspect.VarTupleType() | inspect.ListType():
            return "a list"
        case _:
            return "a group of fields"


def _between(least: int | None, most: int | None, begins: str = "from") -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f" of at least {least:,}"
    return f" of at most {most:,}" if least is None else f" {begins} {least:,} to {most:,}"
