import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.messages.base import Price
from streams.human_numbers import (
    amount_text,
    bps_text,
    parse_address,
    parse_bps,
    parse_price_move,
    parse_seconds,
    price_move_text,
    price_text,
    seconds_text,
    short,
)


@pytest.mark.parametrize(
    ("raw", "decimals", "places", "text"),
    [
        (0, 18, None, "0.000000000000000000"),
        (1, 18, None, "0.000000000000000001"),
        (1_234_567_890_123, 6, None, "1,234,567.890123"),
        (-1, 6, 2, "-0.00"),
        (-1_999_999, 6, 2, "-1.99"),
        (1_999_999, 6, 2, "1.99"),
        (12, 0, 2, "12"),
        (2**256 - 1, 0, None, f"{2**256 - 1:,}"),
        (123_456_789_012_345_678_901_234_567_890_123, 18, None, "123,456,789,012,345.678901234567890123"),
    ],
)
def test_amounts_are_shown_exactly_or_cut_towards_zero(raw, decimals, places, text):
    assert amount_text(raw, decimals, places=places) == text


def test_a_price_is_shown_in_whole_tokens_of_the_quote():
    price = Price(numerator=3_025 * 10**6, denominator=10**18)  # WETH as token0
    assert price_text(price, 18, 6, base_is_0=True) == "3025"
    assert price_text(price.inverse(), 6, 18, base_is_0=False) == "3025"
    uneven = Price(numerator=10**20, denominator=3 * 10**10)
    assert price_text(uneven, 8, 18, base_is_0=True, digits=4) == "0.3333"
    assert price_text(uneven, 8, 18, base_is_0=False) == "3"


def test_a_price_of_nothing_is_a_dash():
    assert price_text(Price(numerator=0, denominator=1), 6, 18, base_is_0=False) == "-"


@pytest.mark.parametrize(
    ("bps", "text"), [(0, "0%"), (1, "0.01%"), (1_050, "10.5%"), (10_000, "100%"), (-25, "-0.25%")]
)
def test_shares_come_back_as_they_are_read(bps, text):
    assert bps_text(bps) == text
    assert parse_bps(text) == bps


@pytest.mark.parametrize(
    ("text", "factor"),
    [("0.01%", 1.0001), ("6%", 1.06), ("600 bps", 1.06), ("100 %", 2.0), ("10000%", 101.0), ("0.5%", 1.005)],
)
def test_a_price_move_is_the_nearest_step_to_its_factor(text, factor):
    steps = parse_price_move(text)
    assert abs(steps * math.log(1.0001) - math.log(factor)) <= math.log(1.0001) / 2
    assert parse_price_move(price_move_text(steps)) == steps


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (1, "0.01%"),
        (50, "0.5%"),
        (200, "2.02%"),
        (583, "6%"),
        (600, "6.18%"),
        (6_932, "100%"),
        (92_109, "1000000%"),
    ],
)
def test_a_price_move_is_shown_by_the_shortest_number_that_reads_as_it(steps, text):
    assert price_move_text(steps) == text


@given(st.integers(1, 92_109))
@settings(deadline=None)
def test_every_price_move_comes_back_as_it_is_shown(steps):
    assert parse_price_move(price_move_text(steps)) == steps


@pytest.mark.parametrize("text", ["5", "600", None, "five%", "0%", "-1%", "-100%", "0.004%", "0.49 bps"])
def test_what_is_not_a_price_move_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a move of a price|must be at least 0\.01%"):
        parse_price_move(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (3_600, "1h"), (5_400, "1h30m"), (604_801, "7d1s")]
)
def test_durations_come_back_as_they_are_read(seconds, text):
    assert seconds_text(seconds) == text
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["5", "5 %%", "%", "1e3%", "five%", "5%5%", None, "5 percent"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="is not a share"):
        parse_bps(text)


@pytest.mark.parametrize("text", ["5", "h", "1.5h", "-1h", "1y", None, ""])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_seconds(text)


# Source: EIP-55, its own examples
@pytest.mark.parametrize(
    "address",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_are_read_with_their_checksum(address):
    assert parse_address(address) == address.lower()
    flipped = address[:2] + address[2:].swapcase()
    if flipped.lower() != flipped and flipped[2:].upper() != flipped[2:]:
        with pytest.raises(ValueError, match="wrong checksum"):
            parse_address(flipped)


def test_what_is_short_already_stays():
    assert short("native") == "native"
    assert short("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed") == "0x5aae…eaed"


@pytest.mark.parametrize(
    ("parse", "what"),
    [(parse_bps, "a share"), (parse_price_move, "a move of a price"), (parse_seconds, "a duration")],
)
@pytest.mark.parametrize("written", ["٣%", "٣d", "५ bps", 400 * "9" + "%", 400 * "9" + "d"])
def test_digits_are_0_to_9_and_no_more_than_anybody_needs(parse, what, written):
    with pytest.raises(ValueError, match=f"is not {what}: write it with its unit") as refused:
        parse(written)
    assert len(str(refused.value)) < 200


def test_nothing_at_all_is_said_to_be_empty():
    with pytest.raises(ValueError, match=r"^an empty value is not a share: write it with its unit"):
        parse_bps(None)
