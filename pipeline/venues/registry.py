"""The registry of the kinds of venues, the only module that names their packages. A further kind is a line in `KINDS`."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import Entry
from pipeline.messages.chain_profile import UNISWAP_V3, ChainProfile, VenueContract, VenueSpec
from pipeline.messages.events import Observed
from pipeline.messages.goals import GoalKind
from pipeline.messages.policy import Policy
from pipeline.messages.views import PoolTerms
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, PoolId
from pipeline.venues.aave_v3.venue import KIND as AAVE_V3
from pipeline.venues.acting import VenueActions
from pipeline.venues.block_call import BlockCall
from pipeline.venues.hedging.actions import HedgeActions
from pipeline.venues.hedging.joint_actions import JointActions
from pipeline.venues.port import Venue, VenueForms, VenueKind, VenueViews
from pipeline.venues.uniswap_v3.venue import KIND as UNISWAP_V3_KIND
from pipeline.venues.wallet.venue import KIND as WALLETS

T = TypeVar("T")

KINDS: dict[str, VenueKind] = {UNISWAP_V3: UNISWAP_V3_KIND, "aave_v3": AAVE_V3}
"""What a chain's profile may name. The wallets are not a deployment: each chain has them, last."""

_EVERY_WALLET = VenueSpec(name="wallet", kind="wallet", contracts=())


class OfKinds(Generic[T]):
    """A value that follows from the registered kinds; computed again only after one was added."""

    def __init__(self, make: Callable[[Sequence[VenueKind]], T]) -> None:
        """Prepare; the first call computes it."""
        self._make = make
        self._known: tuple[VenueKind, ...] | None = None

    def __call__(self) -> T:
        """Return what follows from the present kinds."""
        known = tuple(KINDS.values())
        if known != self._known:
            self._known, self._made = known, self._make(known)
        return self._made


item_kinds = OfKinds(lambda known: tuple(dict.fromkeys(i for kind in (*known, WALLETS) for i in kind.items)))
"""Kinds of all items, in the order in which they must be read."""
held_kinds = OfKinds(lambda known: tuple(dict.fromkeys(i for kind in (*known, WALLETS) for i in kind.held)))
"""Kinds of items that can be in quarantine and resumed."""
routing_kinds = OfKinds(lambda known: frozenset(i for kind in (*known, WALLETS) for i in kind.routing))
"""Families of entries that the watcher takes over, beside those that no venue brings."""
all_actions = OfKinds(lambda known: tuple(kind.actions for kind in known if kind.actions is not None))
"""How books act, at each kind of venue at which they do."""


def _together(known: Sequence[VenueKind]) -> VenueForms:
    brought = [kind.forms for kind in (*known, WALLETS)]
    entries: dict[str, type[Entry]] = {}
    for each in brought:
        entries |= each.entries
    return VenueForms(
        reads=tuple(read for each in brought for read in each.reads),
        outputs=tuple(output for each in brought for output in each.outputs),
        entries=entries,
    )


all_forms = OfKinds(_together)
"""The types that all kinds of venues bring to the topics, the wallets' too."""


@lru_cache(maxsize=16)
def venues_of(chain: ChainProfile) -> tuple[Venue, ...]:
    """List the venues of a chain; the wallets come last, since they take the logs of every other contract.

    Raises: ImpossibleFactError where a kind is not known, or a venue lacks a contract.
    """
    return _made(chain, chain.all_venues())


def venues(tables: Tables) -> tuple[Venue, ...]:
    """List the venues that a shard's books use; none on a shard without books."""
    return tables.of_family("venues", keys.policy.family, _of_books, tables)


def published_views(tables: Tables) -> tuple[VenueViews, ...]:
    """List what the venues of a shard's books publish of themselves."""
    return tables.of_family("published views", keys.policy.family, _views, tables)


def _views(tables: Tables) -> tuple[VenueViews, ...]:
    return tuple(venue.views for venue in venues(tables) if venue.views is not None)


def _of_books(tables: Tables) -> tuple[Venue, ...]:
    """Build each venue in any book's profile: while a new profile is applied book by book, profiles differ.

    Venues that differ only in contracts which acting takes are one: what lies there is followed once.
    """
    books = policies(tables)
    if not books:
        return ()
    specs = {_followed(spec): spec for chain in _chains(books) for spec in chain.all_venues()}
    return _made(books[0].chain, tuple(specs.values()))


def _chains(books: Sequence[Policy]) -> Iterator[ChainProfile]:
    """List the distinct profiles of books, mostly one."""
    last: ChainProfile | None = None
    for book in books:
        if book.chain != last:
            last = book.chain
            yield last


def _followed(spec: VenueSpec) -> VenueSpec:
    """Leave out the contracts that only acting takes."""
    needless = KINDS[spec.kind].to_act if spec.kind in KINDS else {}
    contracts = tuple(each for each in spec.contracts if each.role not in needless)
    return msgspec.structs.replace(spec, contracts=contracts)


def _made(chain: ChainProfile, specs: Sequence[VenueSpec]) -> tuple[Venue, ...]:
    return *(_venue(chain, spec) for spec in specs), WALLETS.make(chain, _EVERY_WALLET)


