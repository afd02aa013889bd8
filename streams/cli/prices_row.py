"""`doctor`'s row `prices`: every reference price of the books in force, with its age and its distance from spot."""

from collections.abc import Iterable, Iterator

from pipeline.book.references import ReferenceNow, references_now
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount
from streams.cli.wording import named_in
from streams.human_numbers import bps_text, duration_text
from streams.present_books import BookNow


def prices_row(books: Iterable[BookNow]) -> str:
    """Describe the reference prices of books at their shards' heads; a book whose inventory is not known has none here."""
    found = [says for book in books for says in _of_book(book)]
    return "; ".join(found) or "no book in force has a reference beside its pool"


def _of_book(book: BookNow) -> Iterator[str]:
    head, policy = book.at.head, book.policy
    if book.stock is None or head is None:
        return
    for each in references_now(book.at.shard, policy, book.stock.prices, head.timestamp_s):
        yield f"{policy.book}: {told(policy, each)}"


def told(policy: Policy, reference: ReferenceNow) -> str:
    """Describe one reference of a book at its shard's head."""
    named = named_in(policy)
    symbol, decimals = named.tokens[reference.token]
    age = "" if reference.age_s is None else f", {duration_text(max(reference.age_s, 0))} old"
    if reference.price is None or reference.apart_bps is None:
        reason = "" if reference.doubt is None else f": {reference.doubt.reason}"
        return f"{symbol} by {reference.item} is not known{age}{reason}"
    whole = reference.price.numerator * int(10**decimals) // reference.price.denominator
    says = f"{symbol} by {reference.item} is {named.amount(policy.quote, RawAmount(whole))}{age}, spot {bps_text(reference.apart_bps)} from it"
    beyond = "more than the" if reference.doubt is not None else "of"
    return f"{says}, {beyond} {bps_text(reference.within_bps)} allowed"
