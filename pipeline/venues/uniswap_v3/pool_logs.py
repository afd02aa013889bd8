"""Decode a pool's logs into facts. V3 emits the pool's view, so that amounts keep their sign."""

from pipeline.messages.base import RawLog
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.log_words import Shape, address, sint, uint
from pipeline.venues.plain_words import decode_log
from pipeline.venues.uniswap_v3 import topics
from pipeline.venues.uniswap_v3.forms.facts import (
    Burned,
    CardinalityGrown,
    Collected,
    Flashed,
    Initialized,
    Minted,
    PoolFact,
    ProtocolFeesCollected,
    ProtocolFeeSet,
    Swapped,
)
from pipeline.venues.uniswap_v3.plain_logs import POOL_SHAPES


def decode_pool_log(log: RawLog) -> PoolFact | None:
    """Decode a log of a pool; None for an event that is none of a pool's.

    Raises: MalformedLogError.
    """
    fact: PoolFact | None = decode_log(log, POOL_SHAPES, _SHAPES)
    return fact


def _initialize(log: RawLog, words: list[int]) -> Initialized:
    return Initialized(
        address=log.address,
        log_index=log.log_index,
        sqrt_price_x96=SqrtPriceX96(uint(words[0], 160)),
        tick=Tick(sint(words[1], 24)),
    )


def _swap(log: RawLog, words: list[int]) -> Swapped:
    return Swapped(
        address=log.address,
        log_index=log.log_index,
        sender=address(words[0]),
        recipient=address(words[1]),
        amount0_delta=RawAmount(sint(words[2], 256)),
        amount1_delta=RawAmount(sint(words[3], 256)),
        sqrt_price_x96=SqrtPriceX96(uint(words[4], 160)),
        liquidity=Liquidity(uint(words[5], 128)),
        tick=Tick(sint(words[6], 24)),
    )


def _mint(log: RawLog, words: list[int]) -> Minted:
    address(words[3])  # the payer, who is of no use here
    return Minted(
        address=log.address,
        log_index=log.log_index,
        owner=address(words[0]),
        tick_lower=Tick(sint(words[1], 24)),
        tick_upper=Tick(sint(words[2], 24)),
        liquidity=Liquidity(uint(words[4], 128)),
        amount0=RawAmount(words[5]),
        amount1=RawAmount(words[6]),
    )


def _burn(log: RawLog, words: list[int]) -> Burned:
    return Burned(
        address=log.address,
        log_index=log.log_index,
        owner=address(words[0]),
        tick_lower=Tick(sint(words[1], 24)),
        tick_upper=Tick(sint(words[2], 24)),
        liquidity=Liquidity(uint(words[3], 128)),
        amount0=RawAmount(words[4]),
        amount1=RawAmount(words[5]),
    )


def _collect(log: RawLog, words: list[int]) -> Collected:
    return Collected(
        address=log.address,
        log_index=log.log_index,
        owner=address(words[0]),
        tick_lower=Tick(sint(words[1], 24)),
        tick_upper=Tick(sint(words[2], 24)),
        recipient=address(words[3]),
        amount0=RawAmount(uint(words[4], 128)),
        amount1=RawAmount(uint(words[5], 128)),
    )


def _flash(log: RawLog, words: list[int]) -> Flashed:
    return Flashed(
        address=log.address,
        log_index=log.log_index,
        amount0=RawAmount(words[2]),
        amount1=RawAmount(words[3]),
        paid0=RawAmount(words[4]),
        paid1=RawAmount(words[5]),
    )


def _set_fee_protocol(log: RawLog, words: list[int]) -> ProtocolFeeSet:
    return ProtocolFeeSet(
        address=log.address,
        log_index=log.log_index,
        fee_protocol0=uint(words[2], 4),  # the pool packs both into one byte
        fee_protocol1=uint(words[3], 4),
    )


def _collect_protocol(log: RawLog, words: list[int]) -> ProtocolFeesCollected:
    return ProtocolFeesCollected(
        address=log.address,
        log_index=log.log_index,
        amount0=RawAmount(uint(words[2], 128)),
        amount1=RawAmount(uint(words[3], 128)),
    )


def _cardinality(log: RawLog, words: list[int]) -> CardinalityGrown:
    return CardinalityGrown(
        address=log.address, log_index=log.log_index, observation_cardinality_next=uint(words[1], 16)
    )


_SHAPES = {
    topics.INITIALIZE_TOPIC: Shape("Initialize", 1, 2, _initialize),
    topics.SWAP_TOPIC: Shape("Swap", 3, 5, _swap),
    topics.MINT_TOPIC: Shape("Mint", 4, 4, _mint),
    topics.BURN_TOPIC: Shape("Burn", 4, 3, _burn),
    topics.COLLECT_TOPIC: Shape("Collect", 4, 3, _collect),
    topics.FLASH_TOPIC: Shape("Flash", 3, 4, _flash),
    topics.SET_FEE_PROTOCOL_TOPIC: Shape("SetFeeProtocol", 1, 4, _set_fee_protocol),
    topics.COLLECT_PROTOCOL_TOPIC: Shape("CollectProtocol", 3, 2, _collect_protocol),
    topics.CARDINALITY_TOPIC: Shape("IncreaseObservationCardinalityNext", 1, 2, _cardinality),
}
