"""Decode the most frequent logs of Uniswap V3 in one pass, by the helpers of `plain_words`."""

from collections.abc import Callable
from typing import TypeVar

from pipeline.messages.base import RawLog
from pipeline.units import Address, Liquidity, RawAmount, SqrtPriceX96, Tick, TokenId
from pipeline.venues.plain_words import plain_shape
from pipeline.venues.uniswap_v3 import topics
from pipeline.venues.uniswap_v3.forms.facts import (
    Burned,
    Collected,
    LiquidityDecreased,
    LiquidityIncreased,
    Minted,
    NftCollected,
    NftTransferred,
    Swapped,
)
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC

_MIN_TICK, _MAX_TICK = -(1 << 23), (1 << 23) - 1
_number = int.from_bytes
ChangedT = TypeVar("ChangedT", LiquidityIncreased, LiquidityDecreased)


def _swap(log: RawLog, raw: bytes) -> Swapped | None:
    tick = _number(raw[192:224], "big", signed=True)
    if not _MIN_TICK <= tick <= _MAX_TICK:
        return None
    return Swapped(
        address=log.address,
        log_index=log.log_index,
        sender=Address("0x" + raw[12:32].hex()),
        recipient=Address("0x" + raw[44:64].hex()),
        amount0_delta=RawAmount(_number(raw[64:96], "big", signed=True)),
        amount1_delta=RawAmount(_number(raw[96:128], "big", signed=True)),
        sqrt_price_x96=SqrtPriceX96(_number(raw[128:160], "big")),
        liquidity=Liquidity(_number(raw[160:192], "big")),
        tick=Tick(tick),
    )


def _range(raw: bytes) -> tuple[Tick, Tick] | None:
    """Read the ticks in the second and third word."""
    lower, upper = _number(raw[32:64], "big", signed=True), _number(raw[64:96], "big", signed=True)
    if not _MIN_TICK <= lower <= _MAX_TICK or not _MIN_TICK <= upper <= _MAX_TICK:
        return None
    return Tick(lower), Tick(upper)


def _mint(log: RawLog, raw: bytes) -> Minted | None:
    ticks = _range(raw)
    if ticks is None:
        return None
    return Minted(
        address=log.address,
        log_index=log.log_index,
        owner=Address("0x" + raw[12:32].hex()),
        tick_lower=ticks[0],
        tick_upper=ticks[1],
        liquidity=Liquidity(_number(raw[128:160], "big")),
        amount0=RawAmount(_number(raw[160:192], "big")),
        amount1=RawAmount(_number(raw[192:224], "big")),
    )


def _burn(log: RawLog, raw: bytes) -> Burned | None:
    ticks = _range(raw)
    if ticks is None:
        return None
    return Burned(
        address=log.address,
        log_index=log.log_index,
        owner=Address("0x" + raw[12:32].hex()),
        tick_lower=ticks[0],
        tick_upper=ticks[1],
        liquidity=Liquidity(_number(raw[96:128], "big")),
        amount0=RawAmount(_number(raw[128:160], "big")),
        amount1=RawAmount(_number(raw[160:192], "big")),
    )


def _collect(log: RawLog, raw: bytes) -> Collected | None:
    ticks = _range(raw)
    if ticks is None:
        return None
    return Collected(
        address=log.address,
        log_index=log.log_index,
        owner=Address("0x" + raw[12:32].hex()),
        tick_lower=ticks[0],
        tick_upper=ticks[1],
        recipient=Address("0x" + raw[108:128].hex()),
        amount0=RawAmount(_number(raw[128:160], "big")),
        amount1=RawAmount(_number(raw[160:192], "big")),
    )


def _changed(fact: type[ChangedT]) -> Callable[[RawLog, bytes], ChangedT]:
    """Make the reader of an event that changes an NFT's liquidity: an increase and a decrease have the same words."""

    def read(log: RawLog, raw: bytes) -> ChangedT:
        return fact(
            address=log.address,
            log_index=log.log_index,
            token_id=TokenId(_number(raw[:32], "big")),
            liquidity=Liquidity(_number(raw[32:64], "big")),
            amount0=RawAmount(_number(raw[64:96], "big")),
            amount1=RawAmount(_number(raw[96:128], "big")),
        )

    return read


def _collect_nft(log: RawLog, raw: bytes) -> NftCollected:
    return NftCollected(
        address=log.address,
        log_index=log.log_index,
        token_id=TokenId(_number(raw[:32], "big")),
        recipient=Address("0x" + raw[44:64].hex()),
        amount0=RawAmount(_number(raw[64:96], "big")),
        amount1=RawAmount(_number(raw[96:128], "big")),
    )


def _transfer_nft(log: RawLog, raw: bytes) -> NftTransferred:
    return NftTransferred(
        address=log.address,
        log_index=log.log_index,
        sender=Address("0x" + raw[12:32].hex()),
        recipient=Address("0x" + raw[44:64].hex()),
        token_id=TokenId(_number(raw[64:96], "big")),
    )


POOL_SHAPES = {
    topics.SWAP_TOPIC: plain_shape((160, 160), (256, 256, 160, 128, 256), _swap),
    topics.MINT_TOPIC: plain_shape((160, 256, 256), (160, 128, 256, 256), _mint),
    topics.BURN_TOPIC: plain_shape((160, 256, 256), (128, 256, 256), _burn),
    topics.COLLECT_TOPIC: plain_shape((160, 256, 256), (160, 128, 128), _collect),
}
MANAGER_SHAPES = {
    TRANSFER_TOPIC: plain_shape((160, 160, 256), (), _transfer_nft),
    topics.INCREASE_LIQUIDITY_TOPIC: plain_shape((256,), (128, 256, 256), _changed(LiquidityIncreased)),
    topics.DECREASE_LIQUIDITY_TOPIC: plain_shape((256,), (128, 256, 256), _changed(LiquidityDecreased)),
    topics.NFT_COLLECT_TOPIC: plain_shape((256,), (160, 256, 256), _collect_nft),
}
