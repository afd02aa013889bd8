"""`volatility`: estimate a market's volatility from a pool's prices, corrected for the fee's band."""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import SettingsError
from pipeline.statistics.clock import LogPrices
from pipeline.statistics.volatility import PPM, AtStride, Volatility, estimate, signature
from streams.chain_numbers import numbers_of
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.cli.curve import Plot
from streams.cli.plots import draw_signature, require_plots
from streams.human_numbers import duration_text, parse_bps, parse_seconds, short
from streams.kafka.readers import reading
from streams.kafka.wire import wire_form
from streams.pool_prices import PoolPrices, parse_prices, priced_pools
from streams.run_folder import read_text
from streams.settings import Settings
from streams.yaml_positions import did_you_mean

_STRIDES = (">stride", ">as shown", ">corrected", "long enough")
_ESTIMATE = (">volatility", ">from", ">to", ">without jumps", ">jumps, of variance", ">moves", ">stride")


class _Source(NamedTuple):
    """Prices, and what hides a part of their moves."""

    name: str
    prices: LogPrices
    fee: float
    block_s: int


def volatility(
    pool: Annotated[str, typer.Argument(help="A pool's address, or a file with lines time_s,price.")],
    *,
    fee: Annotated[
        str | None, typer.Option(help="The pool's fee for a file of prices, such as 0.3%.")
    ] = None,
    block: Annotated[
        str | None, typer.Option(help="The time between blocks for a file of prices, such as 12s.")
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Estimate a market's volatility per year from a pool's prices: of all moves, of those without jumps, and the interval.

    A pool shows moves only beyond the band of its fee. So the pool of the pair with the smallest fee is taken, and what its band hides is
    added. Its prices are those of published swaps or the ones that its shard keeps (price_history in the portfolio file), whichever reach
    further back. The first table, and the picture, are the signature: the volatility by the stride of the clock, before and after.
    """
    if plot is not None:
        require_plots(plot)
    source = _of_file(Path(pool), fee, block) if Path(pool).is_file() else _of_pool(pool, fee, block)
    found = estimate(source.prices, source.fee, source.block_s)
    strides = signature(source.prices, source.fee, source.block_s)
    if plot is not None:
        draw_signature(f"volatility by {source.name}", strides, found, plot)
    if as_json:
        print_json(json.dumps(wire_form(found)))
        return
    print_table(f"volatility by {source.name}", _STRIDES, [_row(each) for each in strides])
    print_table("estimate", _ESTIMATE, [_cells(found)])
    if not found.at.is_long:
        say("too short a time for this fee: the band hides most of what moved, and the correction is rough")


def _of_file(path: Path, fee: str | None, block: str | None) -> _Source:
    if fee is None or block is None:
        raise SettingsError(
            f"{path} does not say its pool's fee and the time between blocks: add --fee and --block"
        )
    try:
        share, block_s = parse_bps(fee) / WHOLE_BPS, parse_seconds(block)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return _Source(path.name, parse_prices(read_text(path), str(path)), share, block_s)


def _of_pool(pool: str, fee: str | None, block: str | None) -> _Source:
    if fee or block:
        raise SettingsError("--fee and --block are for a file: a pool's are known")
    settings = settings_for("volatility")
    pools = run(_read(settings))
    asked = next((each for each in pools if each.pool == pool.lower()), None)
    if asked is None:
        raise SettingsError(
            f"no swaps of a pool {pool} were published, and no prices of it are kept{did_you_mean(pool, [each.pool for each in pools])}"
        )
    taken = next(each for each in pools if each.tokens == asked.tokens)
    if taken is not asked:
        say(
            f"taken from {taken.pool}, whose fee is the smallest of the pair's: {_fee(taken)}, not {_fee(asked)}"
        )
    if taken.source == "state":
        say(f"from the prices that its shard keeps, one every {duration_text(taken.prices.every_s)}")
    return _Source(
        f"{short(taken.pool)} ({_fee(taken)})",
        taken.prices,
        taken.fee_pips / PPM,
        numbers_of(settings.chain).block_s,
    )


async def _read(settings: Settings) -> list[PoolPrices]:
    async with reading(settings.kafka) as reader:
        return await priced_pools(reader, settings.chain)


def _fee(pool: PoolPrices) -> str:
    return f"{pool.fee_pips / 10_000:g}%"


def _row(each: AtStride) -> tuple[str, ...]:
    return (
        duration_text(each.stride_s),
        _percent(each.shown_ppm),
        _percent(each.corrected_ppm),
        "yes" if each.is_long else "",
    )


def _cells(found: Volatility) -> tuple[str, ...]:
    levels = (found.sigma_ppm, found.low_ppm, found.high_ppm, found.diffusive_ppm, found.jump_share_ppm)
    return (*map(_percent, levels), str(found.moves), duration_text(found.at.stride_s))


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.2f}%"
