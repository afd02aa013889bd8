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
    """The value of the whole book."""
    prices: Mapping[Address, Price]
    """The spot prices in raw quote of the book's tokens that have one."""
    foreseen: Foreseen | None
    """The whole plan's foreseen result, where these are its first transactions: limits on a whole action are checked then."""
    kind: GoalKind = "rerange"
    is_urgent: bool = False
    """The plan reduces a risk that cannot wait."""

    missed_quote: RawAmount = RawAmount(0)
    """The fees missed since the phase was first held back while its tokens were withdrawn. Going on may cost that much more."""

    gas_foreseen: RawAmount | None = None
    """The foreseen gas cost of the whole plan at its limits, in raw quote; None: the plan begins now, or its tokens were withdrawn for long enough."""

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
    """A venue's own guards, each with its reason code, in the order in which they are evaluated."""

    prices: Mapping[GuardReason, Guard]
    """The guards of the venue's price, evaluated after those of the block, except for phases that only revoke allowances."""
    sizes: Mapping[GuardReason, Guard]
    """The guards of what the venue can take, evaluated before those of amounts and costs."""
    calls: Mapping[GuardReason, Guard]
    """The guards of the decoded calldata, evaluated last."""
    passing: frozenset[GuardReason]
    """The reasons that depend on one block's prices and may be gone at the next block."""
    trading: frozenset[Step] = frozenset()
    """The steps that trade."""
    securing: frozenset[Step] = frozenset()
    """The steps that only reduce risk and need no price: they are allowed while the chain's sequencer is down."""
    of_trades: frozenset[GuardReason] = frozenset()
    """The reasons that refuse a trade, but not a placement without the trade."""

    def of_trading(self, question: Question) -> bool:
        """Return whether a phase trades."""
        return any(each.step in self.trading for each in question.drafts)
