"""A book's view, made from its inventory."""

from pipeline import keys
from pipeline.book.inventory import Stock
from pipeline.decide.gates import deviation_bps
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView, ViewRemoved
from pipeline.state.provenance import Provenance
from pipeline.units import BookId


def show_book(policy: Policy, stock: Stock, now: Provenance) -> BookView:
    """Tell a book's inventory."""
    return BookView(
        **now.stamp("book", policy.book, policy_version=policy.policy_version),
        book=policy.book,
        holdings=stock.holdings,
        base_amount=stock.base_amount,
        quote_amount=stock.quote_amount,
        value_quote=stock.value_quote,
        sqrt_price_x96=stock.sqrt_price_x96,
        base_share_bps=stock.base_share_bps,
        deviation_bps=deviation_bps(stock, policy),
    )


def remove_book(book: BookId, now: Provenance) -> ViewRemoved:
    """Say that this inventory is not known, or that there is no such book."""
    return ViewRemoved(**now.stamp("book", book), topic=BookView.topic, key=keys.book(book))
