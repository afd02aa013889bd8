"""A branch goes away: the tables are back already, the working copies follow."""

from pipeline.messages.base import Output
from pipeline.messages.events import BlocksReverted
from pipeline.messages.views import Rewound
from pipeline.moment import Moment
from pipeline.shard import Shard
from pipeline.state import family
from pipeline.units import Address

POOL_FAMILIES = frozenset({"pool", "tick", "observation", "pool-position"})


def rewind(shard: Shard, event: BlocksReverted, rewound: frozenset[str], now: Moment) -> tuple[Output, ...]:
    """Tell every output partition where the branch ended; the views are told behind it."""
    shard.drop_live({Address(key.split("/")[1]) for key in rewound if family(key) in POOL_FAMILIES})
    return (Rewound(**now.stamp("rewound", event.to.hash), to=event.to),)
