"""Compute the debt that fits a book after a re-range, when the range and the hedge move in one plan.

Of both together there is one trade, that of the range, with what is borrowed in it, or without what is repaid. Nothing else that
their plan does changes the net exposure, so it goes from where it is to where it is to be, and nowhere else.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from pipeline import keys
from pipeline.act.drafts import Draft
from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeChange, HedgeDraft, HedgeMove, HedgeVenue
from pipeline.hedge.target import centre_of
from pipeline.math.search import first_where
from pipeline.messages.goals import HedgeGoal, Phase, read_terms, write_terms
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount
from pipeline.venues.hedging.aim import aim_of
from pipeline.venues.hedging.behind import is_harmless_alone
from pipeline.venues.hedging.goal import Secured, collateral_price, in_wallet, need_hedge
from pipeline.venues.hedging.sizes import LEAST_PARTS, HedgePlaces, part_or_all
from pipeline.venues.hedging.venue_price import why_far, why_old
from pipeline.venues.wallet.forms import Balance

_STEPS = 1_000_000
"""Of all base: in such parts it is looked for how much more is to be owed."""
_MOVES: tuple[HedgeMove, HedgeMove] = ("up", "down")


class JointTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The hedge's part of a goal."""

    move: str = "with_range"
    owed: int
    """What is to be owed."""
    grows: int
    """1 where more is borrowed for it, 0 where some is repaid."""


def joint_goal(policy: Policy, terms: JointTerms) -> HedgeGoal:
    """Make the hedge's part of terms."""
    return HedgeGoal(venue=need_hedge(policy).venue, terms=write_terms(terms))


def joint_terms(goal: HedgeGoal) -> JointTerms:
    """Take the hedge's part as what this made it."""
    return read_terms(goal.terms, JointTerms)


