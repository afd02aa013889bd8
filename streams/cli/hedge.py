"""`hedge`: show how far each book is from market-neutral, and how far its loans and its short are from liquidation."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec
import typer

from pipeline.book.inventory import WHOLE_BPS
from pipeline.book.lending_accounts import LendingAccount
from pipeline.errors import HedgeError, SettingsError
from pipeline.hedge.debt_in_pair import DebtInPair, debt_in_pair, distance
from pipeline.hedge.liquidation import probability_of_liquidation
from pipeline.messages.views import Holding
from pipeline.statistics.volatility import PPM
from pipeline.units import RawAmount
from pipeline.venues.hedging.goal import collateral_price
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.cli.hedged_books import (
    CAPITAL,
    COSTS,
    HEDGES,
    capital_row,
    cost_row,
    hedge_as_object,
    hedge_row,
    other_collateral,
    shown_of,
    wallet_amount,
)
from streams.cli.holdings import OneBook, chosen_books, read_books, state_of
from streams.cli.liquidation_chances import TIMES, by_days, chance_text, horizons
from streams.cli.shorts import short_as_object, short_of, short_row
from streams.cli.token_facts import token_facts
from streams.cli.wording import named_in, share_of
from streams.kafka.wire import wire_form
from streams.present_books import BookNow

_WAD = 10**18
_USUAL_VOLATILITY = 0.6


class LendingAccountShown(NamedTuple):
    """A lending account of a book, and what it is in the book's pair; None with the reason why that is not known."""

    book: BookNow
    held: LendingAccount
    pair: DebtInPair | None
    unknown: str


