"""Default answers to parts of the port, for the kinds of venue to which they apply."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pipeline import keys
from pipeline.book.exposures import Spot
from pipeline.book.span import PoolSpan
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import CallRead
from pipeline.messages.views import PoolTerms
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import BookId, PoolId
from pipeline.venues.block_call import BlockCall
from pipeline.venues.due_read import DueRead


class KeepsItsItems:
    """The part of a venue whose items stay with the books that name them, whoever sends tokens to an owner."""

    def books_of(self, tables: Tables, key: str) -> Iterable[BookId] | None:
        """Return None: an entry concerns the books that name its item."""
        del tables, key
        return None

    def unfollowed(self, tables: Tables) -> set[str]:
        """Return nothing: an item is forgotten with the policy that named it."""
        del tables
        return set()

    def set_apart(self, tables: Tables, policy: Policy) -> list[str]:
        """Return nothing: what a policy names is its owner's, whoever sent it."""
        del tables, policy
        return []


class NamedItemsOnly(KeepsItsItems, ABC):
    """Follows the items that policies name: no log and no read brings any other."""

    @abstractmethod
    def named_items(self, policy: Policy) -> Iterator[str]:
        """List the items that a policy names."""

    def due_reads(self, tables: Tables, policy: Policy) -> Iterator[DueRead]:
        """Return nothing: only named items are read."""
        del tables, policy
        yield from ()

    def is_due(self, tables: Tables, item: str) -> bool:
        """Return False: only named items are read."""
        del tables, item
        return False

    def checked_items(self, tables: Tables, policy: Policy) -> Iterator[str]:
        """List the named items: all are compared periodically."""
        del tables
        yield from self.named_items(policy)

    def follow_logs(self, tables: Tables, event: BlockSeen) -> None:
        """Do nothing: no log brings an item that a policy does not name."""
        del tables, event

    def follow_read(self, tables: Tables, event: Observed, route: Route) -> Route:
        """Return the route as it is: a read reveals no further items."""
        del tables, event
        return route

    def unsolicited(self, shard: Shard, event: BlockSeen, now: Provenance) -> Iterator[Output]:
        """Return nothing, likewise."""
        del shard, event, now
        yield from ()

    def stopping_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List the named items: without any of them a book is not decided on."""
        del shard
        yield from self.named_items(policy)


class NothingPerBlock:
    """The part of a venue that asks nothing after a block and stores nothing of its time: logs and reads suffice."""

    def block_calls(self, tables: Tables) -> Sequence[BlockCall]:
        """List nothing."""
        del tables
        return ()

    def write_answers(self, tables: Tables, block: BlockRef, answers: Sequence[CallRead]) -> None:
        """Do nothing: nothing is asked."""
        del tables, block, answers

    def writes_time(self, tables: Tables) -> bool:
        """Return False: only what logs and reads change is written."""
        del tables
        return False


class NoPools:
    """The part of a venue without trading pools, and so without prices and bounds."""

    def pool_item(self, pool: PoolId) -> str:
        """Return the item of a pool, which no such venue has."""
        return keys.pool(pool)

    def has_pool(self, tables: Tables, pool: PoolId) -> bool:
        """Return False: there are no pools."""
        del tables, pool
        return False

    def spans(self, shard: Shard, policy: Policy, halvings: int) -> Mapping[PoolId, PoolSpan]:
        """Return no bounds."""
        del shard, policy, halvings
        return {}

    def measures(self, tables: Tables, written: AbstractSet[str]) -> Mapping[str, int]:
        """Return nothing, likewise."""
        del tables, written
        return {}

    def spot(self, shard: Shard, pool: PoolId) -> Spot | None:
        """Return None: there is no price."""
        del shard, pool
        return None

    def pool_terms(self, tables: Tables, pool: PoolId) -> PoolTerms | None:
        """Return None: there is no pool."""
        del tables, pool
        return None
