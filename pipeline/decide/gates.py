"""Step 5: decide for a book at a block: a proposal or a refusal, with its numbers.

The gates are asked in order; the first that refuses names itself. Path and effects are returned,
not written: `advance` writes them.
"""

import msgspec

from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.book.stock import share_bps
from pipeline.decide.levers import Option, Unfit, choose
from pipeline.decide.strategies import STRATEGIES, WAKES, Rest, follow_band
from pipeline.messages.decisions import Gate
from pipeline.messages.effects import BookEffects
from pipeline.messages.entries import BookPath
from pipeline.messages.outcomes import UnknownReason
from pipeline.messages.policy import Policy
from pipeline.units import Address, Bps, RawAmount, Seconds


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal: the gate, and why."""

    gate: Gate
    reason: str
    item: str | None = None
    until_s: Seconds | None = None
    """The earliest time at which the decision may differ, where it is known."""


class Unknown(Refused, frozen=True, kw_only=True):
    """No decision is possible: what a book has or is worth is not known."""

    reason: UnknownReason
    item: str


Judgement = Option | Refused

FIRST_WAIT_S = Seconds(60)
"""After a first refusal by the market. A few blocks: a price must be held away that long to be in the way again."""
_MOST_DOUBLINGS = 30
"""Sixty years: longer than any cooldown."""


def walk_path(
    path: BookPath, stock: Stock, policy: Policy, now_s: Seconds, *, stranded: bool = False
) -> BookPath:
    """Update what a book remembers of its past by one block.

    `stranded`: a plan of its own has left it without any liquidity; that is as idle as being out of range.
    """
    idle = not stock.any_in_range if stock.has_liquidity else stranded
    since_s = (
        (path.out_of_range_since_s if path.out_of_range_since_s is not None else now_s) if idle else None
    )
    outside = stock.value_quote > 0 and follow_band(path, policy.strategy, farthest(stock, policy)[1])
    return msgspec.structs.replace(path, out_of_range_since_s=since_s, outside_band=outside)


def deviation_bps(stock: Stock, policy: Policy) -> Bps:
    """Return the base share less its target."""
    return Bps(stock.base_share_bps - policy.strategy.target_share_bps)


def farthest(stock: Stock, policy: Policy) -> tuple[Address, Bps]:
    """Find the token whose share is farthest from its target, and how far; of equals the base first, then the policy's order."""
    if not policy.assets:
        return policy.base, deviation_bps(stock, policy)
    targets = {policy.base: policy.strategy.target_share_bps}
    targets |= {
        asset.token: asset.target_share_bps
        for asset in policy.known_assets()
        if asset.target_share_bps is not None
    }
    deviations = ((token, Bps(share_bps(stock, token) - target)) for token, target in targets.items())
    return max(deviations, key=lambda each: abs(each[1]))


def judge(stock: Stock, path: BookPath, effects: BookEffects, policy: Policy, now_s: Seconds) -> Judgement:
    """Ask the gates that need the inventory, then the strategy, then whether a lever moves what is off, then the cooldown."""
    if policy.mode == "watch":
        return Refused(gate="mode", reason="watch_only")
    if stock.unpriced:
        return Refused(gate="value", reason="unpriced_token")
    if stock.value_quote <= 0:
        return Refused(gate="value", reason="negative_value" if stock.value_quote else "empty_book")
    verdict = STRATEGIES[type(policy.strategy)](path, policy.strategy, now_s)
    if isinstance(verdict, Rest):
        return Refused(gate="band", reason=verdict.reason)
    chosen = choose(verdict, farthest(stock, policy)[0], policy)
    if isinstance(chosen, Unfit):
        return Refused(gate="lever", reason=chosen.reason, item=chosen.item)
    last_s = effects.last_proposed_at_s
    if last_s is not None and now_s < last_s + policy.strategy.cooldown_s:
        return Refused(gate="cooldown", reason="cooling_down")
    if effects.refused_at_s is not None and now_s < effects.refused_at_s + held_off_s(effects, policy):
        return Refused(gate="cooldown", reason="held_off")
    return chosen


def next_decision_s(path: BookPath, effects: BookEffects, policy: Policy, now_s: Seconds) -> Seconds | None:
    """Return the first time at which an unchanged book that is refused now may be decided otherwise; None: never."""
    cooldown_ends = (
        effects.last_proposed_at_s is not None and effects.last_proposed_at_s + policy.strategy.cooldown_s
    )
    wait_ends = effects.refused_at_s is not None and effects.refused_at_s + held_off_s(effects, policy)
    strategys = WAKES[type(policy.strategy)](path, policy.strategy)
    ends = (cooldown_ends, wait_ends, signer_busy_until_s(effects, policy), strategys)
    later = [Seconds(each) for each in ends if each and each > now_s]
    return min(later, default=None)


def held_off_s(effects: BookEffects, policy: Policy) -> Seconds:
    """Return how long a book waits after a refusal by the market: twice as long each time, one cooldown at most."""
    if not effects.refusals_in_a_row:
        return Seconds(0)
    doublings = min(effects.refusals_in_a_row - 1, _MOST_DOUBLINGS)
    return Seconds(min(FIRST_WAIT_S << doublings, policy.strategy.cooldown_s))


def signer_busy_until_s(effects: BookEffects, policy: Policy) -> Seconds:
    """Return until when nothing is proposed because something else of the book is pending at its signer: at most for the policy's time."""
    busy_at_s = effects.signer_busy_at_s
    if isinstance(busy_at_s, msgspec.UnsetType):
        return Seconds(0)
    return Seconds(busy_at_s + policy.action.stall_after_s)


def base_to_buy(stock: Stock, policy: Policy) -> RawAmount:
    """Compute the base to buy (negative: to sell) for the share to reach its target at spot, without price impact.

    Units: raw base; negative to sell. Rounds: towards zero.
    """
    wanted_quote = stock.value_quote * policy.strategy.target_share_bps - stock.base_value_quote * WHOLE_BPS
    price = stock.base_price
    amount = abs(wanted_quote) * price.denominator // (WHOLE_BPS * price.numerator)
    return RawAmount(amount if wanted_quote >= 0 else -amount)
