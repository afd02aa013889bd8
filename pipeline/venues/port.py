"""The port to a kind of venue, so that no step knows which kinds exist.

An *item* is what a venue keeps and what can fail alone: a pool, a position, a balance. Its name is `kind/...`, and the entries
that tell of it are listed by the venue. A venue is bound to one chain profile and has no state of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

import msgspec

from pipeline.book.exposures import HeldItem, Spot
from pipeline.book.span import PoolSpan
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import BlockRef, Entry, Output, RawLog, View
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.facts import Fact
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import CallRead
from pipeline.messages.views import PoolTerms
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, BookId, Hash, PoolId
from pipeline.venues.acting import VenueActions
from pipeline.venues.block_call import BlockCall
from pipeline.venues.due_read import DueRead
from pipeline.venues.log_interest import LogInterest


class Items(Protocol):
    """The items that fail within one block, and those in quarantine since an earlier one."""

    def is_closed(self, item: str) -> bool:
        """Return whether an item must not be updated."""

    def failed(self, item: str) -> bool:
        """Return whether an item fails within this block."""

    def fail(self, item: str, reason: str) -> None:
        """Put an item in quarantine; the first reason within a block holds."""

    def take_failed(self, kind: str) -> Iterator[tuple[str, str]]:
        """Remove the failures of one kind and return them, for a venue that fails other items in their place."""


Decoder = Callable[[RawLog], Fact | None]
"""Decodes a log; None where it is about nothing that is followed. Raises: MalformedLogError."""


class VenueBlock(Protocol):
    """One venue within one block: its logs change working copies, and what has not failed is written at the end."""

    swaps: list[tuple[RawLog, Fact]]
    """The trades in followed pools, in log order."""

    def decoder(self, emitter: Address) -> Decoder | None:
        """Return what decodes a contract's logs, asked once per contract; None where the contract is none of this venue's."""

    def item_of(self, log: RawLog) -> str:
        """Name the item that fails where a log cannot be applied."""

    def apply(self, log: RawLog, fact: Fact) -> None:
        """Apply one fact to working copies. Raises: PipelineError."""

    def spread_failures(self) -> None:
        """Fail what depends on a failed item; called once where any has failed, before anything is written."""

    def write(self, event: BlockSeen) -> None:
        """Write every item that has not failed, and what the block's reads say."""


class Departed(msgspec.Struct, frozen=True, kw_only=True):
    """The new owner of an item that left a book within a block."""

    to: Address | None
    """The new owner; None: the item was burned, or its owner is unknown to the shard."""
    transaction_hash: Hash | None
    """The transaction that moved it."""


class VenueViews(Protocol):
    """Builds a shard's outputs about a venue: pools, trades in them, and the books' items."""

    def published_pools(self, shard: Shard) -> Mapping[str, Entry | None]:
        """Collect the pools that this shard publishes, by item, with what is published of each; None before it was read."""

    def show_swaps(
        self, shard: Shard, swaps: Sequence[tuple[RawLog, Fact]], now: Provenance
    ) -> Iterable[Output]:
        """Return the block's trades in published pools."""

    def shown_items(self, shard: Shard, policy: Policy) -> Sequence[HeldItem]:
        """Value the items of a book that are published: those of `held_items` that are not empty.

        Those that cannot be measured are left out.
        """

    def touched_items(self, shard: Shard, policy: Policy) -> Mapping[str, HeldItem | None]:
        """Value, of `shown_items`, at least those that have changed since the last call; None: no longer shown.

        At first it is all of them.
        """

    def show_pool(self, item: str, state: Entry, now: Provenance) -> View:
        """Return a pool's present state."""

    def show_item(self, policy: Policy, held: HeldItem, now: Provenance) -> View:
        """Return one item of a book."""

    def face(self, held: HeldItem) -> tuple[object, ...]:
        """List the fields of an item whose change is published at once; the rest follows from the views of pools."""

    def may_depart(self, event: BlockSeen) -> bool:
        """Return whether items may leave a book in a block."""

    def departed(self, shard: Shard, event: BlockSeen, policy: Policy, held: HeldItem) -> Departed | None:
        """Find where an item went that a book had before a block; None where the book still has it."""

    def pool_removed(self, item: str, now: Provenance) -> Output:
        """Report that a pool's state is not known any more."""

    def item_removed(self, item: str, now: Provenance) -> Output:
        """Report that a book no longer has an item, or nothing in it."""


