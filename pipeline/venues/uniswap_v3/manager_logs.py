"""Decode the position manager's logs into facts."""

from pipeline.messages.base import RawLog
from pipeline.units import Liquidity, RawAmount, TokenId
from pipeline.venues.log_words import Shape, address, uint
from pipeline.venues.plain_words import decode_log
from pipeline.venues.uniswap_v3 import topics
from pipeline.venues.uniswap_v3.forms.facts import (
    LiquidityDecreased,
    LiquidityIncreased,
    ManagerFact,
    NftCollected,
    NftTransferred,
)
from pipeline.venues.uniswap_v3.plain_logs import MANAGER_SHAPES
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC

MANAGER_TOPICS = frozenset(
    {
        TRANSFER_TOPIC,
        topics.INCREASE_LIQUIDITY_TOPIC,
        topics.DECREASE_LIQUIDITY_TOPIC,
        topics.NFT_COLLECT_TOPIC,
    }
)


def decode_manager_log(log: RawLog) -> ManagerFact | None:
    """Decode a log of a position manager; None where its event is not about a position.

    Raises: MalformedLogError.
    """
    fact: ManagerFact | None = decode_log(log, MANAGER_SHAPES, _SHAPES)
    return fact


def decode_nft_transfer(log: RawLog) -> NftTransferred | None:
    """Decode a transfer of an NFT contract; None for another event. Raises: MalformedLogError."""
    fact: NftTransferred | None = decode_log(log, _PLAIN_TRANSFERS, _TRANSFERS)
    return fact


def token_id_of(log: RawLog) -> TokenId | None:
    """Return the NFT that a manager's log is about: last topic of a transfer, first of its other events."""
    place = 3 if log.topics and log.topics[0] == TRANSFER_TOPIC else 1
    try:
        return TokenId(int(log.topics[place], 16))
    except (IndexError, ValueError):
        return None


def _transfer(log: RawLog, words: list[int]) -> NftTransferred:
    return NftTransferred(
        address=log.address,
        log_index=log.log_index,
        sender=address(words[0]),
        recipient=address(words[1]),
        token_id=TokenId(words[2]),
    )


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


_PLAIN_TRANSFERS = {TRANSFER_TOPIC: MANAGER_SHAPES[TRANSFER_TOPIC]}
_TRANSFERS = {TRANSFER_TOPIC: Shape("Transfer of an NFT", 4, 0, _transfer)}
_SHAPES = {
    **_TRANSFERS,
    topics.INCREASE_LIQUIDITY_TOPIC: Shape("IncreaseLiquidity", 2, 3, _increase),
    topics.DECREASE_LIQUIDITY_TOPIC: Shape("DecreaseLiquidity", 2, 3, _decrease),
    topics.NFT_COLLECT_TOPIC: Shape("Collect of an NFT", 2, 3, _collect),
}
