"""A branch goes away: the tables are back already, the working copies follow."""

from pipeline import keys
from pipeline.messages.base import Output
from pipeline.messages.events import BlocksReverted
from pipeline.messages.views import Rewound
from pipeline.moment import Moment
from pipeline.shard import Shard

_OF_LIVE_POOLS = keys.families(keys.pool, keys.tick, keys.observation, keys.pool_position)


def rewind(shard: Shard, event: BlocksReverted, rewound: frozenset[str], now: Moment) -> tuple[Output, ...]:
    """Tell every output partition where the branch ended; the views are told behind it."""
    shard.drop_live({keys.pool_of(key) for key in rewound if keys.family(key) in _OF_LIVE_POOLS})
    return (Rewound(**now.stamp("rewound", event.to.hash), to=event.to),)
