"""Read what a shard asks for at one block's hash, as events."""

from collections.abc import AsyncIterator, Sequence

from pipeline import keys
from pipeline.messages.events import ObservationFailed, Observed
from pipeline.units import Address
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.port import Node
from streams.node.venues.port import ReadContext
from streams.node.venues.registry import read_of

_READ_AT_ONCE = 300
"""Items of one kind in one go."""


async def observe(
    node: Node, place: ReadContext, wants: Sequence[DueRead], *, multicall: Address = MULTICALL3
) -> AsyncIterator[Observed | ObservationFailed]:
    """Read what is wanted after all logs of a block, in order; what cannot be read carries its reason.

    Raises: NodeError, UnreadableError where no venue has such an item.
    """
    reader = ContractReader(node, multicall=multicall, at=place.block.hash)
    for kind, group in _by_kind(wants):
        read = read_of(kind)
        for at in range(0, len(group), _READ_AT_ONCE):
            part = group[at : at + _READ_AT_ONCE]
            async for each in read(reader, place, part):
                yield each


def _by_kind(wants: Sequence[DueRead]) -> list[tuple[str, list[DueRead]]]:
    kinds: dict[str, list[DueRead]] = {}
    for want in wants:
        kinds.setdefault(keys.family(want.item), []).append(want)
    return list(kinds.items())
