"""Write and read the calldata of a hedge: supply, borrow, repay and withdraw, for the owner alone."""

from typing import NamedTuple

from pipeline.errors import CalldataError
from pipeline.math.fixed_point import MAX_UINT256
from pipeline.units import Address, RawAmount
from pipeline.venues.abi import declared

EVERYTHING = RawAmount(MAX_UINT256)
"""To repay or to withdraw this much is to do so with whatever is there when it is mined."""
_VARIABLE = 2
_REFERRAL = 0
_SUPPLY = declared("supply(address,uint256,address,uint16)")
_BORROW = declared("borrow(address,uint256,uint256,uint16,address)")
_REPAY = declared("repay(address,uint256,uint256,address)")
_WITHDRAW = declared("withdraw(address,uint256,address)")


class PoolCall(NamedTuple):
    """One call of the pool."""

    name: str
    asset: Address
    amount: RawAmount
    account: Address
    """Whose position changes; of a withdrawal, who is paid."""


def write_call(name: str, asset: Address, amount: RawAmount, owner: Address) -> str:
    """Write one call for an owner. Raises: CalldataError for no amount."""
    if amount <= 0:
        raise CalldataError(f"{name} of {amount}")
    match name:
        case "supply":
            return _SUPPLY.calldata(asset, amount, owner, _REFERRAL)
        case "borrow":
            return _BORROW.calldata(asset, amount, _VARIABLE, _REFERRAL, owner)
        case "repay":
            return _REPAY.calldata(asset, amount, _VARIABLE, owner)
        case "withdraw":
            return _WITHDRAW.calldata(asset, amount, owner)
    raise CalldataError(f"{name} is not a call of the pool")


def read_call(data: str) -> PoolCall:
    """Read a call back. Raises: CalldataError for anything that could not have been written here."""
    raw = bytes.fromhex(data.removeprefix("0x"))
    for known in (_SUPPLY, _BORROW, _REPAY, _WITHDRAW):
        if raw.startswith(known.selector):
            asset, amount, *rest = known.decode(raw)
            read = PoolCall(known.name, asset, amount, rest[-1] if known is not _SUPPLY else rest[0])
            if write_call(*read) != data:
                raise CalldataError(f"{known.name} with other terms than ours")
            return read
    raise CalldataError(f"{data[:10]} is not a call of the pool that a hedge makes")
