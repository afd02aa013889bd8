"""Aave V3 on the devnet, in either version: its addresses, and what its users do."""

from collections.abc import Mapping, Sequence

import msgspec

from pipeline.venues.abi import Function, declared

from .chain import Chain
from .deployer import Deployer
from .reads import ask
from .transactions import DEPLOY_GAS, Tx
from .world import World

NOBODY = "0x" + "00" * 20
BASE_UNIT = 10**8
"""A dollar, in the oracle's base currency."""
FIRST_PRICES = {"WETH": 3_000 * BASE_UNIT, "USDC": BASE_UNIT, "WBTC": 60_000 * BASE_UNIT}
COLLATERAL_BPS = {
    "WETH": (8_050, 8_300, 10_500),
    "USDC": (7_700, 8_000, 10_450),
    "WBTC": (7_300, 7_800, 10_500),
}
"""LTV, liquidation threshold, liquidation bonus."""
VARIABLE = 2
MOST = 2**256 - 1

RESERVE_DATA = declared(
    "getReserveData(address)",
    *("uint256", "uint128", "uint128", "uint128", "uint128", "uint128", "uint40", "uint16"),
    *("address", "address", "address", "address", "uint128", "uint128", "uint128"),
)
USER_CONFIGURATION = declared("getUserConfiguration(address)", "uint256")
SCALED_BALANCE = declared("scaledBalanceOf(address)", "uint256")
ACCOUNT_DATA = declared("getUserAccountData(address)", *["uint256"] * 6)
_SUPPLY = declared("supply(address,uint256,address,uint16)")
_BORROW = declared("borrow(address,uint256,uint256,uint16,address)")
_REPAY = declared("repay(address,uint256,uint256,address)")
_REPAY_WITH_ATOKENS = declared("repayWithATokens(address,uint256,uint256)")
_WITHDRAW = declared("withdraw(address,uint256,address)")
_USE_AS_COLLATERAL = declared("setUserUseReserveAsCollateral(address,bool)")
_SET_EMODE = declared("setUserEMode(uint8)")
_LIQUIDATE = declared("liquidationCall(address,address,address,uint256,bool)")
_SET_PRICE = declared("setAssetPrice(address,uint256)")
_MINT_TO_TREASURY = declared("mintToTreasury(address[])")
_APPROVE = declared("approve(address,uint256)")
_TRANSFER = declared("transfer(address,uint256)")


class AaveTokens(msgspec.Struct, frozen=True, kw_only=True):
    """A token's reserve, and the tokens that stand for what is supplied and owed."""

    asset: str
    a_token: str
    debt_token: str


