"""Read what was put into NFTs and taken out since their mint, from the position manager's logs."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from pipeline.errors import BrokenAnswerError
from pipeline.units import Address, BlockNumber, RawAmount, Seconds, TokenId
from pipeline.venues.abi import event_topic
from pipeline.venues.log_words import WORD_BYTES
from streams.node.answers import LogAnswer, quantity, raw_bytes
from streams.node.http_node import HttpNode
from streams.node.port import Header

_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_EVENTS = {
    event_topic(_MANAGER, name): name for name in ("IncreaseLiquidity", "DecreaseLiquidity", "Collect")
}


class NftChange(NamedTuple):
    """One deposit, withdrawal or collection of an NFT. Units: raw, of token0 and token1."""

    time_s: Seconds
    what: str
    """`IncreaseLiquidity`, `DecreaseLiquidity` or `Collect`: what was withdrawn is paid by a `Collect`, with fees."""
    amounts: tuple[RawAmount, RawAmount]


async def read_histories(
    node: HttpNode, manager: Address, token_ids: Sequence[TokenId], head: Header
) -> dict[TokenId, list[NftChange]]:
    """Read all changes of NFTs up to a block, in order. Raises: NodeError where the node has no logs so far back."""
    topics = [list(_EVENTS), [f"0x{token_id:064x}" for token_id in token_ids]]
    logs = await node.logs(manager, topics, until=head.block)
    placed = {(BlockNumber(quantity(log.block_number)), quantity(log.log_index)): log for log in logs}
    if len(placed) < len(logs):
        raise BrokenAnswerError("eth_getLogs: the node answers a log twice")
    asked = set(token_ids)
    times = await _times(node, {number for number, _ in placed})
    found: dict[TokenId, list[NftChange]] = {}
    for number, index in sorted(placed):
        token_id, change = _change(placed[number, index], manager, times[number])
        if token_id not in asked:
            raise BrokenAnswerError(
                f"eth_getLogs: the node answers a log of NFT {token_id}, which was not asked for"
            )
        found.setdefault(token_id, []).append(change)
    return found


def _change(log: LogAnswer, manager: Address, time_s: Seconds) -> tuple[TokenId, NftChange]:
    """Decode a log: in all three events the second topic is the NFT, and the last two of three words are amounts."""
    event = _EVENTS.get(log.topics[0].lower()) if len(log.topics) == 2 else None
    data = raw_bytes(log.data, "eth_getLogs")
    if event is None or log.address.lower() != manager or len(data) != 3 * WORD_BYTES:
        raise BrokenAnswerError(
            f"eth_getLogs: asked for changes of NFTs, the node answers another log of {log.address[:80]!r}"
        )
    amount0, amount1 = (
        RawAmount(int.from_bytes(data[at : at + WORD_BYTES], "big")) for at in (WORD_BYTES, 2 * WORD_BYTES)
    )
    return TokenId(quantity(log.topics[1])), NftChange(time_s, event, (amount0, amount1))


async def _times(node: HttpNode, numbers: Collection[BlockNumber]) -> dict[BlockNumber, Seconds]:
    ordered = sorted(numbers)
    headers = await node.headers(ordered)
    if None in headers:
        raise BrokenAnswerError("the node does not know a block of which it has given logs")
    return {
        number: header.block.timestamp_s for number, header in zip(ordered, headers, strict=True) if header
    }
