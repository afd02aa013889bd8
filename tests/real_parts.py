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
    """The folder with all downloads, kept between runs."""
    folder = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
    prepare(cache=folder)
    return folder


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Broker]:
    """A broker shared by the whole run; a test uses topic names of its own."""
    with start_broker(tmp_path_factory.mktemp("broker"), cache=cache) as running:
        yield running


@pytest.fixture
def own_broker(tmp_path: Path, cache: Path) -> Iterator[Broker]:
    """A broker of this test alone, which it may stop, kill and restart."""
    with start_broker(tmp_path / "broker", cache=cache) as running:
        yield running


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[World, Path, str]:
    """The contracts deployed once per run: their addresses, the chain's state in a file, its head's hash."""
    folder = tmp_path_factory.mktemp("built")
    with start_chain(folder, cache=cache) as chain:
        world = build_world(chain, cache=cache)
        chain.dump(folder / "state.json")
        return world, folder / "state.json", chain.header().hash


@pytest.fixture
def world(built: tuple[World, Path, str]) -> World:
    """The addresses of the contracts on `chain`."""
    return built[0]


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain of this test alone, with the contracts on it. It cannot be rolled back to before their deployment."""
    with start_chain(tmp_path / "chain", cache=cache, state=built[1]) as running:
        yield running


@pytest.fixture
async def proxy(chain: Chain) -> AsyncIterator[NodeProxy]:
    """A proxy between a test and its chain, which can cause faults."""
    between = NodeProxy(chain.url, free_port())
    await between.start()
    yield between
    await between.stop()


@pytest.fixture
async def node(proxy: NodeProxy) -> AsyncIterator[HttpNode]:
    """A client of the chain through the proxy."""
    asked = HttpNode(proxy.url_for("here"), timeout_s=10)
    yield asked
    await asked.close()