class Venue(Protocol):
    """One venue of a chain: an AMM deployment, or the wallets."""

    name: str
    """The venue's name in the chain's profile."""
    actions: VenueActions | None
    """The actions at the venue; None where no book acts there."""
    hedge: HedgeVenue | None
    """The venue's half of hedges; None where no book is hedged there."""

    @property
    def views(self) -> VenueViews | None:
        """Builds the venue's views; None where only sums of books are published."""

    # ---------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        """List the items that a policy names."""

    def due_reads(self, tables: Tables, policy: Policy) -> Iterator[DueRead]:
        """List reads that are due beside those of the named items.

        They follow from policies, routes and the words of operators (see `due_reads`), and from no other entry.
        """

    def is_due(self, tables: Tables, item: str) -> bool:
        """Return whether an item is among the due reads of any book, without collecting them all."""

    def checked_items(self, tables: Tables, policy: Policy) -> Iterator[str]:
        """List the items of a book that are compared with the chain periodically."""

    def follow_logs(self, tables: Tables, event: BlockSeen) -> None:
        """Record how a block's logs change the routes: items that come, go or change hands."""

    def follow_read(self, tables: Tables, event: Observed, route: Route) -> Route:
        """Record the routes of further items that a read reveals, and return the route of its own item as read."""

    def item_of_entry(self, key: str) -> str | None:
        """Name the item that an entry belongs to; None where it belongs to no item of this venue."""

    def books_of(self, tables: Tables, key: str) -> Iterable[BookId] | None:
        """Name the books that a write to an entry of an item, or to its route, may concern, by its old and new values.

        None: the books that name the item, or where none does, any.
        """

    def unfollowed(self, tables: Tables) -> set[str]:
        """List keys of entries that no policy needs any more."""

    def set_apart(self, tables: Tables, policy: Policy) -> list[str]:
        """List items that a book's owner has and the book leaves out, because somebody else sent them."""

    def unsolicited(self, shard: Shard, event: BlockSeen, now: Provenance) -> Iterator[Output]:
        """Return each item that somebody else sent to a book's owner with this block."""

    # ---------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> LogInterest:
        """Collect what the shard's books follow now."""

    def block_calls(self, tables: Tables) -> Sequence[BlockCall]:
        """List the calls to contracts after every block, for values that no log tells."""

    def write_answers(self, tables: Tables, block: BlockRef, answers: Sequence[CallRead]) -> None:
        """Store the answers to a block's calls outside of a followed block, where `VenueBlock.write` stores them."""

    def writes_time(self, tables: Tables) -> bool:
        """Return whether every block is written, for its time or number, even one without logs whose reads are unchanged."""

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> VenueBlock:
        """Start a block's working copies."""

    def reads(self) -> tuple[type[Observed], ...]:
        """List the messages that carry reads of this venue's items."""

    def write_read(self, shard: Shard, event: Observed) -> None:
        """Write a read as the truth about its item."""

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        """List where a read differs from the shard's state, each as `name: ours, the chain's`."""

    def pool_item(self, pool: PoolId) -> str:
        """Return the item of a pool of this venue."""

    def has_pool(self, tables: Tables, pool: PoolId) -> bool:
        """Return whether a pool of this venue was read."""

    # ---------------------------------------------------------------- what a book has, and at which price
    def stopping_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List the items whose quarantine keeps a book from being decided on."""

    def unreported_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List the items of a book that each block should report, and the last one did not."""

    def watched(self, policy: Policy) -> Iterator[str]:
        """List the keys, or groups of `Tables.group`, that the values of a book's items depend on."""

    def spans(self, shard: Shard, policy: Policy, halvings: int) -> Mapping[PoolId, PoolSpan]:
        """Bound those of a book's pools that may move without the book being judged; of the others each write counts.

        The more halvings, the narrower. Raises: ImpossibleFactError where something is not followed.
        """

    def measures(self, tables: Tables, written: AbstractSet[str]) -> Mapping[str, int]:
        """Return the present measures, which spans bound, of the pools among these keys."""

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[HeldItem]:
        """Value what a book has at this venue; the same object as before where nothing has changed.

        Raises: ImpossibleFactError where something is not followed.
        """

    def spot(self, shard: Shard, pool: PoolId) -> Spot | None:
        """Return the present price in a pool; None where this venue does not follow the pool, or it was never given a price."""

    def pool_terms(self, tables: Tables, pool: PoolId) -> PoolTerms | None:
        """Return the constant fields of a pool; None where it was not read at this venue."""


class VenueForms(NamedTuple):
    """The types that a kind of venue brings to the topics, beside those of every deployment."""

    reads: tuple[type[Observed], ...] = ()
    """The reads on `events.v1`."""
    outputs: tuple[type[Output], ...] = ()
    """The views and the trades."""
    entries: Mapping[str, type[Entry]] = {}
    """The entries by the family of their keys; all are rewound by a reorg."""


class VenueKind(NamedTuple):
    """A kind of venue: what is the same for all of its deployments."""

    make: Callable[[ChainProfile, VenueSpec], Venue]
    """Makes a venue for a chain's profile."""
    contracts: tuple[str, ...]
    """The roles of the contracts that a specification must name."""
    items: tuple[str, ...]
    """The kinds of its items, in the order in which they must be read."""
    held: tuple[str, ...]
    """The kinds of items that can be in quarantine and resumed."""
    routing: tuple[str, ...] = ()
    """The families of entries, beside routes, that determine which logs concern a shard; a watcher loads them when it starts."""
    actions: VenueActions | None = None
    """The actions at such venues; None where no book acts there."""
    to_act: Mapping[str, str] = {}
    """The roles of further contracts that only acting books need, and their purpose."""
    forms: VenueForms = VenueForms()
