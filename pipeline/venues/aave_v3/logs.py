"""Decode the logs of an Aave V3 pool and of its tokens. A change means the change of the displayed balance."""

from typing import cast

from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact
from pipeline.units import Address, RawAmount
from pipeline.venues.log_words import Shape, address, decode, shape_of, uint

RESERVE_DATA_UPDATED = "0x804c9b842b2748a22bb64b345453a3de7ca54a6ca45ce00d415894979e22897a"
COLLATERAL_ENABLED = "0x00058a56ea94653cdf4f152d227ace22d4c00ad99e2a43f58cb7d9e3feb295f2"
COLLATERAL_DISABLED = "0x44c58d81365b66dd4b1a7f36c25aa97b8c71c361ee4937adc1a00000227db5dd"
EMODE_SET = "0xd728da875fc88944cbf17638bcbe4af0eedaef63becd1d1c57cc097eb4608d84"
LIQUIDATION_CALL = "0xe413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286"
BORROW = "0xb3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0"
RATE_MODE_SWAPPED = "0x7962b394d85a534033ba2efcf43cd36de57b7ebeb3de0ca4428965d9b3ddc481"
MINT = "0x458f5fa412d0f69b08dd84872b0215675cc67bc1d5b6fd93300a1c3878b86196"
BURN = "0x4cf25bc1d991c17529c25213d3cc0cda295eeaad5f13f361969b12ea48015f90"
BALANCE_TRANSFER = "0x4beccb90f994c31aced7a23b5611020728a23d8ec5cddd1a3e9d97b96fda8666"
ASSET_SOURCE_UPDATED = "0x22c5b7b2d8561d39f7f210b6b326a1aa69f15311163082308ac4877db6339dc1"
"""The oracle asks another source for an asset's price."""
UPGRADED = "0xbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b"

_STABLE = 1
"""The mode of a rate that a debt had before 3.2 could do without."""


class ReserveMoved(Fact, frozen=True, kw_only=True):
    """A reserve accrued its interest to this block, and has new rates."""

    asset: Address
    liquidity_rate_ray: int
    borrow_rate_ray: int
    liquidity_index_ray: int
    borrow_index_ray: int


class CollateralSwitched(Fact, frozen=True, kw_only=True):
    """What an account has of a reserve counts as its collateral from here on, or does so no more."""

    asset: Address
    owner: Address
    on: bool


class StableDebtMade(Fact, frozen=True, kw_only=True):
    """An account owes at a stable rate, which is not followed."""

    asset: Address
    owner: Address


class LiquidationMade(Fact, frozen=True, kw_only=True):
    """Somebody repaid a debt of an account whose health factor was below 1, and took collateral of it."""

    collateral_asset: Address
    debt_asset: Address
    owner: Address
    repaid: RawAmount
    seized: RawAmount
    """What the liquidator got; the market's own part is not in it."""
    liquidator: Address


class BalanceChanged(Fact, frozen=True, kw_only=True):
    """Somebody supplied, withdrew, borrowed or repaid; a change of 0 says that interest was accrued and no more."""

    owner: Address
    change: int
    index_ray: int


class ScaledMoved(Fact, frozen=True, kw_only=True):
    """An aToken balance went to another account."""

    sender: Address
    recipient: Address
    scaled: int


def decode_pool_log(log: RawLog) -> Fact | None:
    """Read a log that a pool emitted; None where it says nothing that is followed by it. Raises: MalformedLogError."""
    shape = shape_of(log, _POOL_SHAPES)
    fact = None if shape is None else decode(log, shape)
    return None if isinstance(fact, _VariableDebt) else fact


def decode_token_log(log: RawLog) -> BalanceChanged | ScaledMoved | None:
    """Read a log of an aToken or a variable debt token; None where the topic is another's. Raises: MalformedLogError."""
    shape = shape_of(log, _TOKEN_SHAPES)
    return None if shape is None else cast("BalanceChanged | ScaledMoved", decode(log, shape))


class _VariableDebt(Fact, frozen=True, kw_only=True):
    """A debt of the usual kind, which its token's logs tell."""


