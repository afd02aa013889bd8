"""The row `prices` of `evenkeel doctor`: each reference of each book with its age and its distance from spot."""

from builders import BASE, QUOTE, policy
from msgspec.structs import replace

from pipeline.book.references import Doubt, ReferenceNow
from pipeline.messages.base import Price
from pipeline.units import Bps, Seconds
from streams.cli.prices_row import told

FEED = "feed/0x00000000000000000000000000000000000feed0"
BOOK = policy()
DECIMALS = {token.address: token.decimals for token in BOOK.tokens}
NEAR = ReferenceNow(
    token=BASE,
    item=FEED,
    within_bps=Bps(100),
    price=Price(numerator=2_400 * 10 ** DECIMALS[QUOTE], denominator=10 ** DECIMALS[BASE]),
    doubt=None,
    apart_bps=Bps(12),
    age_s=Seconds(720),
)


def test_a_reference_is_told_with_price_age_and_distance():
    symbol = {token.address: token.symbol for token in BOOK.tokens}
    assert told(BOOK, NEAR) == (
        f"{symbol[BASE]} by {FEED} is 2,400.00 {symbol[QUOTE]}, 12m old, spot 0.12% from it, of 1% allowed"
    )


def test_one_that_is_beyond_or_unknown_says_so():
    apart = Doubt(reason="prices_apart", item=FEED, apart_bps=Bps(250))
    far = replace(NEAR, apart_bps=Bps(250), doubt=apart, age_s=None)
    assert told(BOOK, far).endswith(" spot 2.5% from it, more than the 1% allowed")
    old = Doubt(reason="price_too_old", item=FEED)
    unknown = replace(NEAR, price=None, apart_bps=None, doubt=old, age_s=Seconds(7_200))
    assert told(BOOK, unknown).endswith(f" by {FEED} is not known, 2h old: price_too_old")
