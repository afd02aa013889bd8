"""What a plan made now would mint, and what its pool's depth takes at once: told before anything is decided."""

import msgspec

from pipeline.act.guards import GuardRefusal
from pipeline.advance.book_context import BookContext
from pipeline.advance.books import stock_of
from pipeline.advance.outlook import look_ahead
from pipeline.book.pricing import in_quote
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.pools import need_pool


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A plan's mint, and the largest that the depth takes. Units: raw quote, at spot. Rounds: down."""

    mint_quote: RawAmount
    most_quote: RawAmount
    fits: bool


def size_now(context: BookContext) -> Size | GuardRefusal:
    """Run a plan of a book in thought, whether or not its strategy would act, and hold its mint against the depth.

    Raises: PipelineError where the book cannot be valued.
    """
    stock = stock_of(context.shard, context.policy)
    looked = look_ahead(context, stock)
    if isinstance(looked, GuardRefusal):
        return looked
    _, seen = looked
    token1 = need_pool(context.shard, context.policy.reference_pool).pool().token1
    mint_quote, most_quote = (
        RawAmount(in_quote(context.policy, token1, amount, stock.sqrt_price_x96))
        for amount in (seen.mint_moves, seen.mint_most)
    )
    return Size(mint_quote=mint_quote, most_quote=most_quote, fits=seen.fits_depth)
