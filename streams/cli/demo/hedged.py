"""The demo's hedged book and its unhedged twin: the same purse and the same range."""

from itertools import pairwise
from pathlib import Path
from statistics import fmean, pstdev

import msgspec

from pipeline.units import BookId
from streams.cli.demo.files import HEDGED, LENDING_TERMS, LIMITS, SIGNER
from streams.cli.demo.second_opinion import Terms, inventory_at
from streams.devnet import aave, actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.chain import Chain
from streams.devnet.deploy import USDC_EACH
from streams.devnet.reads import ask, balance, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import DevnetPool, World

BOOK = BookId("usdc-hedged")
ACT_BPS = 500
"""So far from neutral, in shares of all its base, the book sells or buys."""
_TARGET_BPS, _BAND_BPS = 3_500, 3_400
_KEPT_WETH, _KEPT_USDC, _NATIVE_WEI = 2 * 10**18, 150_000 * 10**6, 2 * 10**18
_PROVIDED_WETH = 20 * 10**18
_RANGE_TICKS = 2_000
_ETHER, _DOLLAR = 10**18, 10**6
_LEAST_BLOCKS = 20
"""For a comparison."""
_YEAR_S, _RAY = 365 * 24 * 3_600, 10**27
_LIQUIDITY_RATE, _BORROW_RATE = 2, 4
"""Their places in what the pool tells of a reserve, in rays per year."""


class PairAt(msgspec.Struct, frozen=True, kw_only=True):
    """Both books after one block, in raw dollars, and how the hedged one stands."""

    hedged: int
    twin: int
    inside_band: bool
    health: float | None
    """None before anything is owed."""
    carry: float
    """Interest that was earned less interest that was due since the block before, in raw dollars."""


class HedgedPair(msgspec.Struct, frozen=True, kw_only=True):
    """The market, the book that is hedged there, and the owner who holds the same and never acts."""

    world: World
    market: AaveContracts
    owner: str
    twin: str

    @property
    def pool(self) -> DevnetPool:
        return self.world.pool("weth_usdc_low_500")

    def terms(self, owner: str) -> Terms:
        """Tell an outsider what the portfolio file says of the hedged book, or of its twin."""
        return Terms(
            owner=owner,
            usdc=self.world.usdc_low,
            usdc_at_par=(self.world.usdc_low,),
            pools=(self.pool,),
            reference=self.pool,
            lending=(self.market.weth, self.market.usdc),
            target_bps=_TARGET_BPS,
            band_bps=_BAND_BPS,
            hysteresis_bps=100,
            hedge_act_bps=ACT_BPS,
            cooldown_s=0,
        )

    def section(self) -> str:
        """Write the book's part of the portfolio file."""
        return HEDGED.substitute(
            book=BOOK,
            owner=self.owner,
            weth=self.world.weth,
            usdc=self.world.usdc_low,
            pool=self.pool.address,
            kept=_KEPT_USDC // _DOLLAR,
            limits=LIMITS,
        )

    def signer_file(self) -> str:
        """Write the file of the book's signer."""
        world = self.world
        terms = LENDING_TERMS.substitute(lending=self.market.pool, weth=world.weth, usdc=world.usdc_low)
        return SIGNER.substitute(
            chain_id=world.chain_id,
            account=self.owner,
            pool=self.pool.address,
            venues=terms,
            usdc=world.usdc_low,
        )

    def tell_price(self, price_usdc: float) -> Tx:
        """Let the market's oracle follow the fair price."""
        price = int(price_usdc * aave.BASE_UNIT)
        return aave.set_price(self.market, self.world.accounts.arbitrageur, self.world.weth, price)

    def at(self, chain: Chain, block: int, block_s: int) -> PairAt:
        """Ask the chain for both books after a block."""
        found = inventory_at(chain, self.world, self.terms(self.owner), block)
        twin = inventory_at(chain, self.world, self.terms(self.twin), block)
        *_, health_wad = ask(chain, self.market.pool, aave.ACCOUNT_DATA, self.owner, block=block)
        owed = found.base_owed
        long = found.base_amount + owed
        return PairAt(
            hedged=found.value_quote,
            twin=twin.value_quote,
            inside_band=abs(found.base_amount) * 10_000 <= long * ACT_BPS,
            health=health_wad / _ETHER if owed else None,
            carry=self._carry(chain, block, float(found.base_price)) * block_s / _YEAR_S,
        )

    def _carry(self, chain: Chain, block: int, price: float) -> float:
        """Return what a year would bring, less what it would take, at the rates of a block."""
        of_usdc = ask(chain, self.market.pool, aave.RESERVE_DATA, self.world.usdc_low, block=block)
        of_weth = ask(chain, self.market.pool, aave.RESERVE_DATA, self.world.weth, block=block)
        secured = balance(chain, self.market.usdc.a_token, self.owner, block=block)
        owed = balance(chain, self.market.weth.debt_token, self.owner, block=block)
        earned, due = secured * of_usdc[_LIQUIDITY_RATE], owed * price * of_weth[_BORROW_RATE]
        return float(earned - due) / _RAY


