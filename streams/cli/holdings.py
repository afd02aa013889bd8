"""`positions` and `inventory`: show what the books hold at their shards' heads, and what makes it outdated or uncertain."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import typer

from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView
from pipeline.units import Bps
from streams.cli.completing import books
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.cli.departure_words import left_text
from streams.cli.processes import silences
from streams.cli.token_facts import token_facts
from streams.cli.venues.registry import shown_as, shown_of_item
from streams.cli.wording import named_in, pair_price_text
from streams.human_numbers import bps_text, duration_text, short
from streams.kafka.codec import encode
from streams.kafka.readers import reading
from streams.kafka.wire import wire_form
from streams.present_books import BookNow, ShardNow, books_now
from streams.settings import Settings
from streams.yaml_positions import did_you_mean

OneBook = Annotated[str | None, typer.Option("--book", help="Only this book.", autocompletion=books)]

STALE_S = 60
"""A log without a new record for longer stands still: a chain has a block every few seconds."""
_NAMED = 8
"""How many of the positions that are set apart are named."""
_SLOW_S = 10
"""Records that wait for longer have no worker."""


# ------------------------------------------------------------------ inventory
def inventory(*, book: OneBook = None, as_json: AsJson = False) -> None:
    """Show each book's inventory: its value, its base share against the band, where it is held, and whether it is up to date."""
    settings = settings_for("inventory")
    books, silent = run(read_books(settings))
    books = chosen_books(books, book)
    if as_json:
        for each in books:
            print_json(json.dumps(_as_json(each)))
        return
    columns = [
        "book",
        ">share",
        ">target",
        ">deviation",
        ">value",
        ">base",
        ">quote",
        ">price",
        ">block",
        ">age",
        "~state",
    ]
    print_table(
        f"inventory on chain {settings.chain}, prices in quote per base",
        columns,
        [_book_row(each) for each in books],
    )
    _say_what_is_set_apart(books)
    where = [row for each in books for row in _holding_rows(each)]
    if where:
        print_table("where it lies", ["book", ">wallets", ">native", ">positions", ">fees"], where)
    shares = [row for each in books for row in _share_rows(each)]
    if shares:
        print_table("shares", ["book", "token", ">value", ">share", ">target", ">off"], shares)
    _say_what_left(books)
    _say_all(silent)
    _say_if_none(books)


def _book_row(book: BookNow) -> tuple[str, ...]:
    policy, view = book.policy, book.view()
    strategy = policy.strategy
    target = f"{bps_text(strategy.target_share_bps)} ±{bps_text(strategy.band_bps)}"
    return (
        policy.book,
        *_inventory_cells(policy, view, target),
        "" if book.at.head is None else str(book.at.head.number),
        age_text(book.at),
        "; ".join(state_of(book)) or "well",
    )


def _inventory_cells(policy: Policy, view: BookView | None, target: str) -> tuple[str, ...]:
    if view is None:
        return ("?", target, "?", "?", "?", "?", "?")
    names = named_in(policy)
    return (
        bps_text(view.base_share_bps),
        target,
        bps_text(view.deviation_bps),
        names.amount(policy.quote, view.value_quote),
        names.amount(policy.base, view.base_amount),
        names.amount(policy.quote, view.quote_amount),
        pair_price_text(policy, view.price),
    )


def _holding_rows(book: BookNow) -> Iterator[tuple[str, ...]]:
    names = named_in(book.policy)
    for holding in book.stock.holdings if book.stock is not None else ():
        parts = (holding.wallet, holding.native, holding.principal, holding.fees)
        yield (book.policy.book, *(names.amount(holding.token, raw) for raw in parts))


def _share_rows(book: BookNow) -> Iterator[tuple[str, ...]]:
    """List the shares of a book that has more than base and quote."""
    view, names = book.view(), named_in(book.policy)
    for each in (view.shares or ()) if view is not None else ():
        target = each.target_share_bps
        yield (
            book.policy.book,
            names.tokens.get(each.token, (short(each.token), 0))[0],
            names.amount(book.policy.quote, each.value_quote),
            bps_text(each.share_bps),
            "any" if target is None else bps_text(target),
            "" if target is None else bps_text(Bps(each.share_bps - target)),
        )


def _as_json(book: BookNow) -> dict[str, object]:
    view = book.view()
    fields = {"book": book.policy.book} if view is None else json.loads(encode(view))
    return {**fields, **token_facts(book.policy), **_certainty(book)}


def _certainty(book: BookNow) -> dict[str, object]:
    age_s = _age_s(book.at)
    return {
        "mode": book.policy.mode,
        "block": None if book.at.head is None else str(book.at.head.number),
        "age_s": None if age_s is None else str(age_s),
        "records_behind": str(book.at.records_behind),
        "set_apart": list(book.set_apart),
        "left": [{"item": item, **wire_form(each)} for item, each in book.left],
        "marks": list(state_of(book)),
    }


