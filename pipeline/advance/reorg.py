"""A branch goes away: the tables are back already, the working copies and the views follow."""

from collections.abc import Iterator

from pipeline.advance.books import stock_of, why_unknown
from pipeline.advance.positions import show_now
from pipeline.book import own_positions
from pipeline.messages.base import Output
from pipeline.messages.events import BlocksReverted
from pipeline.messages.policy import Policy
from pipeline.messages.views import Rewound
from pipeline.moment import Moment
from pipeline.shard import Shard
from pipeline.show import remove_book, remove_position, show_book, show_pools
from pipeline.state import family
from pipeline.units import Address
from pipeline.wants import policies

POOL_FAMILIES = frozenset({"pool", "tick", "observation", "pool-position"})


def rewind(shard: Shard, event: BlocksReverted, rewound: frozenset[str], now: Moment) -> tuple[Output, ...]:
    """Tell every output partition where the branch ended, then the present value of what it had changed."""
    pools = {Address(key.split("/")[1]) for key in rewound if family(key) in POOL_FAMILIES}
    shard.drop_live(pools)
    return (
        Rewound(**now.stamp("rewound", event.to.hash), to=event.to),
        *show_pools(shard, pools, now),
        *_positions_again(shard, rewound, pools, now),
        *(output for policy in policies(shard.tables) for output in _book_again(shard, policy, now)),
    )


def _positions_again(
    shard: Shard, rewound: frozenset[str], pools: set[Address], now: Moment
) -> Iterator[Output]:
    shown: set[str] = set()
    for policy in policies(shard.tables):
        for key, position in own_positions(shard, policy):
            if key in rewound or position.pool in pools:
                shown.add(key)
                yield from show_now(shard, policy, key, position, now)
    for key in sorted(key for key in rewound - shown if family(key) == "position"):
        yield remove_position(key, now)


def _book_again(shard: Shard, policy: Policy, now: Moment) -> Iterator[Output]:
    if why_unknown(shard, policy) is not None:
        yield remove_book(policy.book, now)
        return
    try:
        yield show_book(policy, stock_of(shard, policy), now)
    except Exception:  # noqa: BLE001 - the book tells why at its next block; the others go on
        yield remove_book(policy.book, now)
