"""The port to a venue where a book's base is hedged: a lending market, or a perpetual future.

A hedge is a position of a size in base, short, against collateral. The pipeline says which size it is to have, and the venue how that is
reached: by which phases, and by which transactions of each. It is asked again when a phase is due, on the state as it is then, so a
target that is reached already leads to nothing.

A venue may take orders in two steps. What became of one is then told by the chain alone (`pipeline/messages/orders.py`): an order of which
nothing is known stays unknown, however old it is, and no second one goes out before that is settled.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from pipeline.act.allowances import Grant
from pipeline.act.drafts import Draft
from pipeline.errors import HedgeError
from pipeline.messages.base import Price
from pipeline.messages.goals import Phase, PlanPhase, Step
from pipeline.messages.orders import Order
from pipeline.messages.outcomes import GuardReason
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount

HedgeMove = Literal[
    "up",
    "down",
    "close",
    "close_from_collateral",
    "take_back",
    "secure",
    "deleverage_free",
    "secure_from_range",
    "secure_by_purchase",
    "deleverage",
]
"""A larger position; a smaller one; none, with all that is there taken back; on the way to none, a smaller one out of collateral, where the
wallet does not pay for it. Back to where a step began whose trade does not come about. At once, where health is low: with more behind it out of the
wallet; a smaller one out of collateral that health does not rest on; with more behind it out of the book's ranges; a smaller one out of
what the wallet's quote buys, where the collateral is another token; a smaller one out of the collateral that health rests on."""
AT_ONCE: frozenset[HedgeMove] = frozenset(
    {"secure", "deleverage_free", "secure_from_range", "secure_by_purchase", "deleverage"}
)
"""Moves for low health."""

HedgePhase = Literal[
    "supply",
    "borrow",
    "sell",
    "buy",
    "repay",
    "withdraw",
    "free",
    "deposit",
    "increase",
    "decrease",
    "settle",
]
"""What a phase of a move does, which is also its name; a venue has those that it needs.

`supply` and `deposit` add collateral for what `borrow` or `increase` is to add to the size. What is borrowed or repaid passes through the
wallet, where `sell` and `buy` trade it; an `increase` or a `decrease` is an order for the position itself, and trades nothing of ours.
`settle` goes on once the chain has told what became of that order. `withdraw` takes collateral back that is not needed, and `free`
liquidity out of the book's ranges."""
SETTLE: HedgePhase = "settle"


class HedgePosition(msgspec.Struct, frozen=True, kw_only=True):
    """A book's position at its hedge's venue."""

    size: RawAmount
    """The size of the short, in raw base."""
    collateral: RawAmount
    """Of the collateral's token: what stands against the size. Of a future that is its margin and what the size was sold for, so that
    everywhere the position is worth its collateral less what the size is worth."""
    health_bps: int | None
    """The health factor in bps of 1; below 1 the position may be liquidated. Rounds: down. None where it is empty."""
    order: Order | None = None
    """The last order, at a venue that takes orders; size and collateral include its effect."""

    @property
    def waits(self) -> bool:
        """Return whether an order may still change it."""
        return self.order is not None and self.order.waits


class HedgeCarry(msgspec.Struct, frozen=True, kw_only=True):
    """The interest of a position per year, at present rates and without compounding; a negative value has the opposite direction."""

    pays_base: int
    """The raw base by which the debt grows. Rounds: up."""
    earns: int
    """The raw collateral that is earned. Rounds: down."""


class HedgeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A signed change of a position."""

    size: int = 0
    collateral: int = 0

    def with_more(self, further: "HedgeChange") -> "HedgeChange":
        """Add a further change."""
        return HedgeChange(size=self.size + further.size, collateral=self.collateral + further.collateral)


class HedgeDraft(Draft, frozen=True, kw_only=True):
    """A transaction that changes a position."""

    change: HedgeChange


class Misfit(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a venue would refuse a change."""

    reason: GuardReason
    detail: str


# ------------------------------------------------------------------ sizes in steps
def whole_steps(amount: int, step: int) -> RawAmount:
    """Round an amount to the steps in which a venue counts sizes. Rounds: towards zero.

    Raises: HedgeError where nothing is left: some venues take a size of zero for all of a position.
    """
    steps = abs(amount) // step
    if not steps:
        raise HedgeError(f"a size of {amount} is less than one step of {step}")
    return RawAmount(steps * step if amount > 0 else -steps * step)


# ------------------------------------------------------------------ the port
class HedgeVenue(Protocol):
    """A deployment at which a book's base is hedged. All methods raise PipelineError where something is not known."""

    step: int
    """The step in which the venue counts sizes, in raw base."""
    takes_any_collateral: bool
    """Whether a token other than the quote may secure a position."""
    usual_gas: Mapping[Step, int]
    """The usual gas of a transaction of each step."""
    gas_limits: Mapping[Step, int]

    def grants(self, policy: Policy) -> tuple[Grant, ...]:
        """List the allowances, token and spender, that a plan may need, beside those of the trades."""

    def phases(self, move: HedgeMove) -> tuple[PlanPhase, ...]:
        """List the phases of a move in order, each by a name of `HedgePhase`; the last one resets, and is the only one where the venue lacks the move."""

    def position(self, shard: Shard, policy: Policy) -> HedgePosition:
        """Return a book's position, its last order as `order_as_said` gives it, where the venue takes orders."""

    def carry(self, shard: Shard, policy: Policy) -> HedgeCarry:
        """Return the interest of the position per year."""

    def counts_bps(self, shard: Shard, policy: Policy) -> Bps:
        """Return which share of the collateral counts against liquidation."""

    def health_after(
        self, shard: Shard, policy: Policy, change: HedgeChange, *, base_up_bps: int = 0
    ) -> int | None:
        """Compute the health factor after a change and a rise of the base's price. Units: bps of 1. Rounds: down. None: no position."""

    def unfit(self, shard: Shard, policy: Policy, change: HedgeChange) -> Misfit | None:
        """Explain why the venue would refuse a change now; None: as far as is known it would not."""

    def base_price(self, shard: Shard, policy: Policy) -> Price | None:
        """Return the venue's own price of the base, by which it liquidates, in raw collateral; None where it has none."""

    def price_age_s(self, shard: Shard, policy: Policy) -> int | None:
        """Return how old the older one of the venue's prices of base and collateral is; None where neither source says."""

    def carry_bps(self, shard: Shard, policy: Policy, change: HedgeChange) -> int | None:
        """Return the cost per year of a size after a change, as a share of its value. Rounds: up. None where it is not known.

        Below 0 it earns: a future's short does where longs pay.
        """

    def draft(
        self, shard: Shard, policy: Policy, phase: Phase, amount: RawAmount, *, everything: bool
    ) -> tuple[Draft, ...]:
        """Draft the transactions, each a HedgeDraft or an approval, of one of the venue's own phases; `everything`: whatever is there when it is mined."""

    def with_interest(self, size: RawAmount) -> RawAmount:
        """Return the most that a position of this size may need to be closed when the transaction is mined."""

    def not_allowed(self, policy: Policy, made: Draft) -> str | None:
        """Decode a transaction, and describe what in it this book must not do; None: nothing."""
