"""Check a Chainlink feed's answer: complete, and recent enough."""

from math import isqrt

from pipeline.errors import UnreadableError
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96
from pipeline.units import Address, Seconds, SqrtPriceX96
from pipeline.venues.abi import declared, function
from streams.submit.venues.uniswap_v3.terms import Feed

ROUND = declared("latestRoundData()", "uint80", "int256", "uint256", "uint256", "uint80")
DECIMALS = function("tokens/ERC20", "decimals")
_MOST_DECIMALS = 36


def feed_price_x96(feed: Feed, token0: Address, answers: tuple[bytes, bytes], now_s: Seconds) -> SqrtPriceX96:
    """Convert a feed's last answer and its decimals into the square-root price of a pair, in raw token1 per token0.

    Rounds: down.
    Raises: UnreadableError for an answer that is too old, incomplete, or not a price.
    """
    decimals = read_decimals(answers[1])
    answer = _checked_answer(feed, answers[0], now_s)
    # raw quote for one raw base: answer * 10^quote_decimals / (10^decimals * 10^base_decimals)
    numerator, denominator = answer * 10**feed.quote_decimals, 10 ** (decimals + feed.base_decimals)
    if feed.base != token0:
        numerator, denominator = denominator, numerator
    price_x96 = isqrt((numerator << 192) // denominator)
    if not MIN_SQRT_PRICE_X96 <= price_x96 < MAX_SQRT_PRICE_X96:
        raise UnreadableError(f"{answer} at {decimals} decimals is beyond what a pool's price can be")
    return SqrtPriceX96(price_x96)


def read_decimals(answer: bytes) -> int:
    """Read a contract's decimals. Raises: UnreadableError."""
    (decimals,) = DECIMALS.answer(answer)
    if decimals > _MOST_DECIMALS:
        raise UnreadableError(f"{decimals} decimals")
    return int(decimals)


def _checked_answer(feed: Feed, answer: bytes, now_s: Seconds) -> int:
    round_id, price, _, updated_at_s, answered_in = ROUND.answer(answer)
    if not round_id or not updated_at_s or answered_in < round_id:
        raise UnreadableError(f"round {round_id} is not complete")
    if price <= 0:
        raise UnreadableError(f"it answers {price}")
    if updated_at_s > now_s:
        raise UnreadableError(f"its answer is of {updated_at_s}, the head of {now_s}")
    if now_s - updated_at_s > feed.max_age_s:
        raise UnreadableError(f"its answer is {now_s - updated_at_s} s old, at most {feed.max_age_s} s")
    return int(price)
