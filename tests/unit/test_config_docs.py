"""docs/configuration.md equals the models, and every field has a description."""

import pytest
from config_docs import inner_models, written
from pydantic import BaseModel

from streams.portfolio.sections import Portfolio
from streams.settings import Settings
from streams.submit.signer_file import SignerFile
from streams.submit.venues.aave_v3.section import AaveFields
from streams.submit.venues.uniswap_v3.section import FurtherDeployment

FILES = (Settings, Portfolio, SignerFile, AaveFields, FurtherDeployment)


def all_models() -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    waiting = list(FILES)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            waiting += [
                inner for field in model.model_fields.values() for inner in inner_models(field.annotation)
            ]
    return list(found)


def test_the_page_is_that_which_the_models_make() -> None:
    old = [path.name for path, content in written().items() if path.read_bytes() != content]
    assert old == [], "run `make config-docs`"


@pytest.mark.parametrize("model", all_models(), ids=lambda each: each.__name__)
def test_every_field_says_what_it_means(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_defaults_stand_as_they_are_written() -> None:
    (page,) = written().values()
    text = page.decode()
    for row in (
        "| `target_share` | share | `50%` |",
        "| `cooldown` | time | `1h` |",
        "| `max_gas_ether` | number | `0.25` |",
        "| `max_gas_ether_per_day` | number | `1` |",
        "| `max_fee_gwei` | number | `200` |",
        "| `decimals` | whole number from 0 to 36 |  |",
        "| `max_observation_age` | time above 0s to 1d | `1h` |",
    ):
        assert row in text, row
