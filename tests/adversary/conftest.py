"""What the tests here stand on: one real broker for all of them, and a fresh real chain for each that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from judge_bench import Bench
from real_parts import broker, built, cache, chain, own_broker, world
from sender_house import CHAIN_IDS

from streams.devnet.chain import Chain, start_chain
from streams.devnet.world import World

__all__ = ["broker", "built", "cache", "chain", "own_broker", "world"]


@pytest.fixture(scope="session")
def judged_chain(
    built: tuple[World, Path, str], tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Iterator[Chain]:
    """A chain that every test here leaves as it found it."""
    folder = tmp_path_factory.mktemp("judged")
    with start_chain(folder, cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as running:
        yield running


@pytest.fixture
def bench(judged_chain: Chain, built: tuple[World, Path, str], tmp_path: Path) -> Iterator[Bench]:
    """A signer's judge on a real chain, without a broker."""
    snapshot = judged_chain.rpc("evm_snapshot")
    yield Bench(judged_chain, built[0], tmp_path)
    judged_chain.rpc("evm_revert", snapshot)
