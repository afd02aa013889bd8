"""Deploy Aave V3.0 on the devnet from published bytecode."""

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

_ARTIFACTS = "aave-v3-0"
_LIBRARIES = (
    *("SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "PoolLogic"),
    *("ConfiguratorLogic", "FlashLoanLogic"),
)
_RAY = 10**27
_VOLATILE_RATES = (45 * _RAY // 100, 0, 4 * _RAY // 100, 3 * _RAY)
_STABLE_RATES = (90 * _RAY // 100, 0, 4 * _RAY // 100, 60 * _RAY // 100)
"""Optimal usage, base rate, slopes below and above it."""
_TOKENS = {"WETH": (18, _VOLATILE_RATES), "USDC": (6, _STABLE_RATES), "WBTC": (8, _VOLATILE_RATES)}
"""Decimals and rates."""


def deploy_aave_v3_0(chain: Chain, world: World, *, cache: Path = DEFAULT_CACHE) -> AaveContracts:
    """Deploy Aave V3.0 with reserves of WETH and of the lower USDC, and let a provider lend. Raises: DevnetError."""
    contracts = Deployer(chain, world.accounts.deployer, cache)
    provider = contracts.deploy(f"{_ARTIFACTS}/PoolAddressesProvider", "local", contracts.sender)
    set_up_roles(contracts, _ARTIFACTS, provider)
    libraries: dict[str, str] = {}
    for name in _LIBRARIES:
        libraries[name] = contracts.deploy(f"{_ARTIFACTS}/{name}", libraries=libraries)
    for name in ("Pool", "PoolConfigurator"):
        arguments = (provider,) if name == "Pool" else ()
        implementation = contracts.deploy(f"{_ARTIFACTS}/{name}", *arguments, libraries=libraries)
        contracts.call(provider, f"{_ARTIFACTS}/PoolAddressesProvider", f"set{name}Impl", implementation)
    pool, configurator = (
        ask(chain, provider, declared(f"get{name}()", "address")) for name in ("Pool", "PoolConfigurator")
    )
    oracle = set_up_oracle(contracts, _ARTIFACTS, provider)
    _init_reserves(contracts, provider, (pool, configurator), {"WETH": world.weth, "USDC": world.usdc_low})
    return open_market(contracts, world, "3.0", (pool, configurator), oracle)


def add_reserve_v3_0(
    chain: Chain, market: AaveContracts, name: str, asset: str, *, cache: Path = DEFAULT_CACHE
) -> AaveContracts:
    """Add a reserve of a further token, in which nobody has anything. Raises: DevnetError."""
    provider = ask(chain, market.pool, declared("ADDRESSES_PROVIDER()", "address"))
    contracts = Deployer(chain, market.admin, cache)
    _init_reserves(contracts, provider, (market.pool, market.configurator), {name: asset})
    return with_reserve(chain, market, name, asset)


def _init_reserves(
    contracts: Deployer, provider: str, at: tuple[str, str], assets: Mapping[str, str]
) -> None:
    pool, configurator = at
    tokens = [
        contracts.deploy(f"{_ARTIFACTS}/{name}", pool)
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    inputs = []
    for name, asset in assets.items():
        decimals, rates = _TOKENS[name]
        strategy = contracts.deploy(
            f"{_ARTIFACTS}/DefaultReserveInterestRateStrategy", provider, *rates, 0, 0, 0, 0, 0
        )
        names = [f"{kind} {name}" for kind in ("a", "a", "v", "v", "s", "s")]
        inputs.append((*tokens, decimals, strategy, asset, contracts.sender, NOBODY, *names, b"\x10"))
    contracts.call(configurator, f"{_ARTIFACTS}/PoolConfigurator", "initReserves", inputs)
    configure_reserves(contracts, _ARTIFACTS, configurator, assets)
