"""Aave V3.6 put on the devnet from its published sources, compiled here once."""

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
    *("SupplyLogic", "BorrowLogic", "LiquidationLogic", "PoolLogic", "ConfiguratorLogic", "FlashLoanLogic"),
)
_WETH_RATES_BPS = (4_500, 0, 400, 30_000)
_USDC_RATES_BPS = (9_000, 0, 400, 6_000)
"""Optimal usage, base rate, slopes below and above it."""
_PROVIDER = "aave-v3-6/PoolAddressesProvider"
_CONFIGURATOR = "aave-v3-6/PoolConfigurator"


def deploy_aave_v3_6(chain: Chain, world: World, *, cache: Path = DEFAULT_CACHE) -> AaveContracts:
    """Deploy Aave V3.6 with reserves of WETH and of the lower USDC, and let a provider lend. Raises: DevnetError."""
    admin = world.accounts.deployer
    contracts = Deployer(chain, admin, cache)
    provider = contracts.deploy(_PROVIDER, "local", admin)
    contracts.call(provider, _PROVIDER, "setACLAdmin", admin)
    roles = contracts.deploy("aave-v3-6/ACLManager", provider)
    contracts.call(provider, _PROVIDER, "setACLManager", roles)
    for role in ("addPoolAdmin", "addEmergencyAdmin"):
        contracts.call(roles, "aave-v3-6/ACLManager", role, admin)
    pool, configurator = _deploy_pool(contracts, provider)
    prices = contracts.deploy("aave-v3-0/PriceOracle")
    oracle = contracts.deploy("aave-v3-6/AaveOracle", provider, [], [], prices, _NOBODY, BASE_UNIT)
    contracts.call(provider, _PROVIDER, "setPriceOracle", oracle)
    _init_reserves(contracts, world, pool, configurator)
    market = AaveContracts(
        version="3.6",
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


def _deploy_pool(contracts: Deployer, provider: str) -> tuple[str, str]:
    libraries: dict[str, str] = {}
    for name in _LIBRARIES:
        libraries[name] = contracts.deploy(f"aave-v3-6/{name}", libraries=libraries)
    strategy = contracts.deploy("aave-v3-6/DefaultReserveInterestRateStrategyV2", provider)
    for name, arguments in (("Pool", (provider, strategy)), ("PoolConfigurator", ())):
        implementation = contracts.deploy(f"aave-v3-6/{name}", *arguments, libraries=libraries)
        contracts.call(provider, _PROVIDER, f"set{name}Impl", implementation)
    pool: str = ask(contracts.chain, provider, declared("getPool()", "address"))
    configurator: str = ask(contracts.chain, provider, declared("getPoolConfigurator()", "address"))
    return pool, configurator


def _init_reserves(contracts: Deployer, world: World, pool: str, configurator: str) -> None:
    a_token = contracts.deploy("aave-v3-6/AToken", pool, _NOBODY, contracts.sender)
    debt_token = contracts.deploy("aave-v3-6/VariableDebtToken", pool, _NOBODY)
    assets = (("WETH", world.weth, _WETH_RATES_BPS), ("USDC", world.usdc_low, _USDC_RATES_BPS))
    inputs = []
    for name, asset, rates_bps in assets:
        rates = b"".join(each.to_bytes(32, "big") for each in rates_bps)
        names = [f"{kind} {name}" for kind in ("a", "a", "v", "v")]
        inputs.append((a_token, debt_token, asset, *names, b"\x10", rates))
    contracts.call(configurator, _CONFIGURATOR, "initReserves", inputs)
    for name, asset, _ in assets:
        for called, arguments in (
            ("configureReserveAsCollateral", COLLATERAL_BPS[name]),
            ("setReserveBorrowing", (True,)),
            ("setReserveFactor", (1_000,)),
            ("setLiquidationProtocolFee", (1_000,)),
        ):
            contracts.call(configurator, _CONFIGURATOR, called, asset, *arguments)
