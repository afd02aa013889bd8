"""A second implementation of what a signer's file allows at Aave V3, from calldata and chain, without the signer's code."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from eth_abi.abi import decode, encode
from lending_forgery import LISTED

from pipeline.venues.abi import declared
from streams.devnet.aave import (
    ACCOUNT_DATA,
    COLLATERAL_BPS,
    RESERVE_DATA,
    USER_CONFIGURATION,
    VARIABLE,
    AaveContracts,
)
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance

_WAD, _WHOLE_BPS = 10**18, 10_000
_EMODE = declared("getUserEMode(address)", "uint256")
_DELEGATED = declared("borrowAllowance(address,address)", "uint256")
_ALLOWED = declared("allowance(address,address)", "uint256")
_GROWN = 2e-6
"""Of debt and collateral, the most that a block's interest comes to: 300 % a year are 1.2e-6."""
_PRICE_USD, _SLACK = 3_000, 0.99
"""What a WETH is worth where this is used, and how far the signer's references may be from that."""
_ROUNDING = 10
"""Raw units of a token that roundings alone may cost."""


class LendingFile(NamedTuple):
    """What a signer's file says of a market."""

    most_debt: Mapping[str, int]
    """By token of the file, in its raw units."""
    least_health: float
    shock_bps: int


class Holding(NamedTuple):
    """What the owner has of one token, in its raw units."""

    wallet: int
    collateral: int
    debt: int
    counts: bool
    """Whether it secures debts."""

    @property
    def net(self) -> int:
        """Return the owner's net amounts, in the wallet and at the market."""
        return self.wallet + self.collateral - self.debt


class Standing(NamedTuple):
    """The owner's account at the end of a block, and what others may take of it."""

    holdings: Mapping[str, Holding]
    health: float
    """By the market's oracle."""
    emode: int
    granted: Mapping[str, int]
    """What strangers may take of the owner, or have got, by what it is."""


def standing(
    chain: Chain,
    market: AaveContracts,
    owner: str,
    strangers: tuple[str, ...] = (),
    *,
    block: int | str = "latest",
) -> Standing:
    """Ask the chain for the owner's account at the end of a block."""
    reserves = (market.weth, market.usdc)
    flags = ask(chain, market.pool, USER_CONFIGURATION, owner, block=block)
    holdings = {}
    for each in reserves:
        number = ask(chain, market.pool, RESERVE_DATA, each.asset, block=block)[7]
        holdings[each.asset] = Holding(
            wallet=balance(chain, each.asset, owner, block=block),
            collateral=balance(chain, each.a_token, owner, block=block),
            debt=balance(chain, each.debt_token, owner, block=block),
            counts=bool(flags >> 2 * number + 1 & 1),
        )
    granted = {
        f"{called.name} of {token} for {other}": ask(chain, token, called, owner, other, block=block)
        for other in strangers
        for each in reserves
        for token, called in ((each.asset, _ALLOWED), (each.a_token, _ALLOWED), (each.debt_token, _DELEGATED))
    }
    *_, health_wad = ask(chain, market.pool, ACCOUNT_DATA, owner, block=block)
    emode = ask(chain, market.pool, _EMODE, owner, block=block)
    return Standing(holdings, health_wad / _WAD, emode, granted)


# ------------------------------------------------------------------ the bytes
def faults_of_call(file: LendingFile, owner: str, data: bytes) -> Iterator[str]:
    """Name what a call of a market's pool has that no file allows: another function, token, party or rate, or other bytes."""
    found = next((each for each in LISTED.values() if each.selector == data[:4]), None)
    if found is None:
        yield f"calls 0x{data[:4].hex()} of the market"
        return
    arguments = decode(found.inputs, data[4:])
    if encode(found.inputs, arguments) != data[4:]:
        yield f"{found.name} has other bytes than its arguments"
    if found.name == "setUserEMode":
        if arguments[0]:
            yield f"chooses e-mode {arguments[0]}"
        return
    if arguments[0] not in file.most_debt:
        yield f"{found.name} of {arguments[0]}"
    party = {"supply": 2, "borrow": 4, "repay": 3, "withdraw": 2}.get(found.name)
    if party is not None and arguments[party] != owner:
        yield f"{found.name} for {arguments[party]}"
    if found.name in {"borrow", "repay"} and arguments[2] != VARIABLE:
        yield f"{found.name} at rate mode {arguments[2]}"


# ------------------------------------------------------------------ what it did
def faults_of_standing(file: LendingFile, before: Standing, after: Standing) -> Iterator[str]:
    """Name what an account has become that the file does not allow, unless it was so before."""
    for asset, most in file.most_debt.items():
        owed, owes = before.holdings[asset].debt, after.holdings[asset].debt
        if owes > max(most, owed) * (1 + _GROWN):
            yield f"owes {owes} of {asset}, the file allows {most}"
    if after.health < file.least_health and after.health < before.health * (1 - _GROWN):
        yield f"has a health of {after.health:.4f}, after {before.health:.4f}"
    if after.emode != before.emode:
        yield f"is in e-mode {after.emode}"
    for what, amount in after.granted.items():
        if amount > before.granted[what]:
            yield f"grants {amount}: {what}"


def faults_of_effect(
    file: LendingFile, before: Standing, after: Standing, market: AaveContracts
) -> Iterator[str]:
    """Name what one call alone has done that the file does not allow: tokens that went to others, and a borrower whom a shock would ruin."""
    yield from faults_of_standing(file, before, after)
    is_withdrawn = is_borrowed = False
    for asset, held in after.holdings.items():
        had = before.holdings[asset]
        grown = _GROWN * (had.collateral + had.debt + held.collateral + held.debt)
        if had.net - held.net > _ROUNDING + grown:
            yield f"{had.net - held.net} of {asset} went to others"
        is_withdrawn |= held.collateral < had.collateral
        is_borrowed |= held.debt > had.debt + grown
    if is_borrowed and not is_withdrawn:
        moved = 1 + file.shock_bps / _WHOLE_BPS
        for price_usd in (_PRICE_USD / moved, _PRICE_USD * moved):
            health = _health_at(after, market, price_usd)
            if health < file.least_health * _SLACK:
                yield f"has a health of {health:.4f} where WETH is worth {price_usd:.0f} dollars"


def _health_at(it: Standing, market: AaveContracts, price_usd: float) -> float:
    """Tell the health factor if WETH had another price."""
    weth, usdc = it.holdings[market.weth.asset], it.holdings[market.usdc.asset]
    priced = (("WETH", weth, price_usd / 10**18), ("USDC", usdc, 1 / 10**6))
    backed = sum(
        held.counts * held.collateral * COLLATERAL_BPS[name][1] * price for name, held, price in priced
    )
    return backed / _WHOLE_BPS / sum(held.debt * price for _, held, price in priced)
