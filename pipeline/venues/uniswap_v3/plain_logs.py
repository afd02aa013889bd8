"""Decode the most frequent logs of Uniswap V3 in one pass, by the helpers of `plain_words`."""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Final, TypeVar

from pipeline.math.fixed_point import MAX_UINT128, MAX_UINT160
from pipeline.messages.base import RawLog
from pipeline.units import Address, Tick
from pipeline.venues.plain_words import address_in, number, plain_shape, word_in
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
_TICKS_REMEMBERED = 1 << 12
_swap_words: Final = Struct("32s32s32s32s32s").unpack
ChangedT = TypeVar("ChangedT", LiquidityIncreased, LiquidityDecreased)


def _swap(log: RawLog, raw: bytes) -> Swapped | None:
    amount0, amount1, price, in_range, last = _swap_words(raw)
    sqrt_price_x96, liquidity = number(price, "big"), number(in_range, "big")
    tick = number(last, "big", signed=True)
    if sqrt_price_x96 > MAX_UINT160 or liquidity > MAX_UINT128 or not _MIN_TICK <= tick <= _MAX_TICK:
        return None
    _, sender, recipient = log.topics
    return Swapped(
        address=log.address,
        log_index=log.log_index,
        sender=address_in(sender),
        recipient=address_in(recipient),
        amount0_delta=number(amount0, "big", signed=True),
        amount1_delta=number(amount1, "big", signed=True),
        sqrt_price_x96=sqrt_price_x96,
        liquidity=liquidity,
        tick=tick,
    )


@lru_cache(maxsize=_TICKS_REMEMBERED)
def _tick_in(topic: str) -> Tick:
    """Read the tick in a topic. Raises: ValueError where the topic is anything else."""
    tick = int.from_bytes(word_in(topic), "big", signed=True)
    if not _MIN_TICK <= tick <= _MAX_TICK:
        raise ValueError("not a tick")
    return Tick(tick)


def _mint(log: RawLog, raw: bytes) -> Minted:
    _, owner, lower, upper = log.topics
    return Minted(
        address=log.address,
        log_index=log.log_index,
        owner=address_in(owner),
        tick_lower=_tick_in(lower),
        tick_upper=_tick_in(upper),
        liquidity=number(raw[32:64], "big"),
        amount0=number(raw[64:96], "big"),
        amount1=number(raw[96:128], "big"),
    )


def _burn(log: RawLog, raw: bytes) -> Burned:
    _, owner, lower, upper = log.topics
    return Burned(
        address=log.address,
        log_index=log.log_index,
        owner=address_in(owner),
        tick_lower=_tick_in(lower),
        tick_upper=_tick_in(upper),
        liquidity=number(raw[:32], "big"),
        amount0=number(raw[32:64], "big"),
        amount1=number(raw[64:96], "big"),
    )


def _collect(log: RawLog, raw: bytes) -> Collected:
    _, owner, lower, upper = log.topics
    return Collected(
        address=log.address,
        log_index=log.log_index,
        owner=address_in(owner),
        tick_lower=_tick_in(lower),
        tick_upper=_tick_in(upper),
        recipient=Address("0x" + raw[12:32].hex()),
        amount0=number(raw[32:64], "big"),
        amount1=number(raw[64:96], "big"),
    )


def _changed(fact: type[ChangedT]) -> Callable[[RawLog, bytes], ChangedT]:
    """Make the decoder of an event that changes an NFT's liquidity: an increase and a decrease have the same words."""

    def read(log: RawLog, raw: bytes) -> ChangedT:
        return fact(
            address=log.address,
            log_index=log.log_index,
            token_id=number(word_in(log.topics[1]), "big"),
            liquidity=number(raw[:32], "big"),
            amount0=number(raw[32:64], "big"),
            amount1=number(raw[64:96], "big"),
        )

    return read


def _collect_nft(log: RawLog, raw: bytes) -> NftCollected:
    return NftCollected(
        address=log.address,
        log_index=log.log_index,
        token_id=number(word_in(log.topics[1]), "big"),
        recipient=Address("0x" + raw[12:32].hex()),
        amount0=number(raw[32:64], "big"),
        amount1=number(raw[64:96], "big"),
    )


def _transfer_nft(log: RawLog, raw: bytes) -> NftTransferred:
    del raw  # of no bytes
    _, sender, recipient, token = log.topics
    return NftTransferred(
        address=log.address,
        log_index=log.log_index,
        sender=address_in(sender),
        recipient=address_in(recipient),
        token_id=number(word_in(token), "big"),
    )


POOL_SHAPES = {
    topics.SWAP_TOPIC: plain_shape(3, (256, 256, 256, 256, 256), _swap),
    topics.MINT_TOPIC: plain_shape(4, (160, 128, 256, 256), _mint),
    topics.BURN_TOPIC: plain_shape(4, (128, 256, 256), _burn),
    topics.COLLECT_TOPIC: plain_shape(4, (160, 128, 128), _collect),
}
MANAGER_SHAPES = {
    TRANSFER_TOPIC: plain_shape(4, (), _transfer_nft),
    topics.INCREASE_LIQUIDITY_TOPIC: plain_shape(2, (128, 256, 256), _changed(LiquidityIncreased)),
    topics.DECREASE_LIQUIDITY_TOPIC: plain_shape(2, (128, 256, 256), _changed(LiquidityDecreased)),
    topics.NFT_COLLECT_TOPIC: plain_shape(2, (160, 256, 256), _collect_nft),
}
