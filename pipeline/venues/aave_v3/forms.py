"""The entries and reads of Aave V3. All keys begin with the pool's address, which keeps deployments apart."""

import msgspec

from pipeline import keys
from pipeline.keys import Kind
from pipeline.messages.base import Entry
from pipeline.messages.events import Observed
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.aave_v3.rules import AccountData, EmodeTerms

aave_market: Kind[Address] = keys.kind("aave-market", str)
aave_account: Kind[Address, Address] = keys.kind("aave-account", str, str)
aave_reserve: Kind[Address, Address] = keys.kind("aave-reserve", str, str)
aave_told: Kind[Address] = keys.kind("aave-told", str)
aave_token: Kind[Address, Address] = keys.kind("aave-token", str, str)
"""The key by which a log of an aToken or debt token is routed before it is decoded; no entry is stored under it."""


# ------------------------------------------------------------------ state
class ReserveTokens(msgspec.Struct, frozen=True, kw_only=True):
    """A reserve of a market, with its aToken and its debt token."""

    asset: Address
    reserve_id: int
    """The reserve's index in the accounts' flags and in the bitmaps of e-modes."""
    a_token: Address
    debt_token: Address
    price_source: Address | None = None
    """The source that the oracle asks for the asset's price; None: the oracle takes the price of its fallback."""


class AaveMarket(Entry, frozen=True, kw_only=True):
    """`aave-market/POOL`: the parts of a deployment that rarely change. Chain part."""

    revision: int
    """The revision of the pool's bytecode, which determines the rules of interest and health."""
    reserves: tuple[ReserveTokens, ...]


class BorrowRates(msgspec.Struct, frozen=True, kw_only=True):
    """The borrow rate of a reserve as a function of its utilisation: linear up to a kink, and steeper beyond. Rays; rates per year."""

    kink_ray: int
    """The utilisation at the kink."""
    unused_ray: int
    """The rate at a utilisation of zero."""
    to_kink_ray: int
    """By how much the rate rises from there to the kink."""
    behind_kink_ray: int
    """By how much the rate rises from the kink to full utilisation."""


class AaveReserve(Entry, frozen=True, kw_only=True):
    """`aave-reserve/POOL/ASSET`: the state of a reserve after its last action. Indices and rates are rays; rates are per year. Chain part."""

    configuration: int
    liquidity_index_ray: int
    liquidity_rate_ray: int
    borrow_index_ray: int
    borrow_rate_ray: int
    updated_at_s: Seconds
    rates: BorrowRates | None = None
    """None in older reads."""


class AavePosition(msgspec.Struct, frozen=True, kw_only=True):
    """The scaled balances of an account at a reserve, without interest."""

    asset: Address
    scaled_collateral: int = 0
    scaled_debt: int = 0


class AaveAccount(Entry, frozen=True, kw_only=True):
    """`aave-account/POOL/OWNER`: an account at a market, with its positions. Chain part."""

    flags: int
    """The bitmap of the reserves that it borrows from and that are its collateral."""
    positions: tuple[AavePosition, ...]
    """Its positions by asset; empty ones are left out."""
    emode: EmodeTerms | None = None
    emode_price_source: Address | None = None
    """The price source of the e-mode category's assets. 3.0 only."""


class OraclePrice(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a market's oracle for an asset: the price of one whole token in the market's base currency."""

    asset: Address
    price: int
    source_at_s: Seconds | None = None
    """When the price source of a hedged book's asset was last updated; None where the source does not say."""


class ReserveTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of a reserve over all accounts; the scaled ones are without interest."""

    asset: Address
    scaled_supply: int
    scaled_debt: int
    free: RawAmount
    """The liquidity that can be borrowed or withdrawn."""


class AaveTold(Entry, frozen=True, kw_only=True):
    """`aave-told/POOL`: the last block's time and oracle prices, while any account of the shard has a position. Chain part."""

    at_s: Seconds
    prices: tuple[OraclePrice, ...]
    totals: tuple[ReserveTotals, ...] = ()
    """The totals of hedged books' assets, where the block has all values of the reserve."""


# ------------------------------------------------------------------ reads
class AaveMarketObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of a deployment's reserves and revision."""

    pool: Address
    market: AaveMarket

    @property
    def item(self) -> str:
        return aave_market(self.pool)


class AaveReserveObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of a reserve's state."""

    pool: Address
    asset: Address
    state: AaveReserve

    @property
    def item(self) -> str:
        return aave_reserve(self.pool, self.asset)


class DisplayedBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The balances of an account's aToken and debt token at a reserve, with interest."""

    asset: Address
    collateral: RawAmount
    debt: RawAmount


class AaveAccountObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of an account, with its values by the pool and its balances by the tokens at this block."""

    pool: Address
    owner: Address
    account: AaveAccount
    data: AccountData
    balances: tuple[DisplayedBalance, ...]
    """The balances of its positions, by asset."""
    used: tuple[Address, ...]
    """The assets of reserves for which it has a flag or a balance; a flag may remain after the balance is gone."""

    @property
    def item(self) -> str:
        return aave_account(self.pool, self.owner)