def hedge(
    *,
    book: OneBook = None,
    volatility: Annotated[
        str | None,
        typer.Option(
            help="The volatility of the base's price per year, for the probability of liquidation; by default the one from which a book's ratio follows, else 60%."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show each book's hedge: ratio and net exposure against target and band, cost, and the distance of loans and short from liquidation.

    `hedged` is the debt in base as a share of the base exposure; the net exposure is all base less the debt. The cost is the interest on the
    debt less that on the collateral, and a short's funding, at present rates. The liquidation price and the probabilities of a liquidation assume that nothing is
    done until then; `wallet added` counts the collateral that the wallet can still supply.
    """
    settings = settings_for("hedge")
    per_year = None if volatility is None else _volatility(volatility)
    books, silent = run(read_books(settings))
    books = chosen_books(books, book)
    if as_json:
        for each in books:
            print_json(json.dumps(as_object(each, per_year)))
        return
    print_hedges(books, per_year)
    for line in silent:
        say(line)


def print_hedges(books: Sequence[BookNow], volatility: float | None = None) -> None:
    """Print what each book has of each token, net of what it owes, how its hedge stands, and its loans."""
    columns = ["book", "token", ">held", ">collateral", ">debt", ">net"]
    print_table("net exposure", columns, [row for each in books for row in _exposure_rows(each)])
    hedged = [(each, stands) for each in books if (stands := shown_of(each)) is not None]
    if hedged:
        print_table("hedges", HEDGES, [hedge_row(*each) for each in hedged])
        print_table("what they cost at the rates of now", COSTS, [cost_row(*each) for each in hedged])
        title = "where the capital lies, what is owed not taken off"
        print_table(title, CAPITAL, [capital_row(book) for book, _ in hedged])
    for each in books:
        for mark in each.marks if each.stock is not None else ():
            say(f"{each.policy.book}: {mark}")
    _print_liquidations(books, volatility)


def _print_liquidations(books: Sequence[BookNow], volatility: float | None) -> None:
    """Print how far each loan, and each hedge that is none, is from its liquidation."""
    shorts = [short for each in books if (short := short_of(each)) is not None]
    accounts = [account for each in books for account in lending_accounts_of(each)]
    if not accounts and not shorts:
        say("no book owes anything")
    columns = [
        "book",
        ">health",
        ">price now",
        ">liquidated at",
        ">distance",
        ">volatility",
        *(f">in {name}" for name in TIMES),
        ">wallet added",
    ]
    for what, rows in (
        ("loans", [_account_row(account, volatility) for account in accounts]),
        ("shorts", [short_row(short, volatility_of(short.book, volatility)) for short in shorts]),
    ):
        if rows:
            title = f"{what}, and the chance of their liquidation; the last column is a quarter's"
            print_table(title, columns, rows)
    for account in accounts:
        if account.pair is None:
            say(f"{account.book.policy.book}: its loan is not known in its pair: {account.unknown}")
    for each in books:
        for line in other_collateral(each):
            say(f"{each.policy.book}: {line}")


def lending_accounts_of(book: BookNow) -> Iterator[LendingAccountShown]:
    """Find a book's lending accounts, each in the book's base and quote where both have a price there."""
    for item in book.stock.items if book.stock is not None else ():
        held = item.lending_account()
        if held is None:
            continue
        try:
            yield LendingAccountShown(book, held, _in_pair(book, held), "")
        except HedgeError as error:
            yield LendingAccountShown(book, held, None, str(error))


def _in_pair(book: BookNow, held: LendingAccount) -> DebtInPair:
    """Count a loan in the book's pair, its collateral at the book's own price. Raises: HedgeError."""
    return debt_in_pair(held, book.policy.base, book.policy.collateral_token, _whole_collateral(book))


def _whole_collateral(book: BookNow) -> float:
    """Return what a whole token of the collateral is worth in whole quote. Raises: HedgeError."""
    policy = book.policy
    raw = collateral_price(policy, book.stock.prices if book.stock is not None else {})
    decimals = policy.decimals(policy.collateral_token) - policy.decimals(policy.quote)
    return raw.numerator / raw.denominator * 10.0**decimals


def chances(pair: DebtInPair, volatility: float) -> list[float]:
    """Return how likely a liquidation is within each of the times that are shown."""
    return [probability_of_liquidation(pair.position, pair.price, each) for each in horizons(volatility)]


def volatility_of(book: BookNow, asked: float | None) -> float:
    """Return by which volatility a book's chances are shown: the one asked for, that of its automatic ratio, or 60 %."""
    if asked is not None:
        return asked
    shown = shown_of(book)
    chosen_by = msgspec.UNSET if shown is None else shown.sigma_ppm
    return _USUAL_VOLATILITY if isinstance(chosen_by, msgspec.UnsetType) else chosen_by / PPM


def with_wallet(shown: LendingAccountShown, pair: DebtInPair) -> DebtInPair:
    """Take what the book's wallets have of its collateral as supplied, too, as far as the market counts it."""
    secures, decimals = shown.book.policy.collateral_token, shown.book.policy.decimals
    counts = next((each.threshold_bps for each in shown.held.assets if each.token == secures), 0)
    whole = wallet_amount(shown.book, secures) / 10 ** decimals(secures)
    more = whole * _whole_collateral(shown.book) * counts / WHOLE_BPS
    position = pair.position._replace(quote_collateral=pair.position.quote_collateral + more)
    return pair._replace(position=position)


def _exposure_rows(book: BookNow) -> Iterator[tuple[str, ...]]:
    if book.stock is None:
        yield (book.policy.book, "?", "?", "?", "?", "; ".join(state_of(book)))
        return
    names = named_in(book.policy)
    for holding in book.stock.holdings:
        parts = _parts(holding)
        symbol = names.tokens.get(holding.token, (holding.token, 0))[0]
        yield (
            book.policy.book,
            symbol,
            *(names.amount(holding.token, RawAmount(raw)) for raw in (*parts, sum(parts))),
        )


def _parts(holding: Holding) -> tuple[int, int, int]:
    """Return what a book has of a token outside venues of hedges, what stands there for it, and what it owes, below zero."""
    supplied, owed = (
        0 if isinstance(each, msgspec.UnsetType) else int(each) for each in (holding.collateral, holding.debt)
    )
    return holding.wallet + holding.native + holding.principal + holding.fees, supplied, owed


def _account_row(shown: LendingAccountShown, asked: float | None) -> tuple[str, ...]:
    health = f"{shown.held.health_wad / _WAD:.4f}"
    if shown.pair is None:
        return (shown.book.policy.book, health, *("?" for _ in range(5 + len(TIMES))))
    volatility = volatility_of(shown.book, asked)
    at, moves = shown.pair.position.liquidation_price(), distance(shown.pair)
    return (
        shown.book.policy.book,
        health,
        f"{shown.pair.price:.6g}",
        "at no price" if at is None else f"{at:.6g}",
        "" if moves is None else f"{moves:+.1%}",
        f"{volatility:.0%}",
        *(chance_text(chance) for chance in chances(shown.pair, volatility)),
        chance_text(chances(with_wallet(shown, shown.pair), volatility)[-1]),
    )


def _volatility(text: str) -> float:
    found = share_of("--volatility", text)
    if not 0 < found < math.inf:
        raise SettingsError("--volatility: must be above 0")
    return found


# ------------------------------------------------------------------ for programs
def as_object(book: BookNow, volatility: float | None = None) -> dict[str, object]:
    """Write a book's exposures, its hedge, how far that is from liquidation where it is no loan, and its loans for a program; amounts raw, as decimal strings."""
    return {
        "book": book.policy.book,
        **token_facts(book.policy),
        "exposures": [_exposure_as_object(each) for each in (book.stock.holdings if book.stock else ())],
        "hedge": hedge_as_object(book, shown_of(book)),
        "short": short_as_object(short_of(book), volatility_of(book, volatility)),
        "lending_accounts": [_account_as_object(shown, volatility) for shown in lending_accounts_of(book)],
        "marks": list(state_of(book)),
    }


def _exposure_as_object(holding: Holding) -> dict[str, str]:
    parts = _parts(holding)
    named = zip(("held", "collateral", "debt", "net"), (*parts, sum(parts)), strict=True)
    return {"token": holding.token, **{name: str(raw) for name, raw in named}}


def _account_as_object(shown: LendingAccountShown, asked: float | None) -> dict[str, object]:
    told: dict[str, object] = {"account": wire_form(shown.held)}
    if shown.pair is None:
        return {**told, "unknown": shown.unknown}
    volatility = volatility_of(shown.book, asked)
    return {
        **told,
        "price": shown.pair.price,
        "liquidated_at": shown.pair.position.liquidation_price(),
        "distance": distance(shown.pair),
        "volatility": volatility,
        "chances": by_days(chances(shown.pair, volatility)),
        "chances_with_wallet": by_days(chances(with_wallet(shown, shown.pair), volatility)),
    }
