"""The position manager's logs as facts."""

from typing import cast

from pipeline.messages.base import RawLog
from pipeline.messages.facts import LiquidityDecreased, LiquidityIncreased, ManagerFact, NftCollected
from pipeline.units import Liquidity, RawAmount, TokenId
from pipeline.venues.log_words import Shape, address, decode, shape_of, uint
from pipeline.venues.uniswap_v3 import topics
from pipeline.venues.wallet.token_logs import NFT_TRANSFER_SHAPE, TRANSFER_TOPIC

MANAGER_TOPICS = frozenset(
    {
        TRANSFER_TOPIC,
        topics.INCREASE_LIQUIDITY_TOPIC,
        topics.DECREASE_LIQUIDITY_TOPIC,
        topics.NFT_COLLECT_TOPIC,
    }
)


def decode_manager_log(log: RawLog) -> ManagerFact | None:
    """Read a log that a position manager emitted; None where its topic says nothing of a position.

    Raises: MalformedLogError.
    """
    shape = shape_of(log, _SHAPES)
    return None if shape is None else cast("ManagerFact", decode(log, shape))


def _increase(log: RawLog, words: list[int]) -> LiquidityIncreased:
    return LiquidityIncreased(
        address=log.address,
        log_index=log.log_index,
        token_id=TokenId(words[0]),
        liquidity=Liquidity(uint(words[1], 128)),
        amount0=RawAmount(words[2]),
        amount1=RawAmount(words[3]),
    )


def _decrease(log: RawLog, words: list[int]) -> LiquidityDecreased:
    return LiquidityDecreased(
        address=log.address,
        log_index=log.log_index,
        token_id=TokenId(words[0]),
        liquidity=Liquidity(uint(words[1], 128)),
        amount0=RawAmount(words[2]),
        amount1=RawAmount(words[3]),
    )


def _collect(log: RawLog, words: list[int]) -> NftCollected:
    return NftCollected(
        address=log.address,
        log_index=log.log_index,
        token_id=TokenId(words[0]),
        recipient=address(words[1]),
        amount0=RawAmount(words[2]),
        amount1=RawAmount(words[3]),
    )


_SHAPES = {
    TRANSFER_TOPIC: NFT_TRANSFER_SHAPE,
    topics.INCREASE_LIQUIDITY_TOPIC: Shape("IncreaseLiquidity", 2, 3, _increase),
    topics.DECREASE_LIQUIDITY_TOPIC: Shape("DecreaseLiquidity", 2, 3, _decrease),
    topics.NFT_COLLECT_TOPIC: Shape("Collect of an NFT", 2, 3, _collect),
}
