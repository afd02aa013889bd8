"""The registry of how kinds of venues are shown, the only module here that names theirs. Others are shown plainly."""

from collections.abc import Iterator, Mapping

from pipeline import keys
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.venues.registry import KINDS
from streams.cli.venues.plain import PlainVenue
from streams.cli.venues.port import InUnits, ShownVenue
from streams.cli.venues.uniswap_v3.position_words import UniswapV3Shown

SHOWN: dict[str, ShownVenue] = {UNISWAP_V3: UniswapV3Shown(UNISWAP_V3)}


def shown_as(kind: str) -> ShownVenue:
    """Find how venues of a kind are shown."""
    return SHOWN.get(kind) or PlainVenue(kind)


def shown_of_item(item: str) -> ShownVenue:
    """Find how an item is shown: by the kind that has such items."""
    family = keys.family(item)
    kinds = (name for name, kind in KINDS.items() if family in kind.items)
    return shown_as(next(kinds, family))


def event_names() -> Mapping[str, str]:
    """Collect the names of the venues' events, by topic."""
    return {topic: name for shown in SHOWN.values() for topic, name in shown.event_names.items()}


def refusal_numbers() -> Iterator[tuple[str, InUnits]]:
    """List the patterns of what venues say in refusals, with how their numbers are shown."""
    for shown in SHOWN.values():
        yield from shown.refusal_numbers().items()
