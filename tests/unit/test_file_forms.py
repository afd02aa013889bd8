"""What is wrong with a file's values is said in plain words: the field, what is expected, and what stands there."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from contracts_abi import chains
from contracts_abi.chains import ChainFile
from contracts_abi.file_forms import FileFormError, take_form
from streams.plain_json import take_json

BASE = tomllib.loads((Path(chains.__file__).parent / "base.toml").read_text())


class Part(msgspec.Struct, forbid_unknown_fields=True):
    share: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    kind: Literal["one", "two"] = "one"


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(gt=0)]
    most: Annotated[int, msgspec.Meta(lt=10)] | None = None
    has: bool = False
    word: Annotated[str, msgspec.Meta(pattern="^x+$")] = "x"
    parts: dict[str, Part] = {}
    listed: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({}, "count: missing: must be a whole number of at least 1"),
        ({"count": 0}, "count: must be a whole number of at least 1, is 0"),
        ({"count": 1, "cuont": 2}, "cuont: unknown field; known: count, most, has, word, parts, listed"),
        ({"count": 1, "most": 10}, "most: must be a whole number of at most 9, is 10"),
        ({"count": 1, "has": "yes"}, 'has: must be true or false, is "yes"'),
        ({"count": True}, "count: must be a whole number of at least 1, is true"),
        ({"count": 1, "word": "y"}, 'word: must be text like ^x+$, is "y"'),
        ({"count": 1, "word": 80 * "y"}, f'word: must be text like ^x+$, is "{60 * "y"}..."'),
        ({"count": 1, "parts": []}, "parts: must be a group of fields, is a list"),
        ({"count": 1, "listed": {}}, "listed: must be a list, is a group of fields"),
        ({"count": 1, "listed": [{}, {"share": "a"}]}, 'listed[1].share: must be a number, is "a"'),
        ({"count": 1, "parts": {"a b": {}, "c.d": {"kind": 3}}}, 'parts."c.d".kind: must be one of one, two, is 3'),
        ({"count": 1, "parts": {"a": {}, "b": {"x": 3}}}, "parts.b.x: unknown field; known: share, kind"),
        ([], "the file: must be a group of fields, is a list"),
    ],
    ids=str,
)  # fmt: skip
def test_the_field_what_is_expected_and_what_stands_there(written: Any, says):
    with pytest.raises(FileFormError) as refused:
        take_form(written, Whole)
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON: it ends too early"),
        ('{"count": ', "no JSON: it ends too early"),
        ("count", "no JSON: invalid character (byte 0)"),
        (b'{"count": "\xff"}', "no JSON: "),
        (100_000 * "[", "no JSON: values lie too deep inside each other"),
        ('{"count": "1"}', 'count: must be a whole number of at least 1, is "1"'),
        ("null", "the file: must be a group of fields, is nothing"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_json_is_said_too(text, says):
    with pytest.raises(FileFormError) as refused:
        take_json(text, Whole)
    assert str(refused.value).startswith(says)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, inner in inside for found in places(inner, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], odd)
    return copy


ODD: tuple[Any, ...] = (-1, 2**70, 1.5, float("nan"), True, "", "x" * 300, [], ["x"], {}, {"x": 1}, None, tomllib.loads("a = 07:30:00")["a"])  # fmt: skip


def test_an_odd_value_at_any_place_of_a_chains_file_is_named_by_its_place_in_our_words():
    refused = 0
    for path in places(BASE):
        for odd in ODD:
            try:
                take_form(changed(BASE, path, odd), ChainFile)
            except FileFormError as error:
                refused += 1
                says = str(error)
                assert not any(
                    theirs in says for theirs in ("`", "$", "Expected", "[...]", "Invalid", "Object")
                )
                assert all(str(step) in says for step in path), (path, says)
                assert "must be " in says or "unknown field" in says, says
    assert refused > 500
