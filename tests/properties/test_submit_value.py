"""The most that a mint may lose at the prices that its minimums accept equals the result of trying every tick."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.math.amounts import amounts_of_liquidity, range_amounts
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.ticks import sqrt_price_at_tick
from streams.submit.venues.uniswap_v3.prices import Priced
from streams.submit.venues.uniswap_v3.terms import PricedPool
from streams.submit.venues.uniswap_v3.value import Offer, worst_mints

POOL = PricedPool(address="0x" + "e1" * 20, token0="0x" + "a1" * 20, token1="0x" + "a2" * 20, fee_pips=500)
amounts = st.integers(10**6, 10**24)


@given(
    twap=st.integers(-2_000, 2_000),
    low=st.integers(-300, 300),
    width=st.integers(1, 60),
    one=amounts,
    other=amounts,
    part0=st.integers(0, 100),
    part1=st.integers(0, 100),
)
def test_no_accepted_price_loses_more_than_the_worst_found(*, twap, low, width, one, other, part0, part1):
    lower, upper = low * 10, (low + width) * 10
    priced = Priced(pool=POOL, sqrt_price_x96=sqrt_price_at_tick(twap))

    def used(tick):
        liquidity = liquidity_for_amounts(sqrt_price_at_tick(tick), lower, upper, one, other)
        return liquidity, range_amounts(sqrt_price_at_tick(tick), lower, upper, liquidity, round_up=True)

    _, at_some_price = used((lower + upper) // 2)
    least = (at_some_price[0] * part0 // 100, at_some_price[1] * part1 // 100)
    worst = list(worst_mints(priced, Offer(lower=lower, upper=upper, desired=(one, other), least=least)))
    bound = max((moved.leaves - moved.comes) / max(moved.leaves, 1) for moved in worst)
    for tick in range(lower, upper + 1):
        liquidity, paid = used(tick)
        if paid[0] >= least[0] and paid[1] >= least[1]:
            leaves = priced.value(*paid)
            loss = leaves - priced.value(
                *amounts_of_liquidity(priced.sqrt_price_x96, lower, upper, liquidity)
            )
            # between two ticks and between two roundings lies a basis point
            assert loss / max(leaves, 1) <= bound + 2e-4
