"""The venues that exist: the one place that names their packages."""

from functools import lru_cache

from pipeline.errors import ImpossibleFactError
from pipeline.messages.events import Observed
from pipeline.messages.policy import ChainProfile, Policy
from pipeline.state.policies import profile
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.venues.acting import VenueActions
from pipeline.venues.port import Venue
from pipeline.venues.uniswap_v3.act.actions import UniswapV3Actions
from pipeline.venues.uniswap_v3.venue import UniswapV3
from pipeline.venues.wallet.venue import Wallet

KINDS = (*UniswapV3.kinds, *Wallet.kinds)
"""Kinds of all items, in the order in which they must be read."""
HELD_KINDS = (*UniswapV3.held_kinds, *Wallet.held_kinds)
"""Those of them that can be in quarantine and resumed."""
ACTIONS: tuple[VenueActions, ...] = (UniswapV3Actions(),)
"""How books act, at each kind of venue at which they do."""


@lru_cache(maxsize=16)
def venues_of(chain: ChainProfile) -> tuple[Venue, ...]:
    """List the venues of a chain; the wallet comes last, for it takes the logs of every other contract."""
    return UniswapV3(chain), Wallet(chain)


def venues(tables: Tables) -> tuple[Venue, ...]:
    """List the venues that a shard's books use; none on a shard without books."""
    chain = profile(tables)
    return () if chain is None else venues_of(chain)


def find_actions(shard: Shard, policy: Policy) -> VenueActions | None:
    """Find how a book acts: at the venue of its reference pool; None before that was read."""
    for venue in venues_of(policy.chain):
        if venue.actions is not None and venue.has_pool(shard.tables, policy.reference_pool):
            return venue.actions
    return None


def need_actions(shard: Shard, policy: Policy) -> VenueActions:
    """Find how a book acts whose pool must be followed. Raises: ImpossibleFactError."""
    actions = find_actions(shard, policy)
    if actions is None:
        raise ImpossibleFactError(f"pool {policy.reference_pool} is not followed")
    return actions


def venue_of_read(tables: Tables, event: Observed) -> Venue:
    """Find the venue whose item a read tells. Raises: ImpossibleFactError."""
    for venue in venues(tables):
        if isinstance(event, venue.reads()):
            return venue
    raise ImpossibleFactError(f"no venue reads {type(event).__name__}")


def item_of_entry(tables: Tables, key: str) -> str | None:
    """Name the item that an entry belongs to, at whichever venue; None where it belongs to none."""
    found = (venue.item_of_entry(key) for venue in venues(tables))
    return next((item for item in found if item is not None), None)
