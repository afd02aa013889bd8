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
"""Names what a token's log is about before it is read; nothing is kept under it."""


# ------------------------------------------------------------------ state
class ReserveTokens(msgspec.Struct, frozen=True, kw_only=True):
    """A reserve of a market, and the tokens that stand for what is supplied and owed."""

    asset: Address
    reserve_id: int
    """Its place in the words of flags and in the maps of e-modes."""
    a_token: Address
    debt_token: Address
    price_source: Address | None = None
    """Whom the oracle asks for the asset's price; None: nobody, the price is that of its fallback."""


class AaveMarket(Entry, frozen=True, kw_only=True):
    """`aave-market/POOL`: what seldom changes of a deployment."""

    revision: int
    """Of the pool's bytecode: it tells which rules hold."""
    reserves: tuple[ReserveTokens, ...]


class BorrowRates(msgspec.Struct, frozen=True, kw_only=True):
    """How a reserve's borrow rate follows from the share of it that is lent: one line up to a kink, a steeper one behind. Rays; rates of a year."""

    kink_ray: int
    """The share at which the second line begins."""
    unused_ray: int
    """The rate while nothing is lent."""
    to_kink_ray: int
    """What it rises by up to the kink."""
    behind_kink_ray: int
    """What it rises by from there until all is lent."""


class AaveReserve(Entry, frozen=True, kw_only=True):
    """`aave-reserve/POOL/ASSET`: as its last action left it. Indices and rates are rays, rates of a year."""

    configuration: int
    liquidity_index_ray: int
    liquidity_rate_ray: int
    borrow_index_ray: int
    borrow_rate_ray: int
    updated_at_s: Seconds
    rates: BorrowRates | None = None
    """None in reads of before."""


class AavePosition(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has of a reserve and owes to it, before interest."""

    asset: Address
    scaled_collateral: int = 0
    scaled_debt: int = 0


class AaveAccount(Entry, frozen=True, kw_only=True):
    """`aave-account/POOL/OWNER`."""

    flags: int
    """The word that says of which reserves it borrows, and which are its collateral."""
    positions: tuple[AavePosition, ...]
    """By asset; one that has become empty is left out."""
    emode: EmodeTerms | None = None
    emode_price_source: Address | None = None
    """Whose price holds for the category's assets. 3.0 only."""


class OraclePrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a market's oracle answers for an asset, in its base currency for one whole token."""

    asset: Address
    price: int
    source_at_s: Seconds | None = None
    """When the source of a hedged book's asset was last told its price; None where it does not say."""


class ReserveTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What all accounts together have at a reserve, before interest."""

    asset: Address
    scaled_supply: int
    scaled_debt: int
    free: RawAmount
    """What may be borrowed or withdrawn."""


class AaveTold(Entry, frozen=True, kw_only=True):
    """`aave-told/POOL`: what each block tells, while an account of the shard has anything: its time, and the oracle's prices."""

    at_s: Seconds
    prices: tuple[OraclePrice, ...]
    totals: tuple[ReserveTotals, ...] = ()
    """Of the assets of hedged books, where the block told all of a reserve."""


# ------------------------------------------------------------------ reads
class AaveMarketObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A deployment as a whole."""

    pool: Address
    market: AaveMarket

    @property
    def item(self) -> str:
        return aave_market(self.pool)


class AaveReserveObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A reserve."""

    pool: Address
    asset: Address
    state: AaveReserve

    @property
    def item(self) -> str:
        return aave_reserve(self.pool, self.asset)


class DisplayedBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What the tokens of a reserve say that an account has and owes, with interest."""

    asset: Address
    collateral: RawAmount
    debt: RawAmount


class AaveAccountObserved(Observed, frozen=True, kw_only=True, tag=True):
    """An account, and what the pool and the tokens make of it at this block."""

    pool: Address
    owner: Address
    account: AaveAccount
    data: AccountData
    balances: tuple[DisplayedBalance, ...]
    """Of its positions, by asset."""
    used: tuple[Address, ...]
    """Assets of the reserves of which it has a flag or a balance: a flag may outlive its balance."""

    @property
    def item(self) -> str:
        return aave_account(self.pool, self.owner)
