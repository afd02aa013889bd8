"""The port to a kind of venue's reads. Answers are messages of the pure half; the two halves share nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.events import ObservationFailed, Observed
from pipeline.messages.policy import Policy
from pipeline.units import Address, LogBps, PoolId, Term
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import ContractReader

if TYPE_CHECKING:
    from streams.node.client import Client


class ReadContext(msgspec.Struct, frozen=True, kw_only=True):
    """The node, block and reader that all observations of one round share."""

    chain: ChainProfile
    block: BlockRef
    term: Term
    holders: tuple[Address, ...] = ()
    """Who may have some of a token: pools, or the contracts that keep them."""
    acting: frozenset[Address] = frozenset()
    """Tokens of books that act: what these do on a transfer must be known."""

    def failed(self, want: DueRead, error: UnreadableError) -> ObservationFailed:
        """Explain why an item cannot be read."""
        return ObservationFailed(term=self.term, block=self.block, item=want.item, reason=str(error))


Read = Callable[[ContractReader, ReadContext, Sequence[DueRead]], AsyncIterator[Observed | ObservationFailed]]
"""Reads items of one kind, in order; of one that cannot be read it says why. Raises: NodeError."""


def one_by_one(read: Callable[[ContractReader, ReadContext, DueRead], Awaitable[Observed]]) -> Read:
    """Read each item of a kind separately, by a function that raises UnreadableError where it cannot be read."""

    async def read_all(
        reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
    ) -> AsyncIterator[Observed | ObservationFailed]:
        for want in wants:
            try:
                observed: Observed | ObservationFailed = await read(reader, place, want)
            except UnreadableError as error:
                observed = place.failed(want, error)
            yield observed

    return read_all


class PoolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool says of itself."""

    tokens: tuple[Address, ...]
    strange: str | None = None
    """Why it is not a pool of its venue, if so."""


AskPools = Callable[["Client", VenueSpec, Sequence[PoolId]], Awaitable[Mapping[PoolId, PoolFacts | str]]]
"""Asks pools of a venue which tokens they trade, and whether they are its own; a text says why one is not a pool. Raises: NodeError."""


class ContractFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a contract that a profile names."""

    field: str
    """Of the profile: `router`, `wrapped_native`; or of the book's hedge: `collateral`."""
    says: str


TryHedge = Callable[[ContractReader, VenueSpec, Policy], AsyncIterator[ContractFault]]
"""Asks a venue of hedges whether it lends a book's base on its collateral. Raises: NodeError."""

TryContracts = Callable[["Client", ContractReader, Policy, BlockRef], AsyncIterator[ContractFault]]
"""Tries the calls of a plan on the contracts at which a book acts; both ask at one block. Raises: NodeError."""


AskNarrowest = Callable[["Client", PoolId], Awaitable[LogBps | None]]
"""Asks how near to its middle the ends of a range in a pool can be; None where the pool does not say. Raises: NodeError."""


class AccountStanding(NamedTuple):
    """What an account has at a lending market and owes to it, or has against a short, as the venue adds it up."""

    venue: VenueSpec
    collateral: int
    """What counts, in the venue's own money."""
    debt: int
    """In the venue's own money: of a short, what buying it back costs."""
    unit: int
    """One of that money."""
    health_wad: int
    unfollowed: str | None
    """Why the venue cannot be followed block by block; None where it can."""

    @property
    def is_there(self) -> bool:
        """Return whether the account has or owes anything that the venue counts."""
        return bool(self.collateral or self.debt)

    @property
    def counts(self) -> bool:
        """Return whether a book of the account can count it: it is there, and the venue can be followed."""
        return self.is_there and self.unfollowed is None


FindAccount = Callable[[ContractReader, VenueSpec, Address], Awaitable[AccountStanding]]
"""Asks a venue of hedges for an account. Raises: UnreadableError, NodeError."""


class NodeHalf(NamedTuple):
    """The calls that a kind of venue makes to a node."""

    reads: Mapping[str, Read]
    """By the kinds of its items."""
    ask_pools: AskPools
    holders: Callable[[VenueSpec, Sequence[PoolId]], Sequence[Address]]
    """Tells which contracts have the tokens of pools."""
    try_contracts: TryContracts | None = None
    """None where no book acts, or nothing can be tried."""
    try_hedge: TryHedge | None = None
    """None where no book is hedged, or nothing can be told before."""
    ask_narrowest: AskNarrowest | None = None
    """None where liquidity has no range."""
    find_account: FindAccount | None = None
    """None where nothing can be owed."""
