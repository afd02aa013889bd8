"""A signer's terms at Aave V3: its markets and tokens, the largest debt of each, and the lowest health factor."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from pipeline.units import Address, Bps, RawAmount
from streams.submit.venues.aave_v3 import calldata
from streams.submit.venues.aave_v3.account import questions
from streams.submit.venues.port import Appraiser, Judging, KnownCall, StateQuestion

if TYPE_CHECKING:
    from streams.submit.node import SimulatedLog
    from streams.submit.simulation import Effect

KIND = "aave_v3"


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """A token that may be supplied, and the tokens that stand for what is supplied and owed of it."""

    asset: Address
    a_token: Address
    debt_token: Address
    number: int
    """Its place in the pool's words of flags."""
    decimals: int
    max_debt: RawAmount


class LendingMarket(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment that the file names."""

    name: str
    pool: Address
    provider: Address
    """Who names the pool's oracle."""
    oracle: Address
    reserves: tuple[Reserve, ...]
    least_health_wad: int
    """The least health at which a call may leave an account whose health it lowers."""
    shock_bps: Bps
    """A debt must stand such a move of every price at once."""
    max_oracle_deviation_bps: Bps = Bps(200)
    emodes: tuple[int, ...] = ()

    def reserve_of(self, token: Address) -> Reserve | None:
        """Find the reserve of a token that may be supplied."""
        return next((each for each in self.reserves if each.asset == token), None)


class AaveV3Terms(msgspec.Struct, frozen=True, kw_only=True):
    """`VenueTerms` of all markets of Aave V3 that a signer's file names."""

    markets: tuple[LendingMarket, ...]
    name: str = KIND

    @property
    def contracts(self) -> Collection[Address]:
        """The markets' pools. Collateral and debt are tokens too, but neither is ever called."""
        return {market.pool for market in self.markets}

    @property
    def tokens(self) -> Sequence[Address]:
        """The tokens that may be supplied, each once."""
        return tuple(dict.fromkeys(each.asset for market in self.markets for each in market.reserves))

    def spenders(self, token: Address) -> Collection[Address]:
        """List the pools that a token may be supplied to."""
        return {market.pool for market in self.markets if market.reserve_of(token) is not None}

    def read_calls(self, to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
        """Read a call of a market's pool. Raises: Refusal."""
        return calldata.read_calls(self.market_at(to), to, data, owner)

    def questions(self, owner: Address) -> Sequence[StateQuestion]:
        """Ask every market for the owner's account."""
        return [asked for market in self.markets for asked in questions(market, owner)]

    def touched(self, owner: Address, effect: "Effect") -> str | None:
        """Name a market in which anything of the owner's changes: its pool, or a token of a reserve, says so."""
        return next(
            (f"what lies at {market.name}" for market in self.markets if is_touched(market, owner, effect)),
            None,
        )

    def counts(self, log: "SimulatedLog") -> bool:
        """Count collateral and debt that is burned: what the owner has of both is asked before and after."""
        burnt = int(log.topics[2], 16) == 0
        return burnt and any(log.address in shares_of(market) for market in self.markets)

    def bind(self, judging: Judging) -> Appraiser:
        """Give these terms a node."""
        from streams.submit.venues.aave_v3.appraise import LendingAppraiser  # noqa: PLC0415 - it knows these terms

        return LendingAppraiser(self, judging)

    def market_at(self, pool: Address) -> LendingMarket:
        """Find the market of a pool. Raises: StopIteration where there is none."""
        return next(market for market in self.markets if market.pool == pool)


def shares_of(market: LendingMarket) -> Collection[Address]:
    """List the tokens that stand for collateral and debt."""
    return {token for each in market.reserves for token in (each.a_token, each.debt_token)}


def is_touched(market: LendingMarket, owner: Address, effect: "Effect") -> bool:
    """Return whether a log of a market names the owner: each event of its pool and of its tokens has the account among its topics."""
    named = f"0x{owner.removeprefix('0x'):0>64}"
    spoken = {market.pool, *shares_of(market)}
    return any(log.address in spoken and named in log.topics for log in effect.logs)
