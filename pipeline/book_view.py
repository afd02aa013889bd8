"""Make a book's view from its inventory."""

from typing import Any

import msgspec

from pipeline import keys
from pipeline.book.inventory import Stock
from pipeline.book.pricing import pair_price
from pipeline.book.stock import share_bps
from pipeline.decide.gates import deviation_bps
from pipeline.decide.hedging import hedge_shown
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView, TokenShare, ViewRemoved
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import BookId


def show_book(shard: Shard, policy: Policy, stock: Stock, now: Provenance) -> BookView:
    """Return a book's inventory, and how its hedge stands."""
    stamp = now.stamp("book", policy.book, policy_version=policy.policy_version)
    return BookView(**stamp, **book_fields(policy, stock), hedge=hedge_shown(shard, policy, stock))


def book_fields(policy: Policy, stock: Stock) -> dict[str, Any]:
    """Collect what a book's view says, but for its id and its cause."""
    return {
        "book": policy.book,
        "holdings": stock.holdings,
        "base_amount": stock.base_amount,
        "quote_amount": stock.quote_amount,
        "value_quote": stock.value_quote,
        "price": pair_price(policy, stock.base_price),
        "base_share_bps": stock.base_share_bps,
        "deviation_bps": deviation_bps(stock, policy),
        "shares": token_shares(stock, policy) if policy.known_assets() else msgspec.UNSET,
    }


def token_shares(stock: Stock, policy: Policy) -> tuple[TokenShare, ...]:
    """List the priced tokens of a book in the policy's order, with their targets."""
    targets = {asset.token: asset.target_share_bps for asset in policy.known_assets()}
    targets[policy.base] = policy.strategy.target_share_bps
    return tuple(
        TokenShare(
            token=token.address,
            value_quote=stock.values_quote[token.address],
            share_bps=share_bps(stock, token.address),
            target_share_bps=targets.get(token.address),
        )
        for token in policy.tokens
        if token.address in stock.values_quote
    )


def remove_book(book: BookId, now: Provenance) -> ViewRemoved:
    """Report that this inventory is not known, or that there is no such book."""
    return ViewRemoved(**now.stamp("book", book), topic=BookView.topic, key=keys.book(book))
