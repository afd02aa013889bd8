"""What the integration tests stand on: one real broker for all of them, and a fresh real chain for each that asks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.devnet.broker import Broker, start_broker
from streams.devnet.cache import DEFAULT_CACHE


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where downloads are kept between runs."""
    return Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Broker]:
    """A broker shared by the whole run: name your topics so that no other test uses them."""
    with start_broker(tmp_path_factory.mktemp("broker"), cache=cache) as running:
        yield running


@pytest.fixture
def own_broker(tmp_path: Path, cache: Path) -> Iterator[Broker]:
    """A broker of this test alone, to be stopped, killed and started again."""
    with start_broker(tmp_path / "broker", cache=cache) as running:
        yield running
