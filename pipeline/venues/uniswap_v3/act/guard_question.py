"""Extract from a guard's question what concerns Uniswap V3."""

from pipeline import keys
from pipeline.act.foresight import Foreseen, Market
from pipeline.act.question import Question
from pipeline.venues.uniswap_v3.act.foresight import ForeseenRerange
from pipeline.venues.uniswap_v3.act.market import PoolMarket
from pipeline.venues.uniswap_v3.forms.entries import Pool


def pool_of(question: Question) -> Pool:
    """Return the pool that the plan acts in."""
    return question.shard.tables.need(keys.pool(question.policy.reference_pool), Pool)


def market_of(market: Market) -> PoolMarket:
    """Cast a market to this venue's type."""
    assert isinstance(market, PoolMarket)
    return market


def foreseen_of(foreseen: Foreseen | None) -> ForeseenRerange | None:
    """Cast an expected result to this venue's type."""
    assert foreseen is None or isinstance(foreseen, ForeseenRerange)
    return foreseen
