"""Convert amounts of a file into a token's smallest units."""

from decimal import Context, Decimal

from pipeline.units import RawAmount
from streams.portfolio.sections import BookSection

_WIDE = Context(prec=80)


def raw_of(book: BookSection, name: str, amount: Decimal | None) -> RawAmount | None:
    """Convert an amount of a token into raw units. Rounds: down."""
    token = book.token(name)
    assert token is not None, "checked before"
    return None if amount is None else RawAmount(int(amount.scaleb(token.decimals, _WIDE)))
