"""Deploy Aave V3.6 on the devnet from its published sources, compiled on this machine once."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.venues.abi import declared

from .aave import (
    NOBODY,
    AaveContracts,
    configure_reserves,
    open_market,
    set_up_oracle,
    set_up_roles,
    with_reserve,
)
from .cache import DEFAULT_CACHE
from .chain import Chain
from .deployer import Deployer
from .reads import ask
from .world import World

_ARTIFACTS = "aave-v3-6"
_LIBRARIES = (
    *("SupplyLogic", "BorrowLogic", "LiquidationLogic", "PoolLogic", "ConfiguratorLogic", "FlashLoanLogic"),
)
_VOLATILE_RATES_BPS = (4_500, 0, 400, 30_000)
_RATES_BPS = {"WETH": _VOLATILE_RATES_BPS, "USDC": (9_000, 0, 400, 6_000), "WBTC": _VOLATILE_RATES_BPS}
"""Optimal usage, base rate, slopes below and above it."""


def deploy_aave_v3_6(chain: Chain, world: World, *, cache: Path = DEFAULT_CACHE) -> AaveContracts:
    """Deploy Aave V3.6 with reserves of WETH and of the lower USDC, and let a provider lend. Raises: DevnetError."""
    contracts = Deployer(chain, world.accounts.deployer, cache)
    provider = contracts.deploy(f"{_ARTIFACTS}/PoolAddressesProvider", "local", contracts.sender)
    set_up_roles(contracts, _ARTIFACTS, provider)
    pool, configurator = _deploy_pool(contracts, provider)
    oracle = set_up_oracle(contracts, _ARTIFACTS, provider)
    _init_reserves(contracts, pool, configurator, {"WETH": world.weth, "USDC": world.usdc_low})
    return open_market(contracts, world, "3.6", (pool, configurator), oracle)


def _deploy_pool(contracts: Deployer, provider: str) -> tuple[str, str]:
    libraries: dict[str, str] = {}
    for name in _LIBRARIES:
        libraries[name] = contracts.deploy(f"{_ARTIFACTS}/{name}", libraries=libraries)
    strategy = contracts.deploy(f"{_ARTIFACTS}/DefaultReserveInterestRateStrategyV2", provider)
    for name, arguments in (("Pool", (provider, strategy)), ("PoolConfigurator", ())):
        implementation = contracts.deploy(f"{_ARTIFACTS}/{name}", *arguments, libraries=libraries)
        contracts.call(provider, f"{_ARTIFACTS}/PoolAddressesProvider", f"set{name}Impl", implementation)
    pool: str = ask(contracts.chain, provider, declared("getPool()", "address"))
    configurator: str = ask(contracts.chain, provider, declared("getPoolConfigurator()", "address"))
    return pool, configurator


def add_reserve_v3_6(
    chain: Chain, market: AaveContracts, name: str, asset: str, *, cache: Path = DEFAULT_CACHE
) -> AaveContracts:
    """Add a reserve of a further token, in which nobody has anything. Raises: DevnetError."""
    contracts = Deployer(chain, market.admin, cache)
    _init_reserves(contracts, market.pool, market.configurator, {name: asset})
    return with_reserve(chain, market, name, asset)


def _init_reserves(contracts: Deployer, pool: str, configurator: str, assets: Mapping[str, str]) -> None:
    a_token = contracts.deploy(f"{_ARTIFACTS}/AToken", pool, NOBODY, contracts.sender)
    debt_token = contracts.deploy(f"{_ARTIFACTS}/VariableDebtToken", pool, NOBODY)
    inputs = []
    for name, asset in assets.items():
        rates = b"".join(each.to_bytes(32, "big") for each in _RATES_BPS[name])
        names = [f"{kind} {name}" for kind in ("a", "a", "v", "v")]
        inputs.append((a_token, debt_token, asset, *names, b"\x10", rates))
    contracts.call(configurator, f"{_ARTIFACTS}/PoolConfigurator", "initReserves", inputs)
    configure_reserves(contracts, _ARTIFACTS, configurator, assets)
