"""Apply a reorg to the venues' working copies once the tables have been rewound."""

from pipeline.messages.base import Output
from pipeline.messages.events import BlocksReverted
from pipeline.messages.views import Rewound
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.venues.registry import item_of_entry


def rewind(
    shard: Shard, event: BlocksReverted, rewound: frozenset[str], now: Provenance
) -> tuple[Output, ...]:
    """Publish to every output partition where the old branch ended; views follow."""
    items = {item_of_entry(shard.tables, key) for key in rewound}
    shard.drop_working_copies(item for item in items if item is not None)
    shard.rests.end_all()
    return (Rewound(**now.stamp("rewound", event.to.hash), to=event.to),)
