"""Read price feeds at one block."""

from collections.abc import Sequence

import msgspec

from pipeline.errors import UnreadableError
from pipeline.messages.read_values import FeedRead, UptimeRead
from pipeline.units import Address, Seconds
from pipeline.venues.abi import declared
from streams.node.contract_calls import Ask, ContractReader, Method, method

_ROUND = Method(
    **msgspec.structs.asdict(
        declared("latestRoundData()", "uint80", "int256", "uint256", "uint256", "uint80")
    )
)
_DECIMALS = method("tokens/ERC20", "decimals")
_DESCRIPTION = declared("description()", "string")


async def read_feeds(reader: ContractReader, feeds: Sequence[Address]) -> list[FeedRead | UnreadableError]:
    """Read the last round and the decimals of each feed. Raises: NodeError."""
    told = await reader.ask([Ask(feed, asked) for feed in feeds for asked in (_ROUND, _DECIMALS)])
    found: list[FeedRead | UnreadableError] = []
    for feed, last, unit in zip(feeds, told[::2], told[1::2], strict=True):
        if isinstance(last, UnreadableError):
            found.append(last)
        elif isinstance(unit, UnreadableError):
            found.append(unit)
        else:
            round_id, answer, _, updated_at_s, _ = last
            found.append(
                FeedRead(
                    feed=feed,
                    round_id=round_id,
                    answer=answer,
                    updated_at_s=Seconds(updated_at_s),
                    decimals=unit[0],
                )
            )
    return found


async def read_uptime(reader: ContractReader, feeds: Sequence[Address]) -> list[UptimeRead | UnreadableError]:
    """Read from each uptime feed whether the sequencer is up, and since when. Raises: NodeError."""
    told = await reader.ask([Ask(feed, _ROUND) for feed in feeds])
    return [
        last
        if isinstance(last, UnreadableError)
        else UptimeRead(feed=feed, round_id=last[0], answer=last[1], started_at_s=Seconds(last[2]))
        for feed, last in zip(feeds, told, strict=True)
    ]


async def read_descriptions(reader: ContractReader, feeds: Sequence[Address]) -> list[str]:
    """Read the descriptions of feeds; empty where one does not answer. Raises: NodeError."""
    told = await reader.ask([Ask(feed, _DESCRIPTION) for feed in feeds])
    return ["" if isinstance(each, UnreadableError) else str(each[0]) for each in told]