class AaveContracts(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of one Aave V3, lower case, with a reserve of WETH, one of USDC, and further ones."""

    version: str
    pool: str
    configurator: str
    oracle: str
    prices: str
    """The oracle's source: anybody may set a price there."""
    admin: str
    treasury: str
    weth: AaveTokens
    usdc: AaveTokens
    further: tuple[AaveTokens, ...] = ()

    def reserve(self, asset: str) -> AaveTokens:
        """Find a token's reserve."""
        return next(each for each in (self.weth, self.usdc, *self.further) if each.asset == asset)


# ------------------------------------------------------------------ what users do
def approve_pool(market: AaveContracts, user: str) -> list[Tx]:
    """Let the pool take both tokens."""
    assets = (market.weth.asset, market.usdc.asset)
    return [_to(asset, user, _APPROVE, market.pool, MOST) for asset in assets]


def supply(market: AaveContracts, user: str, asset: str, amount: int, *, to: str = "") -> Tx:
    """Supply a token, for somebody else where `to` is given."""
    return _to(market.pool, user, _SUPPLY, asset, amount, to or user, 0)


def borrow(market: AaveContracts, user: str, asset: str, amount: int) -> Tx:
    return _to(market.pool, user, _BORROW, asset, amount, VARIABLE, 0, user)


def repay(market: AaveContracts, user: str, asset: str, amount: int, *, of: str = "") -> Tx:
    """Repay a debt, somebody else's where `of` is given."""
    return _to(market.pool, user, _REPAY, asset, amount, VARIABLE, of or user)


def repay_with_atokens(market: AaveContracts, user: str, asset: str, amount: int) -> Tx:
    return _to(market.pool, user, _REPAY_WITH_ATOKENS, asset, amount, VARIABLE)


def withdraw(market: AaveContracts, user: str, asset: str, amount: int) -> Tx:
    return _to(market.pool, user, _WITHDRAW, asset, amount, user)


def use_as_collateral(market: AaveContracts, user: str, asset: str, *, on: bool) -> Tx:
    return _to(market.pool, user, _USE_AS_COLLATERAL, asset, on)


def set_emode(market: AaveContracts, user: str, category: int) -> Tx:
    return _to(market.pool, user, _SET_EMODE, category)


def liquidate(
    market: AaveContracts,
    user: str,
    borrower: str,
    *,
    collateral: str,
    debt: str,
    amount: int,
    in_atokens: bool = False,
) -> Tx:
    """Pay a debt of somebody whose health factor is below one, for collateral."""
    return _to(market.pool, user, _LIQUIDATE, collateral, debt, borrower, amount, in_atokens)


def send_atokens(market: AaveContracts, user: str, asset: str, amount: int, *, to: str) -> Tx:
    return _to(market.reserve(asset).a_token, user, _TRANSFER, to, amount)


def give(user: str, asset: str, to: str, amount: int) -> Tx:
    """Send tokens for nothing, e.g. to an aToken, where 3.0 counts them as free liquidity."""
    return _to(asset, user, _TRANSFER, to, amount)


def mint_to_treasury(market: AaveContracts, user: str, assets: Sequence[str]) -> Tx:
    return _to(market.pool, user, _MINT_TO_TREASURY, list(assets))


def set_price(market: AaveContracts, user: str, asset: str, price: int) -> Tx:
    """Set what the oracle answers, in its base currency for one whole token."""
    return _to(market.prices, user, _SET_PRICE, asset, price)


def _to(contract: str, sender: str, called: Function, *arguments: object) -> Tx:
    return Tx(sender=sender, to=contract, data=called.calldata(*arguments), gas=DEPLOY_GAS // 8)


# ------------------------------------------------------------------ what the set-ups of both versions share
def set_up_roles(contracts: Deployer, artifacts: str, provider: str) -> None:
    """Make the deployer admin of all: the provider must name one before the access list is constructed."""
    named, admin = f"{artifacts}/PoolAddressesProvider", contracts.sender
    contracts.call(provider, named, "setACLAdmin", admin)
    roles = contracts.deploy(f"{artifacts}/ACLManager", provider)
    contracts.call(provider, named, "setACLManager", roles)
    for role in ("addPoolAdmin", "addEmergencyAdmin"):
        contracts.call(roles, f"{artifacts}/ACLManager", role, admin)


def set_up_oracle(contracts: Deployer, artifacts: str, provider: str) -> tuple[str, str]:
    """Deploy an oracle, and the source of its prices, in which anybody may set them."""
    prices = contracts.deploy("aave-v3-0/PriceOracle")
    oracle = contracts.deploy(f"{artifacts}/AaveOracle", provider, [], [], prices, NOBODY, BASE_UNIT)
    contracts.call(provider, f"{artifacts}/PoolAddressesProvider", "setPriceOracle", oracle)
    return oracle, prices


def configure_reserves(
    contracts: Deployer, artifacts: str, configurator: str, assets: Mapping[str, str]
) -> None:
    """Let reserves, by name, be collateral and be borrowed."""
    for name, asset in assets.items():
        for called, arguments in (
            ("configureReserveAsCollateral", COLLATERAL_BPS[name]),
            ("setReserveBorrowing", (True,)),
            ("setReserveFactor", (1_000,)),
            ("setLiquidationProtocolFee", (1_000,)),
        ):
            contracts.call(configurator, f"{artifacts}/PoolConfigurator", called, asset, *arguments)


def open_market(
    contracts: Deployer, world: World, version: str, pool: tuple[str, str], oracle: tuple[str, str]
) -> AaveContracts:
    """Describe a market whose reserves stand, set the first prices, and let a provider lend. `pool` with its configurator."""
    admin = contracts.sender
    market = AaveContracts(
        version=version,
        pool=pool[0],
        configurator=pool[1],
        oracle=oracle[0],
        prices=oracle[1],
        admin=admin,
        treasury=admin,
        weth=_reserve_of(contracts.chain, pool[0], world.weth),
        usdc=_reserve_of(contracts.chain, pool[0], world.usdc_low),
    )
    _begin_lending(contracts.chain, world, market, world.accounts.providers[0])
    return market


def _begin_lending(chain: Chain, world: World, market: AaveContracts, lender: str) -> None:
    """Set the first prices and let a lender supply, or nobody could borrow."""
    chain.execute(
        set_price(market, lender, market.weth.asset, FIRST_PRICES["WETH"]),
        set_price(market, lender, market.usdc.asset, FIRST_PRICES["USDC"]),
        *(tx for user in users(world) for tx in approve_pool(market, user)),
    )
    chain.execute(
        supply(market, lender, market.weth.asset, 5_000 * 10**18),
        supply(market, lender, market.usdc.asset, 20_000_000 * 10**6),
    )


def with_reserve(chain: Chain, market: AaveContracts, name: str, asset: str) -> AaveContracts:
    """Set the first price of a token whose reserve was added, and describe the market with it."""
    chain.execute(set_price(market, market.admin, asset, FIRST_PRICES[name]))
    added = _reserve_of(chain, market.pool, asset)
    return msgspec.structs.replace(market, further=(*market.further, added))


def users(world: World) -> tuple[str, ...]:
    """List who may use the market: all that have tokens."""
    accounts = world.accounts
    return (*accounts.traders, *accounts.providers, *accounts.owners, *accounts.spare)


def _reserve_of(chain: Chain, pool: str, asset: str) -> AaveTokens:
    """Ask a pool for the tokens of a reserve."""
    told = ask(chain, pool, RESERVE_DATA, asset)
    return AaveTokens(asset=asset, a_token=told[8], debt_token=told[10])
