"""Apply the rarer events of a pool: initialisation, flash loans, protocol fees, a larger ring of observations."""

from pipeline.math.fixed_point import PIPS, div_up
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96, is_at_tick, tick_at_sqrt_price
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.forms.facts import (
    CardinalityGrown,
    Flashed,
    Initialized,
    ProtocolFeesCollected,
    ProtocolFeeSet,
)
from pipeline.venues.uniswap_v3.oracle import GROWN_SLOT, first_slot
from pipeline.venues.uniswap_v3.working_pool import WorkingPool, drifted, impossible


def replay_initialize(pool: WorkingPool, fact: Initialized, timestamp_s: int) -> None:
    """Set the pool's first price and observation.

    Raises: ImpossibleFactError if it has one or the price cannot be, PoolDriftedError by its tick.
    """
    if pool.sqrt_price_x96:
        raise impossible(fact, "the pool has a price already")
    if not MIN_SQRT_PRICE_X96 <= fact.sqrt_price_x96 < MAX_SQRT_PRICE_X96:
        raise impossible(fact, f"no pool stands at sqrt price {fact.sqrt_price_x96}")
    if not is_at_tick(fact.sqrt_price_x96, fact.tick):
        raise drifted(fact, "tick", fact.tick, tick_at_sqrt_price(fact.sqrt_price_x96))
    pool.sqrt_price_x96, pool.tick = fact.sqrt_price_x96, fact.tick
    pool.observation_index, pool.observation_cardinality, pool.observation_cardinality_next = 0, 1, 1
    pool.observations[0] = first_slot(timestamp_s)
    pool.touched_observations.add(0)
    pool.find_stops()


def replay_flash(pool: WorkingPool, flash: Flashed) -> None:
    """Distribute the fees of a flash loan. Raises: ImpossibleFactError if it paid less than its fee, or nobody was in range."""
    if not pool.liquidity:
        raise impossible(flash, "nobody is in range to lend")
    for lent, paid in ((flash.amount0, flash.paid0), (flash.amount1, flash.paid1)):
        if paid < div_up(lent * pool.fee_pips, PIPS):
            raise impossible(flash, f"{paid} paid for {lent} is less than the fee")
    pool.book_fee(flash.paid0, token0=True)
    pool.book_fee(flash.paid1, token0=False)


def replay_protocol_fee(pool: WorkingPool, fact: ProtocolFeeSet) -> None:
    """Change the protocol's share of future fees."""
    pool.fee_protocol0, pool.fee_protocol1 = fact.fee_protocol0, fact.fee_protocol1


def replay_protocol_collect(pool: WorkingPool, fact: ProtocolFeesCollected) -> None:
    """Pay the protocol. Raises: PoolDriftedError if that is more than it had."""
    if fact.amount0 > pool.protocol_fees0:
        raise drifted(fact, "amount0", fact.amount0, f"at most {pool.protocol_fees0}")
    if fact.amount1 > pool.protocol_fees1:
        raise drifted(fact, "amount1", fact.amount1, f"at most {pool.protocol_fees1}")
    pool.protocol_fees0 = RawAmount(pool.protocol_fees0 - fact.amount0)
    pool.protocol_fees1 = RawAmount(pool.protocol_fees1 - fact.amount1)


def replay_cardinality(pool: WorkingPool, fact: CardinalityGrown) -> None:
    """Add slots that the ring will grow into. Raises: ImpossibleFactError if their number does not grow."""
    before, after = pool.observation_cardinality_next, fact.observation_cardinality_next
    if not 0 < before < after:
        raise impossible(fact, f"a ring of {before} does not grow to {after}")
    for index in range(before, after):
        pool.observations[index] = GROWN_SLOT
    pool.touched_observations.update(range(before, after))
    pool.observation_cardinality_next = after
