"""`look`: show an owner's positions on a chain, read from a node without broker, key or configuration."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pipeline.errors import SettingsError
from pipeline.messages.decisions import Declined, PlanOpened, RebalanceProposed
from streams.cli.console import (
    HIGHEST_BLOCK,
    AsJson,
    out,
    print_json,
    print_line,
    print_table,
    run,
    say,
    settings_for,
)
from streams.cli.hedge import as_object as hedge_as_object
from streams.cli.hedge import print_hedges
from streams.cli.looking import LookAsked, looks
from streams.cli.sentences import sentence
from streams.cli.venues.uniswap_v3.look_rows import COLUMNS, earned_by, position_row, views_of
from streams.cli.wording import named_in, pair_price_text, price_unit
from streams.human_numbers import bps_text, duration_text, short
from streams.kafka.codec import encode
from streams.look.account_before import describe_pending, standing_text
from streams.look.earnings import Earned
from streams.look.owner_report import Glance, PairNow
from streams.node.venues.port import AccountStanding
from streams.settings import Settings

_DECISIONS = (Declined, RebalanceProposed, PlanOpened)
"""What the default policy says; the rest of what a fold leads to is views."""


def look(
    owner: Annotated[str, typer.Argument(help="The owner of the positions: an address or an ENS name.")],
    *,
    rpc: Annotated[
        str | None, typer.Option(help="The node's URL, instead of EVENKEEL_RPC_URL.", metavar="URL")
    ] = None,
    block: Annotated[
        int | None, typer.Option(help="Show this block instead of the newest.", min=1, max=HIGHEST_BLOCK)
    ] = None,
    chain: Annotated[
        Path | None,
        typer.Option(help="A file that describes the chain: its own .toml, or a portfolio's `chain:`."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write a portfolio file for what was found, as a starting point.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again at each new block, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an owner's positions: ranges, amounts, fees, and what the default policy would do. Sends nothing."""
    settings = settings_for("look")
    if write is not None:
        _check_is_new(write)
    if watch and (block is not None or write is not None):
        raise SettingsError("--watch: shows each new block, so it takes neither --block nor --write")
    seen = run(_show(settings, LookAsked(owner, rpc, block, chain), watch=watch, as_json=as_json))
    if write is not None:
        _write(write, seen)


def _write(file: Path, seen: Glance) -> None:
    """Write the portfolio file to go on from. Raises: SettingsError where nothing was found that could be in it."""
    if not seen.pairs:
        raise SettingsError(f"--write: {file} is not written: there is no open position to go on from")
    file.write_text(seen.suggested, encoding="utf-8")
    say(f"wrote {file}: book {seen.pairs[0].pair.name}, in mode dry-run. Next: evenkeel check {file}")
    if "hedge:" in seen.suggested:
        say(
            "its debt of the base is adopted as its hedge: `ratio: 0%` would close it, a book without `hedge:` leaves it alone"
        )


def _check_is_new(file: Path) -> None:
    """Refuse, before anything is read, a file that is there already or whose folder is not. Raises: SettingsError."""
    if file.exists():
        raise SettingsError(f"--write: {file} exists: name another file")
    if not file.parent.is_dir():
        raise SettingsError(f"--write: there is no folder {file.parent}")


async def _show(settings: Settings, asked: LookAsked, *, watch: bool, as_json: bool) -> Glance:
    """Show each look, and return the last; on a terminal that watches, in place of the one before."""
    async for seen in looks(settings, asked, again=watch):
        if as_json:
            print_json(json.dumps(_as_json(seen)))
            continue
        if watch:
            out().clear()  # of a terminal; anything else takes one look behind the other
        _print(seen)
    return seen


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
    title = f"{pair.base.symbol}/{pair.quote.symbol} positions, ranges in {price_unit(policy)}"
    print_table(title, COLUMNS, [position_row(each, view, seen) for view in views_of(each)])
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
            f">{price_unit(policy)}",
        ],
        [
            (
                names.amount(policy.quote, view.value_quote),
                names.amount(policy.base, view.base_amount),
                names.amount(policy.quote, view.quote_amount),
                bps_text(view.base_share_bps),
                pair_price_text(policy, view.price),
            )
        ],
    )
    if seen.lending_account is not None and seen.lending_account.counts:
        print_hedges([each.book])
    for said in each.outputs:
        if isinstance(said, _DECISIONS):
            print_line(f"the default policy: {sentence(said, policy)}")


def _beside(seen: Glance) -> Iterator[str]:
    """Describe what the tables do not show."""
    if not seen.pairs:
        yield f"{short(seen.found.owner)} has no open position in Uniswap V3 on chain {seen.chain_id}"
    if seen.found.closed:
        yield f"of the owner's NFTs, {seen.found.closed} {'holds' if seen.found.closed == 1 else 'hold'} nothing any more"
    for text in seen.found.unread:
        yield f"not read: {text}"
    yield from _brought(seen)
    for each in seen.pairs:
        for mark in each.book.marks:
            yield f"{each.pair.name}: {mark}"
    if seen.no_history is not None:
        yield f"what was put in is not known, so no fee APR: {seen.no_history}"
    elif seen.pairs:
        yield "fee APR: all fees since the mint, on what was in the position on average; both, and holding, at the price of now"
    if len(seen.pairs) > 1:
        yield "each pair is shown with the owner's whole wallet of its two tokens: a token in two pairs is in both"


def _brought(seen: Glance) -> Iterator[str]:
    """Describe what the owner brings along beside positions."""
    if seen.no_lending_account is not None:
        yield f"what the owner owes at a lending market is not known: {seen.no_lending_account}"
    account = seen.lending_account
    if account is not None and account.is_there:
        counts = "it counts in each pair that has its tokens" if account.counts else "it does not count here"
        why = "" if account.unfollowed is None else f", for {account.unfollowed}"
        yield f"the owner {standing_text(account)} at {account.venue.name}: {counts}{why}"
    yield from describe_pending(seen.found.owner, seen.waiting)
    for each in seen.pairs:
        yield from each.allowed


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
        "lending_account": None if seen.lending_account is None else _account_as_json(seen.lending_account),
        "no_lending_account": seen.no_lending_account,
        "waiting_nonces": [str(nonce) for nonce in seen.waiting],
        "pairs": [_pair_as_json(each, seen) for each in seen.pairs],
    }


def _account_as_json(account: AccountStanding) -> dict[str, str | None]:
    return {
        "venue": account.venue.name,
        "collateral": str(account.collateral),
        "debt": str(account.debt),
        "unit": str(account.unit),
        "health_wad": str(account.health_wad),
        "unfollowed": account.unfollowed,
    }


def _pair_as_json(each: PairNow, seen: Glance) -> dict[str, object]:
    view, hedged = each.book.view(), hedge_as_object(each.book)
    return {
        "book": each.pair.name,
        "base": each.pair.base.address,
        "quote": each.pair.quote.address,
        "inventory": None if view is None else json.loads(encode(view)),
        "positions": [
            {**json.loads(encode(view)), "earned": _earned_as_json(earned_by(each, view, seen))}
            for view in views_of(each)
        ],
        "marks": list(each.book.marks),
        "allowances": list(each.allowed),
        "exposures": hedged["exposures"],
        "lending_accounts": hedged["lending_accounts"],
        "decisions": [json.loads(encode(said)) for said in each.outputs if isinstance(said, _DECISIONS)],
    }


def _earned_as_json(told: Earned | None) -> dict[str, str | None] | None:
    if told is None:
        return None
    return {
        name: None if value is None else str(value) for name, value in msgspec.structs.asdict(told).items()
    }
