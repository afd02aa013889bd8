"""Compare a shard's state of an item with the chain's answer."""

from collections.abc import Iterator

import msgspec


def field_differences(what: str, ours: msgspec.Struct, theirs: msgspec.Struct) -> Iterator[str]:
    """List the fields in which two values of one type differ, each as `name: ours, theirs`."""
    for field in ours.__struct_fields__:
        mine, chain = getattr(ours, field), getattr(theirs, field)
        if mine != chain:
            yield f"{what}{field}: {mine}, {chain}"
