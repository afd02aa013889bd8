"""The functions of Aave V3 that are called, the same in all versions except for e-modes."""

from typing import Any

import msgspec

from pipeline.units import Seconds
from pipeline.venues.aave_v3.forms import AaveReserve, BorrowRates
from pipeline.venues.abi import declared
from streams.node.contract_calls import Method


def _plain(signature: str, *outputs: str) -> Method:
    return Method(**msgspec.structs.asdict(declared(signature, *outputs)))


REVISION = _plain("POOL_REVISION()", "uint256")
RESERVES_LIST = declared("getReservesList()", "address[]")
RESERVE_DATA = _plain(
    "getReserveData(address)",
    *("uint256", "uint128", "uint128", "uint128", "uint128", "uint128", "uint40", "uint16"),
    *("address", "address", "address", "address", "uint128", "uint128", "uint128"),
)
"""15 words in all versions. 3.6 leaves those of a stable rate at zero."""
USER_CONFIGURATION = _plain("getUserConfiguration(address)", "uint256")
USER_EMODE = _plain("getUserEMode(address)", "uint256")
ACCOUNT_DATA = _plain("getUserAccountData(address)", *["uint256"] * 6)
BASE_UNIT = _plain("BASE_CURRENCY_UNIT()", "uint256")
"""Of the oracle: one of what it counts prices in."""
SCALED_BALANCE = _plain("scaledBalanceOf(address)", "uint256")
BALANCE = _plain("balanceOf(address)", "uint256")
EMODE_WITH_PRICE_SOURCE = declared("getEModeCategoryData(uint8)", "(uint16,uint16,uint16,address,string)")
"""3.0 only."""
EMODE_COLLATERAL = _plain("getEModeCategoryCollateralConfig(uint8)", "uint16", "uint16", "uint16")
EMODE_COLLATERAL_MAP = _plain("getEModeCategoryCollateralBitmap(uint8)", "uint128")
EMODE_LTV_ZERO_MAP = _plain("getEModeCategoryLtvzeroBitmap(uint8)", "uint128")
"""3.6 only."""


PRICE_SOURCE = _plain("getSourceOfAsset(address)", "address")
RATES_OF_A_STRATEGY = tuple(
    _plain(f"{name}()", "uint256")
    for name in (
        "OPTIMAL_USAGE_RATIO",
        "getBaseVariableBorrowRate",
        "getVariableRateSlope1",
        "getVariableRateSlope2",
    )
)
"""3.0 only, where each reserve has a contract of its own for them."""
RATES_OF_AN_ASSET = _plain("getInterestRateDataBps(address)", *["uint256"] * 4)
"""The same four in bps. 3.6 only."""


def reserve_state(data: tuple[Any, ...], rates: BorrowRates | None) -> AaveReserve:
    """Read a reserve's followed fields from the pool's answer."""
    return AaveReserve(
        configuration=data[0],
        liquidity_index_ray=data[1],
        liquidity_rate_ray=data[2],
        borrow_index_ray=data[3],
        borrow_rate_ray=data[4],
        updated_at_s=Seconds(data[6]),
        rates=rates,
    )
