"""Aave V3.0 put on the devnet from published bytecode."""

from pathlib import Path

from pipeline.venues.abi import declared

from .aave import BASE_UNIT, COLLATERAL_BPS, AaveContracts, open_market, reserve_of
from .cache import DEFAULT_CACHE
from .chain import Chain
from .deployer import Deployer
from .reads import ask
from .world import World

_NOBODY = "0x" + "00" * 20
_LIBRARIES = (
    *("SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "PoolLogic"),
    *("ConfiguratorLogic", "FlashLoanLogic"),
)
_RAY = 10**27
_WETH_RATES = (45 * _RAY // 100, 0, 4 * _RAY // 100, 3 * _RAY)
_USDC_RATES = (90 * _RAY // 100, 0, 4 * _RAY // 100, 60 * _RAY // 100)
"""Optimal usage, base rate, slopes below and above it."""


def deploy_aave_v3_0(chain: Chain, world: World, *, cache: Path = DEFAULT_CACHE) -> AaveContracts:
    """Deploy Aave V3.0 with reserves of WETH and of the lower USDC, and let a provider lend. Raises: DevnetError."""
    admin = world.accounts.deployer
    contracts = Deployer(chain, admin, cache)
    provider = contracts.deploy("aave-v3-0/PoolAddressesProvider", "local", admin)
    _set_up_roles(contracts, provider, admin)
    libraries: dict[str, str] = {}
    for name in _LIBRARIES:
        libraries[name] = contracts.deploy(f"aave-v3-0/{name}", libraries=libraries)
    for name in ("Pool", "PoolConfigurator"):
        arguments = (provider,) if name == "Pool" else ()
        implementation = contracts.deploy(f"aave-v3-0/{name}", *arguments, libraries=libraries)
        contracts.call(provider, "aave-v3-0/PoolAddressesProvider", f"set{name}Impl", implementation)
    pool, configurator = (
        ask(chain, provider, declared(f"get{name}()", "address")) for name in ("Pool", "PoolConfigurator")
    )
    prices = contracts.deploy("aave-v3-0/PriceOracle")
    oracle = contracts.deploy("aave-v3-0/AaveOracle", provider, [], [], prices, _NOBODY, BASE_UNIT)
    contracts.call(provider, "aave-v3-0/PoolAddressesProvider", "setPriceOracle", oracle)
    _init_reserves(contracts, world, provider, pool, configurator)
    market = AaveContracts(
        version="3.0",
        pool=pool,
        configurator=configurator,
        oracle=oracle,
        prices=prices,
        admin=admin,
        treasury=admin,
        weth=reserve_of(chain, pool, world.weth),
        usdc=reserve_of(chain, pool, world.usdc_low),
    )
    open_market(chain, world, market, world.accounts.providers[0])
    return market


def _set_up_roles(contracts: Deployer, provider: str, admin: str) -> None:
    """Make the deployer admin of all: the provider must name one before the access list is constructed."""
    contracts.call(provider, "aave-v3-0/PoolAddressesProvider", "setACLAdmin", admin)
    roles = contracts.deploy("aave-v3-0/ACLManager", provider)
    contracts.call(provider, "aave-v3-0/PoolAddressesProvider", "setACLManager", roles)
    for role in ("addPoolAdmin", "addEmergencyAdmin"):
        contracts.call(roles, "aave-v3-0/ACLManager", role, admin)


def _init_reserves(contracts: Deployer, world: World, provider: str, pool: str, configurator: str) -> None:
    tokens = [
        contracts.deploy(f"aave-v3-0/{name}", pool)
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    assets = (("WETH", world.weth, 18, _WETH_RATES), ("USDC", world.usdc_low, 6, _USDC_RATES))
    inputs = []
    for name, asset, decimals, rates in assets:
        strategy = contracts.deploy(
            "aave-v3-0/DefaultReserveInterestRateStrategy", provider, *rates, 0, 0, 0, 0, 0
        )
        names = [f"{kind} {name}" for kind in ("a", "a", "v", "v", "s", "s")]
        inputs.append((*tokens, decimals, strategy, asset, contracts.sender, _NOBODY, *names, b"\x10"))
    contracts.call(configurator, "aave-v3-0/PoolConfigurator", "initReserves", inputs)
    for name, asset, _, _ in assets:
        for called, arguments in (
            ("configureReserveAsCollateral", COLLATERAL_BPS[name]),
            ("setReserveBorrowing", (True,)),
            ("setReserveFactor", (1_000,)),
            ("setLiquidationProtocolFee", (1_000,)),
        ):
            contracts.call(configurator, "aave-v3-0/PoolConfigurator", called, asset, *arguments)