def _venue(chain: ChainProfile, spec: VenueSpec) -> Venue:
    kind = KINDS.get(spec.kind)
    if kind is None:
        raise ImpossibleFactError(f"venue {spec.name}: no kind {spec.kind!r} is known here")
    missing = [role for role in kind.contracts if role not in _roles(spec.contracts)]
    if missing:
        raise ImpossibleFactError(f"venue {spec.name} of kind {spec.kind} has no {', '.join(missing)}")
    return kind.make(chain, spec)


def _roles(contracts: Sequence[VenueContract]) -> set[str]:
    return {each.role for each in contracts}


def check_venues(policy: Policy) -> None:
    """Check that a policy's venues are known here, before anything asks them. Raises: ImpossibleFactError."""
    names = [venue.name for venue in venues_of(policy.chain)]
    twice = {name for name in names if names.count(name) > 1}
    unknown = {each.venue for each in policy.pools_at or ()} - set(names)
    if twice or unknown:
        what = (
            f"{sorted(twice)} are venues twice" if twice else f"{sorted(unknown)} are not venues of the chain"
        )
        raise ImpossibleFactError(f"book {policy.book}: {what}")


def venue_named(chain: ChainProfile, name: str) -> Venue:
    """Return a venue of a chain by name. Raises: ImpossibleFactError where the profile does not have it."""
    for venue in venues_of(chain):
        if venue.name == name:
            return venue
    raise ImpossibleFactError(f"the chain has no venue {name}")


def kind_of(chain: ChainProfile, venue: Venue) -> str:
    """Return the kind of a venue of a chain."""
    spec = chain.venue(venue.name)
    return _EVERY_WALLET.kind if spec is None else spec.kind


def pool_item(policy: Policy, pool: PoolId) -> str:
    """Return the item of a book's pool, at its venue."""
    return venue_named(policy.chain, policy.venue_of(pool)).pool_item(pool)


def pool_terms(tables: Tables, policy: Policy, pool: PoolId) -> PoolTerms | None:
    """Return the constant fields of a book's pool; None before it was read."""
    return venue_named(policy.chain, policy.venue_of(pool)).pool_terms(tables, pool)


def spenders(policy: Policy) -> tuple[Address, ...]:
    """List the spenders that a book's plans may need; none where it cannot act."""
    actions = venue_named(policy.chain, policy.acting_venue()).actions
    own = () if actions is None else actions.spenders(policy)
    hedging = _hedging(policy)
    return own if hedging is None else tuple(dict.fromkeys((*own, *hedging.spenders(policy))))


def find_actions(shard: Shard, policy: Policy, kind: GoalKind = "rerange") -> VenueActions | None:
    """Return how a book acts: at the venue of its reference pool, or of its hedge; None before the pool was read."""
    venue = venue_named(policy.chain, policy.acting_venue())
    if not venue.has_pool(shard.tables, policy.reference_pool):
        return None
    match kind:
        case "rerange":
            return venue.actions
        case "hedge_to":
            return _hedging(policy)
    return _joint(policy)


def need_actions(shard: Shard, policy: Policy, kind: GoalKind = "rerange") -> VenueActions:
    """Return how a book acts, whose pool must be followed. Raises: ImpossibleFactError."""
    actions = find_actions(shard, policy, kind)
    if actions is None:
        raise ImpossibleFactError(f"pool {policy.reference_pool} is not followed")
    return actions


def hedge_venue(policy: Policy) -> HedgeVenue | None:
    """Return where a book is hedged; None where it is not. Raises: ImpossibleFactError where its venue offers no hedge."""
    if not policy.hedge:
        return None
    found = venue_named(policy.chain, policy.hedge.venue).hedge
    if found is None:
        raise ImpossibleFactError(f"no book is hedged at venue {policy.hedge.venue}")
    return found


def need_hedging(policy: Policy) -> HedgeActions:
    """Return how a book is hedged. Raises: ImpossibleFactError where it is not."""
    found = _hedging(policy)
    if found is None:
        raise ImpossibleFactError(f"book {policy.book} is not hedged")
    return found


def _hedging(policy: Policy) -> HedgeActions | None:
    """Combine the venue of a book's hedge with the one where it trades."""
    venue, trading = hedge_venue(policy), venue_named(policy.chain, policy.acting_venue()).actions
    if venue is None or trading is None or trading.trades is None:
        return None
    return HedgeActions(venue, trading, trading.trades)


def _joint(policy: Policy) -> JointActions | None:
    """Combine a book's range and its hedge."""
    venue, ranges, hedging = (
        hedge_venue(policy),
        venue_named(policy.chain, policy.acting_venue()).actions,
        _hedging(policy),
    )
    return (
        None if venue is None or ranges is None or hedging is None else JointActions(venue, ranges, hedging)
    )


def block_calls(tables: Tables) -> list[BlockCall]:
    """List the calls that a shard's venues need after every block."""
    return list(dict.fromkeys(call for venue in venues(tables) for call in venue.block_calls(tables)))


def venue_of_read(tables: Tables, event: Observed) -> Venue:
    """Return the venue whose item a read is of. Raises: ImpossibleFactError."""
    for venue in venues(tables):
        if isinstance(event, venue.reads()) and venue.item_of_entry(event.item) is not None:
            return venue
    raise ImpossibleFactError(f"no venue reads {event.item} ({type(event).__name__})")


def item_of_entry(tables: Tables, key: str) -> str | None:
    """Return the item that an entry belongs to, at whichever venue; None where it belongs to none."""
    found = (venue.item_of_entry(key) for venue in venues(tables))
    return next((item for item in found if item is not None), None)
