"""Read an owner's account at a market of Aave V3, before and after an intent in the same block."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import UnreadableError
from pipeline.units import Address, Bps, RawAmount
from pipeline.venues.abi import Function, declared
from streams.submit.venues.port import StateQuestion
from streams.submit.verdict import Refusal

if TYPE_CHECKING:
    from streams.submit.venues.aave_v3.terms import LendingMarket, Reserve

ACCOUNT = declared("getUserAccountData(address)", *["uint256"] * 6)
_FLAGS = declared("getUserConfiguration(address)", "uint256")
_ORACLE = declared("getPriceOracle()", "address")
_BALANCE = declared("balanceOf(address)", "uint256")
_PRICE = declared("getAssetPrice(address)", "uint256")
_CONFIGURATION = declared("getConfiguration(address)", "uint256")

_GAS = 300_000
"""Of one word; a whole account, or a price behind several adapters, takes more."""
_THRESHOLD_BIT, _THRESHOLD_MASK = 16, 0xFFFF


class HeldAtMarket(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner has and owes of one token."""

    collateral: RawAmount
    debt: RawAmount
    price: int
    """Of a whole token, in units of the oracle's base currency."""
    threshold_bps: Bps
    """How much of its value a debt may come to before it is liquidated; 0 where it is not collateral."""

    @property
    def matters(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.collateral or self.debt)


class AccountRead(msgspec.Struct, frozen=True, kw_only=True):
    """The owner's account at one market."""

    debt_base: int
    """All that it owes, in units of the oracle's base currency."""
    health_wad: int
    """By the market's oracle."""
    flags: int
    """Which reserves are borrowed, and which are collateral."""
    oracle: Address
    holdings: Mapping[Address, HeldAtMarket]
    """By token of the file."""

    @property
    def owes(self) -> bool:
        """Whether anything is owed, of any token."""
        return self.debt_base > 0 or any(held.debt for held in self.holdings.values())


def questions(market: "LendingMarket", owner: Address) -> list[StateQuestion]:
    """List what is asked of one market, in the order in which `read_account` takes the answers."""
    asked = [
        StateQuestion(market.pool, ACCOUNT.encode(owner)),
        StateQuestion(market.pool, _FLAGS.encode(owner), _GAS),
        StateQuestion(market.provider, _ORACLE.encode(), _GAS),
    ]
    for each in market.reserves:
        asked += [
            StateQuestion(each.a_token, _BALANCE.encode(owner), _GAS),
            StateQuestion(each.debt_token, _BALANCE.encode(owner), _GAS),
            StateQuestion(market.oracle, _PRICE.encode(each.asset)),
            StateQuestion(market.pool, _CONFIGURATION.encode(each.asset), _GAS),
        ]
    return asked


def read_account(market: "LendingMarket", answers: Iterator[bytes]) -> AccountRead:
    """Read a market's answers, and no further ones. Raises: Refusal where one is not given, or is none."""
    _, debt_base, _, _, _, health_wad = _answer(ACCOUNT, market.pool, answers)
    (flags,) = _answer(_FLAGS, market.pool, answers)
    (oracle,) = _answer(_ORACLE, market.provider, answers)
    return AccountRead(
        debt_base=debt_base,
        health_wad=health_wad,
        flags=flags,
        oracle=Address(oracle),
        holdings={each.asset: _holding(market, each, flags, answers) for each in market.reserves},
    )


def read_accounts(
    markets: Sequence["LendingMarket"], answers: Sequence[tuple[bytes, bytes]]
) -> dict[str, tuple[AccountRead, AccountRead]]:
    """Read every market's answers, before and after, by its name. Raises: Refusal."""
    before, after = (iter([pair[place] for pair in answers]) for place in (0, 1))
    return {each.name: (read_account(each, before), read_account(each, after)) for each in markets}


def _holding(
    market: "LendingMarket", reserve: "Reserve", flags: int, answers: Iterator[bytes]
) -> HeldAtMarket:
    (collateral,) = _answer(_BALANCE, reserve.a_token, answers)
    (debt,) = _answer(_BALANCE, reserve.debt_token, answers)
    (price,) = _answer(_PRICE, market.oracle, answers)
    (configuration,) = _answer(_CONFIGURATION, market.pool, answers)
    counts = flags >> 2 * reserve.number + 1 & 1
    threshold_bps = configuration >> _THRESHOLD_BIT & _THRESHOLD_MASK
    return HeldAtMarket(
        collateral=collateral, debt=debt, price=price, threshold_bps=Bps(threshold_bps if counts else 0)
    )


def _answer(asked: Function, of: Address, answers: Iterator[bytes]) -> tuple[Any, ...]:
    try:
        return asked.answer(next(answers))
    except UnreadableError as error:
        raise Refusal("market", f"{of}: {error}") from None
