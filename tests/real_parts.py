"""Fixtures of real parts: one broker for a whole run, and a fresh chain with contracts for each test that requests one."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from chaos.proxy import NodeProxy

from streams.devnet.broker import Broker, start_broker
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import Chain, start_chain
from streams.devnet.deploy import build_world
from streams.devnet.ports import free_port
from streams.devnet.setup import prepare
from streams.devnet.world import World
from streams.node.http_node import HttpNode


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where downloads are kept between runs, with all of them in it."""
    folder = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
    prepare(cache=folder)
    return folder


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


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[World, Path, str]:
    """The world built once a run: where everything stands, the chain's state on file, its head's hash."""
    folder = tmp_path_factory.mktemp("built")
    with start_chain(folder, cache=cache) as chain:
        world = build_world(chain, cache=cache)
        chain.dump(folder / "state.json")
        return world, folder / "state.json", chain.header().hash


@pytest.fixture
def world(built: tuple[World, Path, str]) -> World:
    """Where everything stands on `chain`."""
    return built[0]


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain of this test alone, with the world on it. States older than the world cannot be rolled back to."""
    with start_chain(tmp_path / "chain", cache=cache, state=built[1]) as running:
        yield running


@pytest.fixture
async def proxy(chain: Chain) -> AsyncIterator[NodeProxy]:
    """Stand between a test and its chain, to have some trouble."""
    between = NodeProxy(chain.url, free_port())
    await between.start()
    yield between
    await between.stop()


@pytest.fixture
async def node(proxy: NodeProxy) -> AsyncIterator[HttpNode]:
    """Ask the chain through the proxy."""
    asked = HttpNode(proxy.url_for("here"), timeout_s=10)
    yield asked
    await asked.close()
