"""Check the price by which a hedge's venue liquidates: refuse one that is old or far from the reference price."""

from collections.abc import Mapping

from pipeline.book.pricing import apart_bps
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address
from pipeline.venues.hedging.goal import collateral_price, need_hedge


def why_far(
    venue: HedgeVenue, shard: Shard, policy: Policy, reference: Price, prices: Mapping[Address, Price]
) -> str | None:
    """Explain why the venue's price of the base is too far from a reference; None: it is near. Raises: PipelineError.

    It liquidates by what the base costs in collateral, so that is compared: the reference is in quote, the book's price of the
    collateral too.
    """
    most = need_hedge(policy).oracle_within_bps
    own = venue.base_price(shard, policy)
    if own is None:
        return "the venue has no price of base and collateral"
    apart = apart_bps(own, reference.times(collateral_price(policy, prices).inverse()))
    return f"the venue's price is {apart} bps from the reference, more than {most}" if apart > most else None


def why_old(venue: HedgeVenue, shard: Shard, policy: Policy) -> str | None:
    """Explain why the venue's price is too old; None: it is not, or its age is not known. Raises: PipelineError."""
    age_s, most_s = venue.price_age_s(shard, policy), need_hedge(policy).oracle_age_s
    if age_s is None or age_s <= most_s:
        return None
    return f"the venue's price was told {age_s} s ago, more than {most_s}"