def hedged_pair(chain: Chain, world: World, cache: Path) -> HedgedPair:
    """Put a lending market on the chain, and give two owners the same tokens and the same range."""
    owner, twin = world.accounts.spare[-2:]
    made = HedgedPair(world=world, market=deploy_aave_v3_0(chain, world, cache=cache), owner=owner, twin=twin)
    for each in (owner, twin):
        _endow(chain, made, each)
    return made


def _endow(chain: Chain, pair: HedgedPair, owner: str) -> None:
    world, elsewhere = pair.world, pair.world.accounts.spare[0]
    ticks = range_around(chain, pair.pool, -_RANGE_TICKS, _RANGE_TICKS)
    chain.execute(
        actions.mint_position(world, owner, pair.pool, ticks, world.amounts(pair.pool, _PROVIDED_WETH))
    )
    for token, kept in ((world.weth, _KEPT_WETH), (world.usdc_low, _KEPT_USDC)):
        chain.execute(actions.transfer(token, owner, elsewhere, balance(chain, token, owner) - kept))
    chain.execute(actions.transfer(world.usdc_high, owner, elsewhere, USDC_EACH))
    native_wei = int(chain.rpc("eth_getBalance", owner, "latest"), 16)
    chain.execute(Tx(sender=owner, to=elsewhere, value_wei=native_wei - _NATIVE_WEI))


# ------------------------------------------------------------------ what it was good for
class Compared(msgspec.Struct, kw_only=True):
    """Both books over the blocks since the hedge was first taken on."""

    at: list[PairAt] = msgspec.field(default_factory=list)
    trading_cost: int = 0
    """Gas and swap loss of the hedge's plans, in raw dollars."""

    def add(self, now: PairAt) -> None:
        """Take in a block; those before the first that ends hedged do not count."""
        if self.at or (now.inside_band and now.health is not None):
            self.at.append(now)

    def rows(self) -> list[tuple[str, ...]]:
        """Write the table: what, the hedged book, its twin."""
        healths = [each.health for each in self.at if each.health is not None]
        changes = {who: _changes([getattr(each, who) for each in self.at]) for who in ("hedged", "twin")}
        inside = sum(each.inside_band for each in self.at)
        spread = (_usd(pstdev(changes[who])) for who in ("hedged", "twin"))
        worst = (_usd(fmean(_worst(changes[who]))) for who in ("hedged", "twin"))
        return [
            ("standard deviation of a block's change of equity", *spread),
            ("mean of the worst 5 % of these changes", *worst),
            ("interest earned less interest due", _usd(sum(each.carry for each in self.at), 4), ""),
            ("gas and swap loss of the hedge's plans", _usd(self.trading_cost), ""),
            ("blocks whose end was inside the band", f"{inside} of {len(self.at)}", ""),
            ("smallest health factor", f"{min(healths):.3f}" if healths else "", ""),
        ]

    def spread(self, who: str) -> float:
        """Return the standard deviation of a block's change of equity, of `hedged` or `twin`."""
        return pstdev(_changes([getattr(each, who) for each in self.at]))

    @property
    def is_enough(self) -> bool:
        """Return whether there are blocks enough to compare."""
        return len(self.at) >= _LEAST_BLOCKS


def _changes(values: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(values)]


def _worst(changes: list[int]) -> list[int]:
    return sorted(changes)[: max(1, len(changes) // 20)]


def _usd(raw: float, digits: int = 2) -> str:
    return f"{raw / _DOLLAR:,.{digits}f} USDC"
