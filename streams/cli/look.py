"""`look`: an owner's positions on a chain, read once from a node: no broker, no key, no configuration."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pipeline import keys
from pipeline.errors import SettingsError
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.decisions import Declined, PlanOpened, RebalanceProposed
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.forms.views import PositionView
from streams.cli.console import AsJson, print_json, print_line, print_table, run, say, settings_for
from streams.cli.holdings import book_price_text
from streams.cli.sentences import sentence
from streams.cli.wording import Named, named_in, prices_text
from streams.human import bps_text, duration_text, short
from streams.kafka.codec import encode
from streams.look.earned import Earned, earned
from streams.look.glance import Glance, PairNow, glance
from streams.look.ranges_drawn import distances_text, drawn
from streams.node.http_node import HttpNode
from streams.redaction import remember_secret
from streams.settings import Settings

_TIMEOUT_S = 10.0
_DECISIONS = (Declined, RebalanceProposed, PlanOpened)
"""What the default policy says; the rest of what a fold leads to is views."""


def look(
    owner: Annotated[str, typer.Argument(help="Whose positions: an address, or an ENS name.")],
    *,
    rpc: Annotated[
        str | None, typer.Option(help="The node's URL, instead of EVENKEEL_RPC_URL.", metavar="URL")
    ] = None,
    block: Annotated[int | None, typer.Option(help="At this block, not at the newest.", min=1)] = None,
    chain: Annotated[
        Path | None,
        typer.Option(help="A file whose `chain:` says where Uniswap V3 stands, as a portfolio's does."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write a portfolio file for what was found, to go on from.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at an owner's positions: ranges, amounts, fees, and what the default policy would do. Sends nothing."""
    settings = settings_for("look")
    if write is not None and write.exists():
        raise SettingsError(f"{write} exists: name another file")
    seen = run(_glance(settings, rpc, owner, block, chain))
    if as_json:
        print_json(json.dumps(_as_json(seen)))
    else:
        _print(seen)
    if write is not None and seen.pairs:
        write.write_text(seen.suggested, encoding="utf-8")
        say(f"wrote {write}: book {seen.pairs[0].pair.name}, in mode dry-run. Next: evenkeel check {write}")


async def _glance(
    settings: Settings, rpc: str | None, owner: str, block: int | None, chain: Path | None
) -> Glance:
    url = settings.rpc_urls[0] if rpc is None else rpc
    if not url.startswith(("http://", "https://")):
        raise SettingsError("--rpc: must be an http:// or https:// URL")
    remember_secret(url)
    node = HttpNode(url, timeout_s=_TIMEOUT_S)
    try:
        return await glance(node, owner, block=block, chain_file=chain, folder=settings.folder)
    finally:
        await node.close()


# ------------------------------------------------------------------ for people
def _print(seen: Glance) -> None:
    head = seen.head.block
    age = duration_text(max(0, int(time.time()) - head.timestamp_s))
    print_line(f"{seen.found.owner} on chain {seen.chain_id} at block {head.number}, {age} old")
    for each in seen.pairs:
        _print_pair(each, seen)
    for text in _beside(seen):
        say(text)


def _print_pair(each: PairNow, seen: Glance) -> None:
    policy, pair = each.book.policy, each.pair
    title = f"{pair.base.symbol}/{pair.quote.symbol} positions"
    columns = [
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
    ]
    views = each.book.position_views()
    print_table(title, columns, [_position_row(each, view, seen) for view in views])
    view = each.book.view()
    if view is None:
        say(f"what the {pair.name} positions are worth is not known: {'; '.join(each.book.marks)}")
        return
    names = named_in(policy)
    print_table(
        f"{pair.base.symbol}/{pair.quote.symbol} with the owner's wallet",
        [
            ">value",
            f">{pair.base.symbol}",
            f">{pair.quote.symbol}",
            f">share of {pair.base.symbol}",
            ">price",
        ],
        [
            (
                names.amount(policy.quote, view.value_quote),
                names.amount(policy.base, view.base_amount),
                names.amount(policy.quote, view.quote_amount),
                bps_text(view.base_share_bps),
                book_price_text(view, policy),
            )
        ],
    )
    for said in each.outputs:
        if isinstance(said, _DECISIONS):
            print_line(f"the default policy: {sentence(said, policy)}")


def _position_row(each: PairNow, view: PositionView, seen: Glance) -> tuple[str, ...]:
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
        _both(names, pool, (view.principal0, view.principal1)),
        _both(names, pool, (view.fees0, view.fees1)),
        names.amount(policy.quote, _worth(view, pool, base_is_0=base_is_0)),
        *_earned_cells(each, view, seen),
    )


def _earned_cells(each: PairNow, view: PositionView, seen: Glance) -> tuple[str, str]:
    told = _earned(each, view, seen)
    if told is None:
        return "?", "?"
    apr = "?" if told.fee_apr_bps is None else bps_text(told.fee_apr_bps)
    quote = each.book.policy.quote
    return apr, named_in(each.book.policy).amount(quote, told.against_holding_quote)


def _earned(each: PairNow, view: PositionView, seen: Glance) -> Earned | None:
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


def _both(names: Named, pool: Pool, amounts: tuple[RawAmount, RawAmount]) -> str:
    return " + ".join(
        names.amount(token, raw) for token, raw in zip((pool.token0, pool.token1), amounts, strict=True)
    )


def _beside(seen: Glance) -> Iterator[str]:
    """Say what the tables do not show."""
    if not seen.pairs:
        yield f"{short(seen.found.owner)} has no open position in Uniswap V3 on chain {seen.chain_id}"
    if seen.found.closed:
        yield f"of the owner's NFTs, {seen.found.closed} {'holds' if seen.found.closed == 1 else 'hold'} nothing any more"
    for text in seen.found.unread:
        yield f"not read: {text}"
    for each in seen.pairs:
        for mark in each.book.marks:
            yield f"{each.pair.name}: {mark}"
    if seen.no_history is not None:
        yield f"what was put in is not known, so no fee APR: {seen.no_history}"
    elif seen.pairs:
        yield "fee APR: all fees since the mint, on what was in the position on average; both, and holding, at the price of now"
    if len(seen.pairs) > 1:
        yield "each pair is shown with the owner's whole wallet of its two tokens: a token in two pairs is in both"


# ------------------------------------------------------------------ for programs
def _as_json(seen: Glance) -> dict[str, object]:
    return {
        "owner": seen.found.owner,
        "chain_id": str(seen.chain_id),
        "block": str(seen.head.block.number),
        "block_hash": seen.head.block.hash,
        "closed": str(seen.found.closed),
        "not_read": list(seen.found.unread),
        "no_history": seen.no_history,
        "pairs": [_pair_as_json(each, seen) for each in seen.pairs],
    }


def _pair_as_json(each: PairNow, seen: Glance) -> dict[str, object]:
    view = each.book.view()
    return {
        "book": each.pair.name,
        "base": each.pair.base.address,
        "quote": each.pair.quote.address,
        "inventory": None if view is None else json.loads(encode(view)),
        "positions": [
            {**json.loads(encode(view)), "earned": _earned_as_json(_earned(each, view, seen))}
            for view in each.book.position_views()
        ],
        "marks": list(each.book.marks),
        "decisions": [json.loads(encode(said)) for said in each.outputs if isinstance(said, _DECISIONS)],
    }


def _earned_as_json(told: Earned | None) -> dict[str, str | None] | None:
    if told is None:
        return None
    return {
        name: None if value is None else str(value) for name, value in msgspec.structs.asdict(told).items()
    }
