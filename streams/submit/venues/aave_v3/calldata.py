"""Decode calls of an Aave V3 pool: tokens of the file, for the owner alone, at the variable rate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from pipeline.units import Address
from streams.submit.arguments import Functions
from streams.submit.venues.port import KnownCall, OutageRule
from streams.submit.verdict import Refusal

if TYPE_CHECKING:
    from streams.submit.venues.aave_v3.terms import LendingMarket

_VARIABLE = 2
_LISTED = Functions(
    (
        "supply(address,uint256,address,uint16)",
        "borrow(address,uint256,uint256,uint16,address)",
        "repay(address,uint256,uint256,address)",
        "withdraw(address,uint256,address)",
        "setUserUseReserveAsCollateral(address,bool)",
        "setUserEMode(uint8)",
    )
)
_MOVING = frozenset({"supply", "borrow", "repay", "withdraw"})


def read_calls(market: "LendingMarket", to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
    """Read what is called of a market's pool. Raises: Refusal."""
    name, arguments = _LISTED.read(to, data)
    if name == "setUserEMode":
        _check_emode(market, arguments[0])
    elif market.reserve_of(arguments[0].lower()) is None:
        raise Refusal("limits", f"{name} of {arguments[0].lower()} at {market.name}: not on the list")
    _check_parties(name, arguments, to, owner)
    call = KnownCall(
        to=to, function=name, arguments=arguments, is_action=name in _MOVING, follows_prices=True
    )
    yield msgspec.structs.replace(call, in_outage=_in_outage(call), adds_risk=is_risky(call))


def asset_of(call: KnownCall) -> Address | None:
    """Return which token a call is about; None for one about the whole account."""
    return None if call.function == "setUserEMode" else Address(call.arguments[0].lower())


def is_risky(call: KnownCall) -> bool:
    """Return whether a call may leave the account less healthy."""
    match call.function, call.arguments:
        case ("supply" | "repay", _) | ("setUserUseReserveAsCollateral", (_, True)):
            return False
        case _:
            return True


def _in_outage(call: KnownCall) -> OutageRule:
    """Let go at any time what leaves the account no less healthy, and within the grace period the collateral that is to repay."""
    if not is_risky(call):
        return "always"
    return "in_need" if call.function == "withdraw" else "never"


def _check_parties(name: str, arguments: tuple[object, ...], to: Address, owner: Address) -> None:
    match name, arguments:
        case ("borrow", (_, _, rate, _, party)) | ("repay", (_, _, rate, party)):
            if rate != _VARIABLE:
                raise Refusal(
                    "limits", f"{name} of {to} at rate mode {rate}: only 2, the variable rate, is on the list"
                )
        case ("supply", (_, _, party, _)) | ("withdraw", (_, _, party)):
            pass
        case _:
            return
    if str(party).lower() != owner:
        raise Refusal("limits", f"{name} of {to} for {str(party).lower()}, which is not on the list")


def _check_emode(market: "LendingMarket", category: int) -> None:
    if category and category not in market.emodes:
        raise Refusal("limits", f"e-mode {category} at {market.name}: not on the list")
