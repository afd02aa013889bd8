"""The one-word calls to a market's contracts that each block answers."""

from pipeline.units import Address
from pipeline.venues.block_call import BlockCall

ASSET_PRICE = "0xb3596f07"
"""Selector of getAssetPrice(address)."""
BALANCE_OF = "0x70a08231"
"""Selector of balanceOf(address)."""
VIRTUAL_BALANCE = "0x6fb07f96"
"""Selector of getVirtualUnderlyingBalance(address). 3.6 only."""
_SCALED_TOTAL = "0xb1bf962d"
"""Selector of scaledTotalSupply()."""
_LATEST_TIMESTAMP = "0x8205bf6a"
"""Selector of latestTimestamp()."""


def about(to: Address, selector: str, address: Address) -> BlockCall:
    """Ask a contract about an address."""
    return BlockCall(to=to, data=selector + address.removeprefix("0x").rjust(64, "0"))


def scaled_total(token: Address) -> BlockCall:
    """Ask an aToken or a debt token what all accounts have of it, before interest."""
    return BlockCall(to=token, data=_SCALED_TOTAL)


def told_at(source: Address) -> BlockCall:
    """Ask a source of prices when it was last told one."""
    return BlockCall(to=source, data=_LATEST_TIMESTAMP)
