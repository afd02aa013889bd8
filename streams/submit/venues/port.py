"""The port to the signer's half of a venue: permitted calls, and what they take from the owner and give back."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec
from pydantic import ConfigDict

from pipeline.messages.base import BlockRef
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, PoolId, RawAmount
from streams.portfolio.fields import Section

if TYPE_CHECKING:
    from streams.submit.limits import SignerLimits
    from streams.submit.node import SenderNode, SimulatedLog
    from streams.submit.signer_file import SignerFile
    from streams.submit.simulation import Effect

_ANSWER_GAS = 1_000_000


class StateQuestion(NamedTuple):
    """A call to a contract, with its gas limit."""

    to: Address
    data: bytes
    gas: int = _ANSWER_GAS


OutageRule = Literal["never", "in_need", "always"]
"""Not at all, as it follows a price; within the grace period alone, where a debt of the owner's needs it; at any time, as it only takes risk away."""


class KnownCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the list, taken out of any multicall around it."""

    to: Address
    function: str
    arguments: tuple[Any, ...]
    deadline_s: int | None = None
    """Block time after which the chain itself refuses it; None: never."""
    must_end: bool = False
    """It depends on a price, and its calldata has a deadline: without one it is refused."""
    is_action: bool = False
    """It trades or moves what is held: it counts for `max_actions_per_hour`."""
    follows_prices: bool = False
    """Once it is signed and waits, it is judged again at each head."""
    takes_value: bool = False
    """The chain's coin may go with it."""
    adds_risk: bool = False
    """It may leave a debt less secured: it is judged also as if, of what waits before it, only such calls came about."""
    in_outage: OutageRule = "never"
    """Whether it goes while the chain's sequencer is down, or within its grace period."""


class JudgedIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An intent with its known calls, and their effect in a simulation at the head."""

    intent: SubmitTransaction
    calls: tuple[KnownCall, ...]
    effect: "Effect"
    at_worst: "Effect | None" = None
    """Its effect where, of what waits before it, only calls that add risk come about; None where nothing waits, it fails so, or adds no risk."""
    head: BlockRef

    @property
    def is_at_its_block(self) -> bool:
        """Whether the head is the block that the intent was made at."""
        return self.head.number == self.intent.made_at.number


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What an intent is charged to the budget: raw units of the budget's token."""

    loss: RawAmount = RawAmount(0)
    """The worst that calldata and simulation show, at the worst price. For a debt: of what is owned less what is owed."""
    notional: RawAmount = RawAmount(0)
    """What is moved."""


PricesAt = Callable[[Address, BlockRef], Awaitable[Sequence[Fraction]]]


class Judging(NamedTuple):
    """What a venue needs to judge intents."""

    node: "SenderNode"
    multicall: Address
    limits: "SignerLimits"
    prices: PricesAt
    """Raw units of the budget's token for one of a token at a head, by every reference of every venue of the file. Raises: Refusal."""


class Appraiser(Protocol):
    """Judges intents at one kind of venue, with a node."""

    async def read_ahead(self, calls: Sequence[KnownCall], head: BlockRef) -> None:
        """Read, while an intent is simulated, what `appraise` will need in any case, as far as the calls tell.

        It decides nothing and never raises: what could not be read is asked again by `appraise`.
        """
        ...

    async def appraise(self, judged: JudgedIntent) -> Cost:
        """Check an intent against the venue's own limits and the signer's `max_loss`, and return what it is charged.

        Whatever it reads, it reads at the head's hash. What the simulation shows counts, and the least that the calldata
        accepts counts.
        Raises: Refusal, NodeError.
        """
        ...

    async def prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Return raw units of the budget's token for one of a token, at each reference here; nothing where it has no price here.

        Another venue values by them what is held or owed there. Raises: Refusal where one cannot be believed, NodeError.
        """
        ...


@runtime_checkable
class NeedsSecuring(Protocol):
    """The side of a kind of venue at which the owner may have a debt."""

    async def is_in_need(self, owner: Address, head: BlockRef) -> bool:
        """Return whether a debt of the owner is so close to liquidation that it must be secured at once. Raises: NodeError."""
        ...


class VenueTerms(Protocol):
    """What a signer's file, and the chain at start, allow at one kind of venue."""

    @property
    def name(self) -> str:
        """The name in refusals."""
        ...

    @property
    def contracts(self) -> Collection[Address]:
        """The only contracts that are called there; two kinds of venues never share one."""
        ...

    @property
    def tokens(self) -> Sequence[Address]:
        """The only tokens that may move: their balances are compared in each simulation."""
        ...

    def spenders(self, token: Address) -> Collection[Address]:
        """List the contracts that may be allowed to take a token."""
        ...

    def read_calls(self, to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
        """Read calldata for one of the contracts.

        Raises: Refusal for a function that is not on the list, for bytes that are not exactly what its arguments encode to,
        and for anybody but the owner as the one who gets, owes or is acted for.
        """
        ...

    def questions(self, owner: Address) -> Sequence[StateQuestion]:
        """List what the simulation asks before and after an intent of this venue, beside balances."""
        ...

    def touched(self, owner: Address, effect: "Effect") -> str | None:
        """Name what the owner has here that an intent of another venue changes; such intents are refused."""
        ...

    def counts(self, log: "SimulatedLog") -> bool:
        """Return whether `appraise` counts a transfer from the owner, though it is of none of the tokens."""
        ...

    def bind(self, judging: Judging) -> Appraiser:
        """Return an appraiser that asks a node."""
        ...


# ------------------------------------------------------------------ the signer's file
class VenueEntry(Section):
    """One entry of the file's further `venues`: its name and kind; further fields depend on the kind."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    name: str
    """What messages call it."""
    kind: str
    """Which kind of contracts: `uniswap_v3` or `aave_v3`."""


class VenueFields(Section):
    """The fields of a kind of venue in the signer's file."""

    name: str
    """What messages call it."""
    kind: str
    """Which kind of contracts."""

    def names_pool(self, pool: PoolId) -> bool:
        """Return whether a book's pool is among those that may be acted in."""
        del pool
        return False

    def refuses_of(self, policy: Policy, budget_token: Address) -> Iterator[str]:
        """Name what a book plans at this venue that the entry does not allow; nothing for a book that acts elsewhere."""
        del policy, budget_token
        yield from ()

    def secures(self, policy: Policy) -> bool:
        """Return whether a book is hedged at this venue."""
        del policy
        return False


class FileReading(NamedTuple):
    """What the terms of a kind are read from, once at start."""

    node: "SenderNode"
    file: "SignerFile"
    sections: Sequence[VenueFields]
    """The entries of this kind among the file's `venues`."""
    known: Mapping[str, Address]
    """Contracts of the chain by role, where the file leaves them out."""


class SignerHalf(NamedTuple):
    """A kind of venue in the signer's registry."""

    section: type[VenueFields]
    read: Callable[[FileReading], Awaitable[VenueTerms | None]]
    """Reads terms from file and chain; None where the file names nothing of the kind. Raises: SettingsError, NodeError."""
