"""Write docs/configuration.md from the models that read the files and the environment: `make config-docs`."""

import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, SecretStr, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.units import Wei
from streams.human_numbers import (
    bps_text,
    parse_bps,
    parse_price_move,
    parse_seconds,
    plain_number,
    price_move_text,
    seconds_text,
)
from streams.portfolio.hedge_sections import read_ratio
from streams.portfolio.names import read_address, read_pool
from streams.portfolio.sections import Portfolio
from streams.settings import Settings, variable_of
from streams.submit.signer_file import SignerFile
from streams.submit.venues.aave_v3.section import AaveFields
from streams.submit.venues.uniswap_v3.section import FurtherDeployment

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGINNING = r"""# Configuration

Made by `make config-docs` from the code that reads the files. How the settings work together is in [operations.md](operations.md). `evenkeel init` writes an example, and
`evenkeel check` checks a file against these rules and the chain.

- A *share* is written `5%` or `25 bps`.
- A *price move* is written in the same way: `6%` is from /1.06 to \*1.06 of a price. It is stored as the nearest whole number of compounded steps of 0.01 %.
- A *time* is written `30s`, `5m`, `3h` or `14d`.
- An *address* may be an ENS name, except in a signer's file.
- A field whose column *default* is empty is required.
"""
WORDS = {
    parse_bps: "share",
    parse_price_move: "price move",
    parse_seconds: "time",
    read_address: "address",
    read_pool: "pool",
    read_ratio: "share or `auto`",
}
WEI_PER_UNIT = {"_ether": 10**18, "_gwei": 10**9}
"""The units of fields that are stored in wei, by a part of the field's name."""
MADE = {variable_of("instance"): "the host's name"}
"""Defaults that are not the same everywhere."""
PLAIN: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    Decimal: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "URL",
}


def written() -> dict[Path, bytes]:
    """Make the page as it must be in the repository."""
    parts = [
        BEGINNING,
        "## The environment\n",
        "Each can be set in `evenkeel.yaml` too, in lower case and without `EVENKEEL_`.\n",
        table(Settings, {name: variable_of(name) for name in Settings.model_fields}),
        "## The portfolio file\n",
        *sections(Portfolio, ""),
        "## A signer's file\n",
        *sections(SignerFile, ""),
        "### An entry of `venues` of kind `uniswap_v3`\n",
        table(FurtherDeployment),
        "### An entry of `venues` of kind `aave_v3`\n",
        table(AaveFields),
    ]
    return {PAGE: "\n".join(parts).encode()}


def sections(model: type[BaseModel], at: str) -> Iterator[str]:
    """Write a section's fields, then those of each section within it."""
    if at:
        yield f"### `{at}`\n"
    about = (model.__doc__ or "").strip().partition("\n")[0]
    if at and about:
        yield f"{about}\n"
    yield table(model)
    for name, field in model.model_fields.items():
        for inner in inner_models(field.annotation):
            yield from sections(inner, f"{at}.{name}".lstrip("."))


def table(model: type[BaseModel], names: Mapping[str, str] | None = None) -> str:
    """Write a section's own fields."""
    rows = "\n".join(row((names or {}).get(name, name), field) for name, field in model.model_fields.items())
    return f"| field | takes | default | meaning |\n|---|---|---|---|\n{rows}\n"


def row(name: str, field: FieldInfo) -> str:
    """Write one field."""
    takes = "number" if field.annotation is Wei else in_words(field.annotation, tuple(field.metadata))
    text = " ".join(str(field.description or "").replace("|", "/").split()).removesuffix(".")
    return f"| `{name}` | {takes} | {default_of(name, field, takes)} | {text[:1].upper()}{text[1:]}. |"


def inner_models(annotation: Any) -> list[type[BaseModel]]:
    """List the sections that a field holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in inner_models(each)]


def in_words(annotation: Any, metadata: tuple[Any, ...]) -> str:
    """Say what a field takes, with its bounds."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return in_words(inner, (*metadata, *more))
    kind = kind_of(annotation, metadata)
    bounds = " ".join(filter(None, (bound(each, is_time=kind == "time") for each in flat(metadata))))
    return f"{kind} {bounds}".strip()


def kind_of(annotation: Any, metadata: tuple[Any, ...]) -> str:
    """Name the kind of a value."""
    for each in flat(metadata):
        if isinstance(each, BeforeValidator) and each.func in WORDS:
            return WORDS[each.func]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        return f"list of {in_words(arguments[0], ())}"
    if origin is dict:
        return f"map of {in_words(arguments[0], ())} to {in_words(arguments[1], ())}"
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(each, ()) for each in arguments if each is not types.NoneType)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    plain = getattr(annotation, "__supertype__", annotation)
    while hasattr(plain, "__supertype__"):
        plain = plain.__supertype__
    return PLAIN.get(plain, "text")


def flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    """Open what pydantic keeps within a field's metadata."""
    for each in metadata:
        yield from flat(tuple(each.metadata)) if isinstance(each, FieldInfo) else (each,)


def bound(each: Any, *, is_time: bool) -> str:
    """Describe a bound."""
    if isinstance(each, StringConstraints):
        return f"matching `{str(each.pattern).replace('|', '/')}`" if each.pattern else ""
    for name, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below")):
        if hasattr(each, name):
            value = getattr(each, name)
            return f"{word} {seconds_text(value) if is_time else f'{value:,}'}"
    return ""


def default_of(name: str, field: FieldInfo, takes: str) -> str:
    """Write a default as a file would have it; nothing where there is none."""
    value = field.default
    if name in MADE:
        return MADE[name]
    for unit, wei in WEI_PER_UNIT.items():
        if unit in name and field.annotation is Wei:
            return f"`{plain_number(Decimal(value) / wei)}`"
    if field.is_required() or value is PydanticUndefined:
        return ""
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, BaseModel):
        return "below"
    if takes.startswith("share"):
        return f"`{bps_text(value)}`"
    if takes.startswith("price move"):
        return f"`{price_move_text(value)}`"
    if takes.startswith("time"):
        return f"`{seconds_text(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    for path, content in written().items():
        path.write_bytes(content)
