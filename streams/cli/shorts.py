"""Show how far a hedge that is not a loan is from its liquidation, as its venue tells."""

import math
from typing import NamedTuple

from pipeline.book.inventory import WHOLE_BPS
from pipeline.hedge.rise_to_liquidation import rise_to_liquidation_bps
from pipeline.venues.registry import hedge_venue, venue_named
from streams.cli.hedged_books import wallet_amount
from streams.cli.liquidation_chances import by_days, chance_text, horizons
from streams.human_numbers import factor_text
from streams.present_books import BookNow


class ShortShown(NamedTuple):
    """A hedge that is no loan. Prices are its venue's, in whole collateral; a rise is a share of the price of now, None where none leads to a liquidation."""

    book: BookNow
    health_bps: int
    price: float
    rise: float | None
    rise_with_wallet: float | None
    """The same if what the wallet has of the collateral stood against it too."""

    @property
    def liquidated_at(self) -> float | None:
        """Return the price at which it may be liquidated."""
        return None if self.rise is None else self.price * (1 + self.rise)


def short_of(book: BookNow) -> ShortShown | None:
    """Find a book's hedge where it is no loan; None where it is one, where there is none, or where it is not known."""
    policy, shard, stock = book.policy, book.at.shard, book.stock
    if stock is None or not policy.hedge:
        return None
    venue, held = hedge_venue(policy), venue_named(policy.chain, policy.hedge.venue).held_items(shard, policy)
    if venue is None or any(item.lending_account() is not None for item in held):
        return None
    health_bps, price = venue.position(shard, policy).health_bps, venue.base_price(shard, policy)
    if health_bps is None or price is None:
        return None
    secures = policy.collateral_token
    raw, raw_base = price.ratio
    whole = raw / raw_base * 10.0 ** (policy.decimals(policy.base) - policy.decimals(secures))
    in_wallet = wallet_amount(book, secures)
    rises = (rise_to_liquidation_bps(venue, shard, policy, more_collateral=more) for more in (0, in_wallet))
    rise, with_wallet = (None if each is None else each / WHOLE_BPS for each in rises)
    return ShortShown(book, health_bps, whole, rise, with_wallet)


def chances_of(rise: float | None, volatility: float) -> list[float]:
    """Return how likely the price is to rise so far within each of the times that are shown."""
    if rise is None:
        return [0.0 for _ in horizons(volatility)]
    return [each.passage(math.log1p(rise)) if rise else 1.0 for each in horizons(volatility)]


def short_row(shown: ShortShown, volatility: float) -> tuple[str, ...]:
    """Show it in the columns of a loan."""
    at = shown.liquidated_at
    return (
        shown.book.policy.book,
        factor_text(shown.health_bps),
        f"{shown.price:.6g}",
        "at no price" if at is None else f"{at:.6g}",
        "" if shown.rise is None else f"{shown.rise:+.1%}",
        f"{volatility:.0%}",
        *(chance_text(chance) for chance in chances_of(shown.rise, volatility)),
        chance_text(chances_of(shown.rise_with_wallet, volatility)[-1]),
    )


def short_as_object(shown: ShortShown | None, volatility: float) -> dict[str, object] | None:
    """Write it for a program."""
    if shown is None:
        return None
    return {
        "health_bps": shown.health_bps,
        "price": shown.price,
        "liquidated_at": shown.liquidated_at,
        "distance": shown.rise,
        "volatility": volatility,
        "chances": by_days(chances_of(shown.rise, volatility)),
        "chances_with_wallet": by_days(chances_of(shown.rise_with_wallet, volatility)),
    }
