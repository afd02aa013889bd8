"""Fixtures of the adversary tests: one real broker for all of them, and a fresh real chain for each that requests one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from judge_bench import Bench
from lending_bench import LendingBench
from real_parts import broker, built, cache, chain, own_broker, world
from sender_house import CHAIN_IDS

from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain, start_chain
from streams.devnet.world import World

__all__ = ["broker", "built", "cache", "chain", "own_broker", "world"]

_VERSIONS = {"3.0": deploy_aave_v3_0, "3.6": deploy_aave_v3_6}


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


@pytest.fixture(scope="module", params=_VERSIONS)
def market(
    request: pytest.FixtureRequest, judged_chain: Chain, built: tuple[World, Path, str], cache: Path
) -> Iterator[AaveContracts]:
    """Put a lending market on that chain, while the tests of one module and version last."""
    snapshot = judged_chain.rpc("evm_snapshot")
    yield _VERSIONS[request.param](judged_chain, built[0], cache=cache)
    judged_chain.rpc("evm_revert", snapshot)


@pytest.fixture
def lending(
    market: AaveContracts, judged_chain: Chain, built: tuple[World, Path, str], tmp_path: Path
) -> Iterator[LendingBench]:
    """A signer's judge at that market."""
    snapshot = judged_chain.rpc("evm_snapshot")
    yield LendingBench(judged_chain, built[0], tmp_path, market)
    judged_chain.rpc("evm_revert", snapshot)


@pytest.fixture(scope="module")
def elsewhere(
    market: AaveContracts, judged_chain: Chain, built: tuple[World, Path, str], cache: Path
) -> AaveContracts:
    """Put another lending market beside that one, of the other version, which no file names."""
    (other,) = _VERSIONS.keys() - {market.version}
    return _VERSIONS[other](judged_chain, built[0], cache=cache)
