"""Guard on prices: spot must be near the reference prices that the book's file names."""

from pipeline.act.question import Question
from pipeline.book.prices import spot_prices
from pipeline.book.references import doubt


def references(question: Question) -> str | None:
    """A spot price that is far from another price of the same token may have been pushed; one that is not known says nothing."""
    if not question.policy.all_references():
        return None
    prices = spot_prices(question.shard, question.policy)
    found = doubt(question.shard, question.policy, prices, question.market.now_s)
    return None if found is None else found.told
