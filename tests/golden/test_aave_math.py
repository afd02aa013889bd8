"""Every recorded answer of the libraries of both versions of Aave V3, reverts included, equals ours."""

import json
from pathlib import Path

import pytest

from pipeline.errors import OutOfRangeError
from pipeline.venues.aave_v3 import interest, rays

LINES = Path(__file__).with_name("aave_math").joinpath("vectors.jsonl").read_text().splitlines()
VECTORS = [json.loads(line) for line in LINES]
FUNCTIONS = sorted({(version, name) for version, name, _, _ in VECTORS})


@pytest.mark.parametrize(("version", "name"), FUNCTIONS)
def test_equals_the_bytecode(version: str, name: str) -> None:
    ours = getattr(interest, name, None) or getattr(rays, name)
    mine = [(given, answer) for of, called, given, answer in VECTORS if (of, called) == (version, name)]
    assert len(mine) >= 40
    for given, answer in mine:
        numbers = [int(each) for each in given]
        if answer is None:
            with pytest.raises(OutOfRangeError):
                ours(*numbers)
        else:
            assert ours(*numbers) == int(answer), given


def test_the_two_versions_compound_differently() -> None:
    """To the last digits only: which is why one of them in the other's place is found late."""
    one, other = interest.compounded_by_second, interest.compounded_continuously
    rate_ray, elapsed_s = 5 * 10**25, 3_600
    assert one(rate_ray, elapsed_s) != other(rate_ray, elapsed_s)  # type: ignore[arg-type]
    assert abs(one(rate_ray, elapsed_s) - other(rate_ray, elapsed_s)) < 10**17  # type: ignore[arg-type]
