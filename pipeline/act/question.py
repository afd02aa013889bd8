"""Types for guards: the question that each is asked, its answer, and the guards that a venue adds."""

from collections.abc import Callable, Mapping

import msgspec

from pipeline.act.drafts import Draft
from pipeline.act.foresight import Foreseen, Market
from pipeline.book.pricing import gas_in_quote, in_quote
from pipeline.messages.base import Price
from pipeline.messages.effects import Action, BookEffects
from pipeline.messages.goals import RESET, GoalKind, Step
from pipeline.messages.outcomes import GuardReason, StallReason
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount

DAY_S = 86_400


class GuardRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A guard's reason code, with the numbers of its refusal."""

    reason: StallReason
    detail: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that is to be sent, with everything that guards compare it with."""

    shard: Shard
    policy: Policy
    market: Market
    effects: BookEffects
    drafts: tuple[Draft, ...]
    notional_quote: RawAmount
    value_quote: RawAmount
    """The whole book's."""
    prices: Mapping[Address, Price]
    """In raw quote at spot, of each of the book's tokens that has one."""
    foreseen: Foreseen | None
    """What the whole plan comes to, where these are its first transactions: what limits a whole action is asked here."""
    kind: GoalKind = "rerange"
    is_urgent: bool = False
    """The plan takes risk away that does not wait."""

    missed_quote: RawAmount = RawAmount(0)
    """Fees that were missed since the phase was first held back, where its tokens lie outside. Going on may cost that much more."""

    gas_foreseen: RawAmount | None = None
    """In raw quote, of the whole plan at its limits; None: it begins now, or has waited outside for long enough."""

    @property
    def only_resets(self) -> bool:
        """Return whether the phase only revokes allowances."""
        return bool(self.drafts) and all(each.step == RESET for each in self.drafts)

    def in_quote(self, token: Address, amount: int) -> int:
        """Value an amount of base or quote at the reference price. Rounds: down."""
        return in_quote(self.policy, token, amount, self.market.base_price)

    def gas_in_quote(self, cost_wei: int) -> int | None:
        """Value gas in quote; None where neither base nor quote is the wrapped native token. Rounds: down."""
        return gas_in_quote(self.policy, cost_wei, self.market.base_price)

    def today(self) -> tuple[Action, ...]:
        """Return the plans of the last 24 hours."""
        since_s = self.market.now_s - DAY_S
        return tuple(action for action in self.effects.actions if action.at_s > since_s)


Guard = Callable[[Question], str | None]
"""Says what is against a phase; None: nothing."""


class VenueGuards(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's own guards, each with its reason code, in the order in which they are asked."""

    prices: Mapping[GuardReason, Guard]
    """Whether its price is to be believed: asked after those of the block, and not of what only takes permissions back."""
    sizes: Mapping[GuardReason, Guard]
    """Whether what is to move fits the venue: asked before amounts and costs."""
    calls: Mapping[GuardReason, Guard]
    """Whether the calldata says what was meant, read back from its bytes: asked last."""
    passing: frozenset[GuardReason]
    """Those of them that follow from one block's prices: the next may not give them."""
    trading: frozenset[Step] = frozenset()
    """Steps that trade."""
    securing: frozenset[Step] = frozenset()
    """Steps that only take risk away and need no price: they go while the chain's sequencer is down."""
    of_trades: frozenset[GuardReason] = frozenset()
    """What holds a trade back and would let go on what is placed without it."""

    def of_trading(self, question: Question) -> bool:
        """Return whether a phase trades."""
        return any(each.step in self.trading for each in question.drafts)