def find_joint(at: HedgePlaces, shard: Shard, policy: Policy, moved: Stock) -> JointTerms | None:
    """Find what is to be owed once the book's ranges are at their target; None where what is owed would be near enough to that.

    `moved`: the book without what it has at the hedge's venue. The range is taken at spot, without impact. Raises: PipelineError.
    """
    hedge, held = need_hedge(policy), at.venue.position(shard, policy)
    if hedge.ends or moved.value_quote <= 0 or not _lends(at.venue):
        return None
    net = msgspec.structs.replace(moved, base_amount=RawAmount(moved.base_amount - held.size))
    aim = aim_of(at, shard, policy, net)
    book = _Book(policy, moved, aim.ratio_bps)
    off = book.wanted(0, 0) - held.size
    if abs(off) * WHOLE_BPS <= book.long(0, 0) * aim.act_at_bps:
        return None
    secured, step = Secured(at.venue, shard, policy), max(book.most() // _STEPS, 1)
    most = secured.most_supplied(in_wallet(shard, policy, "up").collateral)

    def is_enough(steps: int) -> bool:
        """What is supplied for what is borrowed is in no range: the more of it, the less base, and the less to be owed."""
        more = steps * step
        return held.size + more >= book.wanted(more, secured.missing_for(max(more, 0), most))

    wanted = max(step * first_where(is_enough, -held.size // step, _STEPS, 0), -held.size)
    if hedge.largest_step is not None:
        wanted = max(min(wanted, hedge.largest_step), -hedge.largest_step)
    more = _taken(at.venue, shard, policy, moved, secured.most_more(wanted, most) if wanted > 0 else wanted)
    if abs(more) * LEAST_PARTS < abs(wanted) or not more:
        return None
    return JointTerms(owed=held.size + more, grows=int(more > 0))


def _lends(venue: HedgeVenue) -> bool:
    """Return whether a venue gives base for a larger position and takes it back for a smaller one: an order there is none of it."""
    own = {each.name for move in _MOVES for each in venue.phases(move)}
    return {"supply", "borrow", "repay"} <= own


def _taken(venue: HedgeVenue, shard: Shard, policy: Policy, moved: Stock, more: int) -> int:
    """Return what of a change the venue takes: nothing where the range is not to wait for it, or for its price."""
    if venue.unfit(shard, policy, HedgeChange(size=min(more, 0))) is not None:
        return 0
    if more < 0:
        return more
    why = why_far(venue, shard, policy, moved.prices[policy.base], moved.prices) or why_old(
        venue, shard, policy
    )
    return more if why is None else 0


class _Book:
    """All base that a book has once its ranges are at their target, by how much more it owes, and what of that is to be owed."""

    def __init__(self, policy: Policy, moved: Stock, ratio_bps: Bps) -> None:
        self._policy, self._moved, self._ratio_bps = policy, moved, ratio_bps
        self._price, self._secures = moved.prices[policy.base], collateral_price(policy, moved.prices)

    def long(self, more: int, collateral: int) -> int:
        """Return all base, at the target share, of the value that is left when so much more is borrowed and so much is supplied. Rounds: down."""
        borrowed = self._price.value(abs(more)) * (1 if more > 0 else -1)
        value = self._moved.value_quote + borrowed - self._secures.value(collateral)
        share = self._policy.strategy.target_share_bps
        return max(value, 0) * share * self._price.denominator // (WHOLE_BPS * self._price.numerator)

    def wanted(self, more: int, collateral: int) -> int:
        """Return what is to be owed of that."""
        long = self.long(more, collateral)
        return long - centre_of(need_hedge(self._policy), long, self._ratio_bps)

    def most(self) -> int:
        """Return all of the book's value in base. Rounds: down."""
        return self._moved.value_quote * self._price.denominator // self._price.numerator


# ------------------------------------------------------------------ one phase
def amount_of(venue: HedgeVenue, shard: Shard, policy: Policy, terms: JointTerms, phase: Phase) -> RawAmount:
    """Size a phase of the hedge's part on the book as it is: what is still missing to what is to be owed, or still too much."""
    held, secured = venue.position(shard, policy), Secured(venue, shard, policy)
    wallet, missing = in_wallet(shard, policy, "up"), max(terms.owed - held.size, 0)
    match phase:
        case "supply":
            return secured.to_add_before(missing, wallet.collateral)
        case "borrow":
            return part_or_all(secured.most_more(missing, 0), missing)
        case "repay":
            return RawAmount(max(min(held.size - terms.owed, wallet.base), 0))
    raise HedgeError(f"a hedge that goes with its range has no phase {phase}")


def amount_behind(
    venue: HedgeVenue,
    shard: Shard,
    policy: Policy,
    terms: JointTerms,
    phase: Phase,
    *,
    first: Iterable[Draft],
) -> RawAmount:
    """Size a phase of the hedge's part behind transactions that are not mined, by the least that they bring.

    Nothing where it would do harm without them, or where the least does not suffice for it.
    """
    held, wallet, drafts = venue.position(shard, policy), in_wallet(shard, policy, "up"), tuple(first)
    if phase == "borrow":
        supplied = sum(each.change.collateral for each in drafts if isinstance(each, HedgeDraft))
        secured = Secured(venue, shard, policy, HedgeChange(collateral=supplied))
        missing = max(terms.owed - held.size, 0)
        amount = part_or_all(secured.most_more(missing, 0), missing)
    else:
        minimums = (minimum for each in drafts for minimum in each.minimums)
        least = wallet.base + sum(each.delta for each in minimums if each.token == policy.base)
        amount = RawAmount(max(held.size - terms.owed, 0))
        if amount > least:
            return RawAmount(0)
    harmless = is_harmless_alone(venue, shard, policy, phase, amount=amount, usable_base=wallet.base)
    return amount if harmless else RawAmount(0)


def change_of(venue: HedgeVenue, shard: Shard, policy: Policy, terms: JointTerms) -> HedgeChange:
    """Return what the hedge's part comes to at once: what of it is borrowed and supplied, or repaid."""
    more = terms.owed - venue.position(shard, policy).size
    if more <= 0:
        return HedgeChange(size=more)
    return HedgeChange(size=more, collateral=amount_of(venue, shard, policy, terms, "supply"))


@contextmanager
def as_if_done(shard: Shard, policy: Policy, moved: Stock, change: HedgeChange) -> Iterator[Stock]:
    """Look at a book as if a change had been made: its wallet has what was borrowed, and lacks what was supplied or repaid.

    Gives the book without what it has at the hedge's venue, as it would be then.
    """
    savepoint = shard.tables.savepoint()
    try:
        for token, delta in ((policy.base, change.size), (policy.collateral_token, -change.collateral)):
            key = keys.balance(policy.owner, token)
            held = shard.tables.need(key, Balance)
            shard.tables.put(
                key, msgspec.structs.replace(held, amount=RawAmount(max(held.amount + delta, 0)))
            )
        yield stock_after(policy, moved, change)
    finally:
        shard.tables.undo(savepoint)


def stock_after(policy: Policy, moved: Stock, change: HedgeChange) -> Stock:
    """Return what a book has besides what is at the hedge's venue once a change is made there, `moved` being what it has now."""
    base = moved.base_amount + change.size
    base_value = moved.prices[policy.base].value(base)
    supplied = collateral_price(policy, moved.prices).value(change.collateral)
    value = moved.value_quote - moved.base_value_quote + base_value - supplied
    counts_as_quote = policy.collateral_token in {policy.quote, *policy.quote_equivalents}
    return msgspec.structs.replace(
        moved,
        base_amount=RawAmount(base),
        quote_amount=RawAmount(moved.quote_amount - (supplied if counts_as_quote else 0)),
        base_value_quote=RawAmount(base_value),
        value_quote=RawAmount(value),
        base_share_bps=Bps(base_value * WHOLE_BPS // value if value > 0 else 0),
    )
