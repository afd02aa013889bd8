"""Show an owner's NFTs for `look`: each range against the price, its fees and its return."""

from pipeline import keys
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.forms.views import PositionView
from streams.cli.venues.uniswap_v3.position_words import both_text
from streams.cli.venues.uniswap_v3.ranges import prices_text
from streams.cli.wording import named_in
from streams.human_numbers import bps_text
from streams.look.earnings import Earned, earned
from streams.look.owner_report import Glance, PairNow
from streams.look.ranges_drawn import distances_text, drawn

COLUMNS = (
    ">NFT",
    "pool",
    ">range",
    "drawn",
    "~to its ends",
    "~principal",
    "~fees",
    ">worth",
    ">fee APR",
    ">against holding",
)


def views_of(each: PairNow) -> list[PositionView]:
    """List the views of a pair's NFTs."""
    return [view for view in each.book.position_views() if isinstance(view, PositionView)]


def position_row(each: PairNow, view: PositionView, seen: Glance) -> tuple[str, ...]:
    policy = each.book.policy
    pool = each.book.at.shard.tables.need(keys.pool(view.pool), Pool)
    base_is_0 = pool.token0 == policy.base
    names = named_in(policy)
    ticks = view.tick_lower, view.tick_upper
    return (
        str(view.token_id),
        f"{each.pair.base.symbol}/{each.pair.quote.symbol} {pool.fee_pips / 10_000:g}%",
        prices_text(ticks, (pool.decimals0, pool.decimals1), base_is_0=base_is_0),
        drawn(pool.tick, *ticks, base_is_0=base_is_0) if view.liquidity else "closed",
        distances_text(pool.sqrt_price_x96, *ticks, base_is_0=base_is_0) if view.liquidity else "",
        both_text(names, pool, (view.principal0, view.principal1)),
        both_text(names, pool, (view.fees0, view.fees1)),
        names.amount(policy.quote, _worth(view, pool, base_is_0=base_is_0)),
        *_earned_cells(each, view, seen),
    )


def _earned_cells(each: PairNow, view: PositionView, seen: Glance) -> tuple[str, str]:
    told = earned_by(each, view, seen)
    if told is None:
        return "?", "?"
    apr = "?" if told.fee_apr_bps is None else bps_text(told.fee_apr_bps)
    quote = each.book.policy.quote
    return apr, named_in(each.book.policy).amount(quote, told.against_holding_quote)


def earned_by(each: PairNow, view: PositionView, seen: Glance) -> Earned | None:
    pool = each.book.at.shard.tables.need(keys.pool(view.pool), Pool)
    base_is_0 = pool.token0 == each.book.policy.base
    return earned(
        seen.histories.get(view.token_id, []),
        seen.head.block.timestamp_s,
        (view.principal0, view.principal1),
        (view.fees0, view.fees1),
        lambda amounts: _value(amounts, pool, base_is_0=base_is_0),
    )


def _worth(view: PositionView, pool: Pool, *, base_is_0: bool) -> RawAmount:
    """Value a position with its fees at its pool's price, in the quote."""
    both = RawAmount(view.principal0 + view.fees0), RawAmount(view.principal1 + view.fees1)
    return _value(both, pool, base_is_0=base_is_0)


def _value(amounts: tuple[RawAmount, RawAmount], pool: Pool, *, base_is_0: bool) -> RawAmount:
    """Value amounts of a pool's tokens at its price, in the quote. Rounds: down, once."""
    if base_is_0:
        return RawAmount(value_in_token1(amounts[0], pool.sqrt_price_x96) + amounts[1])
    return RawAmount(value_in_token0(amounts[1], pool.sqrt_price_x96) + amounts[0])
