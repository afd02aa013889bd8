"""Compute what a plan made now would deploy, and how much of it its venue takes at once, before anything is decided."""

import msgspec

from pipeline.act.question import GuardRefusal
from pipeline.advance.book_context import BookContext
from pipeline.advance.books import stock_of
from pipeline.advance.outlook import look_ahead
from pipeline.book.stock import outside_hedge
from pipeline.units import RawAmount


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan deploys, and the most that its venue takes. Units: raw quote, at spot. Rounds: down."""

    mint_quote: RawAmount
    most_quote: RawAmount
    fits: bool


def size_now(context: BookContext) -> Size | GuardRefusal:
    """Compute a plan of a book, whether or not its strategy would act, and compare it with what its venue takes.

    Raises: PipelineError where the book cannot be valued.
    """
    looked = look_ahead(context, outside_hedge(context.policy, stock_of(context.shard, context.policy)))
    if isinstance(looked, GuardRefusal):
        return looked
    _, seen = looked
    return Size(mint_quote=seen.deployed_quote, most_quote=seen.most_deployed_quote, fits=seen.fits)