# ------------------------------------------------------------------ positions
def positions(*, book: OneBook = None, as_json: AsJson = False) -> None:
    """Show each position: its range in prices, its principal and its uncollected fees."""
    settings = settings_for("positions")
    books, silent = run(read_books(settings))
    books = chosen_books(books, book)
    if as_json:
        for each in books:
            for view in each.position_views():
                shown = {**json.loads(encode(view)), **token_facts(each.policy), **_certainty(each)}
                print_json(json.dumps(shown))
        return
    _print_positions(settings, books)
    _say_what_is_set_apart(books)
    for each in books:
        if each.stock is None:
            say(f"{each.policy.book}: its positions are not known: {'; '.join(state_of(each))}")
    _say_all(silent)
    _say_if_none(books)


def _print_positions(settings: Settings, books: Sequence[BookNow]) -> None:
    """Print a table for each kind of venue at which books have positions; an empty one where there are none."""
    kinds = dict.fromkeys(held.kind for each in books for held in each.positions) or (UNISWAP_V3,)
    for kind in kinds:
        shown = shown_as(kind)
        where = "" if len(kinds) == 1 else f" at {kind}"
        columns = ["book", *shown.columns, ">block", "~state"]
        rows = [
            _position_row(each, shown.cells(each, held.held))
            for each in books
            for held in each.positions
            if held.kind == kind
        ]
        print_table(f"positions on chain {settings.chain}{where}", columns, rows)


def _position_row(book: BookNow, cells: Sequence[str]) -> tuple[str, ...]:
    head = book.at.head
    return (
        book.policy.book,
        *cells,
        "" if head is None else str(head.number),
        "; ".join(state_of(book)) or "well",
    )


# ------------------------------------------------------------------ how sure it is
def state_of(book: BookNow) -> tuple[str, ...]:
    """List what makes a book's numbers old or unsure, or keeps it from acting; nothing: they are of now."""
    return (*book.marks, *staleness(book.at))


def staleness(at: ShardNow) -> Iterator[str]:
    """Report that a shard's state is behind its log, or that its log stands still."""
    age_s = _age_s(at)
    if at.records_behind and age_s is not None and age_s > _SLOW_S:
        yield (f"{at.records_behind} records behind for {duration_text(age_s)}: is `evenkeel work` running?")
    elif age_s is not None and age_s > STALE_S:
        yield f"no new block for {duration_text(age_s)}: is `evenkeel watch` running, and its node well?"


def age_text(at: ShardNow) -> str:
    """Show how long ago the newest record that the numbers rest on, or the oldest that they lack, was appended."""
    age_s = _age_s(at)
    return "" if age_s is None else duration_text(age_s)


def _age_s(at: ShardNow) -> int | None:
    return None if at.waiting_since_ms is None else max(0, int(time.time() - at.waiting_since_ms / 1000))


# ------------------------------------------------------------------ reading
async def read_books(settings: Settings) -> tuple[list[BookNow], list[str]]:
    """Compute the books, and say which processes have fallen silent."""
    async with reading(settings.kafka) as reader:
        books = await books_now(reader, settings.chain, settings.partitions)
        return books, await silences(reader, settings.chain)


def chosen_books(books: Sequence[BookNow], name: str | None) -> list[BookNow]:
    """Take one book, or all. Raises: SettingsError naming the books there are."""
    known = [book.policy.book for book in books]
    if name is not None and name not in known:
        raise SettingsError(no_such_book(name, known))
    return [book for book in books if name in {None, book.policy.book}]


def no_such_book(name: str, known: Iterable[str]) -> str:
    """Report that a book is not there, and which one may be meant, else which there are."""
    names = sorted(known)
    return f"there is no book {name}{did_you_mean(name, names) if names else '; there are no books yet'}"


def _say_what_is_set_apart(books: Iterable[BookNow]) -> None:
    """Name the positions of each owner that its book does without, a few of them."""
    for each in books:
        if each.set_apart:
            more = f" and {len(each.set_apart) - _NAMED} more" if len(each.set_apart) > _NAMED else ""
            shown = shown_of_item(each.set_apart[0])
            names = ", ".join(shown.call(item) for item in each.set_apart[:_NAMED])
            say(
                f"{each.policy.book}: does without {shown.noun} {names}{more}, "
                "which somebody else sent or an operator left out: `evenkeel adopt ID` takes one in"
            )


def _say_what_left(books: Iterable[BookNow]) -> None:
    """Name the positions that left each book: what they were worth, when, and by which transaction."""
    for each in books:
        for item, left in each.left[:_NAMED]:
            say(f"{each.policy.book}: {left_text(item, left, each.policy)}")
        if len(each.left) > _NAMED:
            noun = shown_of_item(each.left[0][0]).noun
            say(f"{each.policy.book}: {len(each.left) - _NAMED} more {noun}s have left in the last 30 days")


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _say_if_none(books: Iterable[BookNow]) -> None:
    if not list(books):
        say("there are no books yet: `evenkeel init`, then `evenkeel apply`")
