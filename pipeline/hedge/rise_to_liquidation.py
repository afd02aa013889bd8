"""Compute how far the base's price may rise until a hedge may be liquidated, from its health factor."""

import bisect

from pipeline.book.inventory import WHOLE_BPS
from pipeline.hedge.port import HedgeChange, HedgeVenue
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard

MOST_BPS = 1_000_000
"""A price a hundred times as high is as good as any."""


def rise_to_liquidation_bps(
    venue: HedgeVenue, shard: Shard, policy: Policy, *, more_collateral: int = 0
) -> int | None:
    """Find the smallest rise of the price at which health is below 1, with some collateral added. Units: whole bps of the price.

    None where there is no position, or no rise up to `MOST_BPS` leads there. Raises: PipelineError where the position is not known.
    """
    change = HedgeChange(collateral=more_collateral)

    def below_one(rise_bps: int) -> int:
        health_bps = venue.health_after(shard, policy, change, base_up_bps=rise_bps)
        return int(health_bps is not None and health_bps < WHOLE_BPS)

    found = bisect.bisect_left(range(MOST_BPS + 1), 1, key=below_one)
    return None if found > MOST_BPS else found
