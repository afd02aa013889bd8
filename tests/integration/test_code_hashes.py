"""Hashes of contracts' code: those in the chains' files follow from published artifacts, and no process starts if a node contradicts one."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from chain_files import chain_file
from cli_run import Run
from eth_utils.crypto import keccak
from signer_files import DEVNET

from contracts_abi.chains import ROLES, ChainFile, known_chains, parse_chain_file
from pipeline.errors import NodeBusyError, SettingsError
from streams.cli import submitting
from streams.devnet.chain import Chain
from streams.devnet.deployer import Deployer
from streams.devnet.ports import free_port
from streams.devnet.world import World
from streams.node.chain_code import require_code
from streams.portfolio import load_portfolio

pytestmark = pytest.mark.anvil

STATED = {
    1: {"factory", "router"},
    10: set(),
    56: {"factory"},
    137: {"factory"},
    8453: {"factory", "position_manager", "router"},
    42_161: {"factory"},
}
"""Of others no artifact is known to be what stands there: the wrapped coins, and managers and routers of other versions."""
DESCRIPTORS = {8453: "0x4615C383F85D0a2BbED973d83ccecf5CB7121463"}
"""NonfungibleTokenPositionDescriptor, which a manager is made with. Source: docs.uniswap.org, deployment addresses."""
V2_FACTORIES = {1: "0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f", 8453: "0x" + 40 * "0"}
"""Uniswap V2's, which a router is made with; on Base there was none yet."""
NONE = 64 * "0"
SHOWN = "0x00000000…"
"""As a terminal shows it."""
CONFIG = 78
"""A supervisor knows by it that only another file will help."""
OWN = Path("own.toml")


# ------------------------------------------------------------------ the files of this package
@pytest.fixture
def deployed(chain: Chain, cache: Path) -> Callable[..., str]:
    """Deploy a published contract, and return its code without its own address."""
    deployer = Deployer(chain, chain.rpc("eth_accounts")[-1], cache)

    def deploy(name: str, *arguments: str) -> tuple[str, str]:
        place = deployer.deploy(f"uniswap-v3/{name}", *arguments)
        return place.removeprefix("0x").lower(), chain.rpc("eth_getCode", place, "latest")

    return deploy


def derived(known: ChainFile, role: str, deployed: Callable[..., tuple[str, str]]) -> str:
    at, number = known.contracts, known.chain_id
    if role == "factory":
        own, code = deployed("UniswapV3Factory")
        assert code.count(own) == 1, "a factory's code holds its own address, against delegated calls"
        return hash_of(code.replace(own, at.factory.removeprefix("0x")))
    if role == "position_manager":
        _, code = deployed("NonfungiblePositionManager", at.factory, at.wrapped_native, DESCRIPTORS[number])
        return hash_of(code)
    assert role == "router"
    _, code = deployed(
        "SwapRouter02", V2_FACTORIES[number], at.factory, at.position_manager, at.wrapped_native
    )
    return hash_of(code)


def hash_of(code: str) -> str:
    return "0x" + keccak(hexstr=code).hex()


def test_each_stated_hash_is_that_of_the_published_artifact(deployed):
    assert {number: set(each.contracts.code_hashes) for number, each in known_chains().items()} == STATED
    for each in known_chains().values():
        for role, stated in each.contracts.code_hashes.items():
            assert derived(each, role, deployed) == stated, (each.name, role)


