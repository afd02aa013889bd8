"""The earnings of a position since its mint, from a history of deposits, withdrawals and payments."""

from streams.look.earnings import earned
from streams.node.venues.uniswap_v3.nft_history import NftChange

YEAR_S = 31_557_600


def at_two(amounts):
    """One of token0 is worth two of token1, the quote."""
    return 2 * amounts[0] + amounts[1]


def put(time_s, *amounts):
    return NftChange(time_s, "IncreaseLiquidity", amounts)


def took(time_s, *amounts):
    return NftChange(time_s, "DecreaseLiquidity", amounts)


def paid(time_s, *amounts):
    return NftChange(time_s, "Collect", amounts)


def test_a_year_of_fees_on_what_was_put_in():
    told = earned([put(0, 1_000, 2_000)], YEAR_S, (900, 2_150), (10, 20), at_two)
    assert (told.since_s, told.fees_quote, told.basis_quote, told.fee_apr_bps) == (0, 40, 4_000, 100)
    assert told.against_holding_quote == (2 * 900 + 2_150) + 40 - 4_000


def test_what_was_withdrawn_and_paid_is_no_fee_and_fees_that_were_paid_are():
    """Half is withdrawn at half of the year, and paid together with fees; the basis is the average of 4,000 and 2,000."""
    history = [put(0, 1_000, 2_000), took(YEAR_S // 2, 500, 1_000), paid(YEAR_S // 2, 512, 1_006)]
    told = earned(history, YEAR_S, (500, 1_000), (3, 0), at_two)
    assert told.fees_quote == 2 * 12 + 6 + 2 * 3
    assert told.basis_quote == 3_000
    assert told.fee_apr_bps == 36 * 10_000 // 3_000
    assert told.against_holding_quote == told.fees_quote


def test_what_is_withdrawn_and_not_paid_yet_is_no_fee():
    told = earned([put(0, 100, 0), took(10, 40, 0)], YEAR_S, (60, 0), (41, 0), at_two)
    assert told.fees_quote == 2


def test_a_loss_against_holding_is_below_zero_and_rounds_down():
    told = earned([put(0, 100, 0)], YEAR_S // 2, (90, 5), (0, 0), at_two)
    assert (told.fees_quote, told.against_holding_quote) == (0, -15)
    assert told.fee_apr_bps == 0


def test_of_a_position_of_this_block_nothing_is_told_by_year():
    told = earned([put(7, 100, 0)], 7, (100, 0), (0, 0), at_two)
    assert (told.basis_quote, told.fee_apr_bps) == (200, None)
    assert earned([], 7, (1, 0), (0, 0), at_two) is None
    assert earned([paid(3, 1, 0)], 7, (1, 0), (0, 0), at_two) is None