def _reserve_moved(log: RawLog, words: list[int]) -> ReserveMoved:
    asset, liquidity_rate, _, borrow_rate, liquidity_index, borrow_index = words
    return ReserveMoved(
        address=log.address,
        log_index=log.log_index,
        asset=address(asset),
        liquidity_rate_ray=uint(liquidity_rate, 128),
        borrow_rate_ray=uint(borrow_rate, 128),
        liquidity_index_ray=uint(liquidity_index, 128),
        borrow_index_ray=uint(borrow_index, 128),
    )


def _enabled(log: RawLog, words: list[int]) -> CollateralSwitched:
    return _switched(log, words, on=True)


def _disabled(log: RawLog, words: list[int]) -> CollateralSwitched:
    return _switched(log, words, on=False)


def _switched(log: RawLog, words: list[int], *, on: bool) -> CollateralSwitched:
    return CollateralSwitched(
        address=log.address,
        log_index=log.log_index,
        asset=address(words[0]),
        owner=address(words[1]),
        on=on,
    )


def _borrowed(log: RawLog, words: list[int]) -> Fact:
    """Find of what rate a debt is: asset, owner and referral are indexed, then user, amount, mode and rate."""
    return _of_mode(log, asset=words[0], owner=words[1], mode=words[5])


def _mode_swapped(log: RawLog, words: list[int]) -> Fact:
    """Find of what rate a debt has become: the log has the mode that it had before."""
    return _of_mode(log, asset=words[0], owner=words[1], mode=3 - words[2])


def _of_mode(log: RawLog, *, asset: int, owner: int, mode: int) -> Fact:
    if mode != _STABLE:
        return _VariableDebt(address=log.address, log_index=log.log_index)
    return StableDebtMade(
        address=log.address, log_index=log.log_index, asset=address(asset), owner=address(owner)
    )


def _liquidated(log: RawLog, words: list[int]) -> LiquidationMade:
    return LiquidationMade(
        address=log.address,
        log_index=log.log_index,
        collateral_asset=address(words[0]),
        debt_asset=address(words[1]),
        owner=address(words[2]),
        repaid=RawAmount(words[3]),
        seized=RawAmount(words[4]),
        liquidator=address(words[5]),
    )


def _minted(log: RawLog, words: list[int]) -> BalanceChanged:
    _, owner, value, increase, index = words
    return _changed(log, owner, value - increase, index)


def _burned(log: RawLog, words: list[int]) -> BalanceChanged:
    owner, _, value, increase, index = words
    return _changed(log, owner, -(value + increase), index)


def _changed(log: RawLog, owner: int, change: int, index: int) -> BalanceChanged:
    return BalanceChanged(
        address=log.address,
        log_index=log.log_index,
        owner=address(owner),
        change=change,
        index_ray=uint(index, 128),
    )


def _moved(log: RawLog, words: list[int]) -> ScaledMoved:
    return ScaledMoved(
        address=log.address,
        log_index=log.log_index,
        sender=address(words[0]),
        recipient=address(words[1]),
        scaled=uint(words[2], 128),
    )


_POOL_SHAPES = {
    RESERVE_DATA_UPDATED: Shape("ReserveDataUpdated", 2, 5, _reserve_moved),
    COLLATERAL_ENABLED: Shape("ReserveUsedAsCollateralEnabled", 3, 0, _enabled),
    COLLATERAL_DISABLED: Shape("ReserveUsedAsCollateralDisabled", 3, 0, _disabled),
    BORROW: Shape("Borrow", 4, 4, _borrowed),
    LIQUIDATION_CALL: Shape("LiquidationCall", 4, 4, _liquidated),
    RATE_MODE_SWAPPED: Shape("SwapBorrowRateMode", 3, 1, _mode_swapped),
}
_TOKEN_SHAPES = {
    MINT: Shape("Mint", 3, 3, _minted),
    BURN: Shape("Burn", 3, 3, _burned),
    BALANCE_TRANSFER: Shape("BalanceTransfer", 3, 2, _moved),
}