# ------------------------------------------------------------------ a file of one's own
@pytest.fixture
def text(world: World, chain: Chain, cache: Path, monkeypatch, tmp_path: Path) -> Iterator[str]:
    """The file of a chain, in a folder whose portfolio names it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(world.chain_id))
    monkeypatch.setenv("EVENKEEL_BROKER", f"127.0.0.1:{free_port()}")
    return chain_file(world, chain, cache)


def wrong(text: str, role: str) -> str:
    found, count = re.subn(
        rf'(\[contracts\.code_hashes\][^[]*?{role} = ")0x\w+', rf"\g<1>0x{NONE}", text, flags=re.DOTALL
    )
    assert count == 1
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_a_node_that_contradicts_a_stated_hash_is_told_with_file_and_field(text, chain, role):
    await require_code([chain.url], parse_chain_file(text, "own.toml"), ROLES)
    known = parse_chain_file(wrong(text, role), "own.toml")
    with pytest.raises(SettingsError) as refused:
        await require_code([chain.url], known, ROLES)
    place, found = (
        known.contracts.places()[role],
        hash_of(chain.rpc("eth_getCode", known.contracts.places()[role], "latest")),
    )
    assert str(refused.value).endswith(
        f": own.toml: contracts.code_hashes.{role}: 0x{NONE}, but the code at {place} has hash {found}"
    )
    await require_code([chain.url], known, [each for each in ROLES if each != role])
    with pytest.raises(NodeBusyError):
        await require_code(
            [chain.url, f"http://127.0.0.1:{free_port()}"], known, [each for each in ROLES if each != role]
        )


async def test_a_contract_that_is_not_there_and_a_node_of_another_chain_are_told(text, chain, world):
    nowhere = "0x" + 20 * "ab"
    known = parse_chain_file(text.replace(world.router, nowhere), "own.toml")
    with pytest.raises(
        SettingsError, match=f"contracts.code_hashes.router: 0x.*, but no contract is at {nowhere}"
    ):
        await require_code([chain.url], known, ROLES)
    other = parse_chain_file(text.replace(f"chain_id = {world.chain_id}", "chain_id = 5"), "own.toml")
    with pytest.raises(SettingsError, match="the node follows chain 31337"):
        await require_code([chain.url], other, ROLES)


# ------------------------------------------------------------------ before anything begins
SIGNER = DEVNET + "twap_window: 3m\n"


@pytest.mark.parametrize("command", [("watch",), ("up",), ("backfill", "--from", "1")])
def test_nothing_is_followed_where_the_code_is_another(text, world, command, evenkeel: Run):
    Path("portfolio.yaml").write_text(f"chain: {{id: {world.chain_id}, profile: {OWN}}}\n")
    OWN.write_text(wrong(text, "factory"))
    done = evenkeel(*command)
    assert done.code == (1 if command[0] == "backfill" else CONFIG)
    assert f"own.toml: contracts.code_hashes.factory: {SHOWN}, but the code at {world.factory}" in done.err


def test_nothing_is_signed_where_the_code_is_another(text, world, evenkeel: Run, monkeypatch):
    owner, pool = world.accounts.owners[0], world.pool("weth_usdc_low_500").address
    signer = SIGNER.format(chain=world.chain_id, owner=owner, pool=pool, usdc=world.usdc_low)
    Path("signer.yaml").write_text(signer)
    known = {world.chain_id: parse_chain_file(wrong(text, "router"), "known.toml")}
    monkeypatch.setattr(submitting, "known_chains", lambda: known)
    done = evenkeel("submit", "signer.yaml", "--live")
    assert done.code == CONFIG
    assert f"known.toml: contracts.code_hashes.router: {SHOWN}, but the code at {world.router}" in done.err
    Path("signer.yaml").write_text(f'{signer}router: "{world.factory}"\n')  # it relies on another contract
    assert "code_hashes" not in evenkeel("submit", "signer.yaml", "--live").err


def test_check_holds_contracts_and_pools_against_the_files_hashes(text, world, chain, evenkeel: Run):
    owner, pool = world.accounts.owners[0], world.pool("weth_usdc_low_500").address
    tokens = [
        {"symbol": "WETH", "address": world.weth, "decimals": 18},
        {"symbol": "USDC", "address": world.usdc_low, "decimals": 6},
    ]
    book = {"book": "one", "owner": owner, "base": "WETH", "quote": "USDC", "tokens": tokens}
    book |= {"pools": [pool], "reference_pool": pool, "strategy": {"name": "target_band"}}
    written = yaml.safe_dump({"chain": {"id": world.chain_id, "profile": str(OWN)}, "books": [book]})
    Path("portfolio.yaml").write_text(written)
    OWN.write_text(text)
    assert load_portfolio(written, "portfolio.yaml")
    done = evenkeel("check", "portfolio.yaml")
    assert done.code == 0, done.err
    OWN.write_text(wrong(text, "position_manager"))
    done = evenkeel("check", "portfolio.yaml")
    assert (done.code, "portfolio.yaml:" in done.err) == (1, True)
    assert f"own.toml: contracts.code_hashes.position_manager: {SHOWN}, but the code at" in done.err
    OWN.write_text(re.sub(r'(pool_init_code_hash = ")0x\w+', rf"\g<1>0x{NONE}", text))
    done = evenkeel("check", "portfolio.yaml")
    assert done.code == 1
    assert (
        f"own.toml: contracts.pool_init_code_hash: {SHOWN} puts the pool of its tokens and fee at" in done.err
    )
    assert f"not at {pool}" in done.err
