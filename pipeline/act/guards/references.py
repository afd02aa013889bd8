"""Guard on prices: spot must be near the reference prices that the book's file names."""

from pipeline.act.question import Question
from pipeline.book.prices import spot_prices
from pipeline.book.references import doubt


def references(question: Question) -> str | None:
    """Refuse a spot price that is far from a reference price: it may have been manipulated. An unknown reference refuses nothing here."""
    if not question.policy.all_references():
        return None
    prices = spot_prices(question.shard, question.policy)
    found = doubt(question.shard, question.policy, prices, question.market.now_s)
    return None if found is None else found.told
