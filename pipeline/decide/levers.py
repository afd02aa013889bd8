"""The ways to bring a book to its target: each lever applies or says why not, and one is chosen."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from pipeline import keys
from pipeline.decide.strategies import Target
from pipeline.messages.goals import GoalKind
from pipeline.messages.policy import Policy
from pipeline.units import Address

Lever = Literal["rerange", "hedge", "both"]


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """A lever that would bring the book nearer to its target, with what it would do."""

    lever: Lever
    target: Target


class Unfit(msgspec.Struct, frozen=True, kw_only=True):
    """A lever that does not apply, and why."""

    lever: Lever
    reason: Literal["no_lever"]
    item: str
    """The item that the lever does not move."""


def is_hedge(judged: object) -> bool:
    """Return whether a judgement is about a step of a hedge."""
    return isinstance(judged, Option) and judged.lever == "hedge"


def goal_kind(chosen: Option) -> GoalKind:
    """Return the kind of goal that an option's plan has."""
    kinds: Mapping[Lever, GoalKind] = {"rerange": "rerange", "hedge": "hedge_to", "both": "rerange_hedged"}
    return kinds[chosen.lever]


def offer_rerange(target: Target, farthest: Address, policy: Policy) -> Option | Unfit:
    """Offer a re-range; it moves base and quote, so it does not apply where another token is farthest from its target."""
    if target.trigger == "share_outside_band" and farthest != policy.base:
        return Unfit(lever="rerange", reason="no_lever", item=keys.token(farthest))
    return Option(lever="rerange", target=target)


LEVERS: Mapping[Lever, Callable[[Target, Address, Policy], Option | Unfit]] = {"rerange": offer_rerange}
"""In the order in which they are preferred."""


def choose(target: Target, farthest: Address, policy: Policy) -> Option | Unfit:
    """Choose the first lever that applies; where none does, the last one says why."""
    offers = [offer(target, farthest, policy) for offer in LEVERS.values()]
    return next((offer for offer in offers if isinstance(offer, Option)), offers[-1])
