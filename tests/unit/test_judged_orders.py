"""The second implementation of the signer's rules for a short at the toy future finds violations, and tolerates effects of the price alone."""

import pytest
from hedged_play import DOLLAR, ETHER
from perp_forgery import faults_of_call, faults_of_short
from worlds.toy_perp.chain import price_of
from worlds.toy_perp.hedge import REQUEST, WITHDRAW


def short(ethers: float, margin: float, price: float) -> tuple[int, int, int]:
    """Sold at 3,000 dollars."""
    collateral = int((margin + ethers * 3_000) * DOLLAR)
    return int(ethers * ETHER), collateral, collateral - int(ethers * price * DOLLAR)


WAS = short(10, 9_000, 3_000)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(short(10, 9_000, 3_600), id="the price alone rises"),
        pytest.param(short(10, 6_000, 3_000), id="a withdrawal down to what must be left"),
        pytest.param(short(15, 9_000, 3_000), id="an order for more"),
        pytest.param(short(5, 6_000, 3_600), id="an order for less, at a high price"),
        pytest.param(short(0, 0, 3_000), id="nothing"),
    ],
)
def test_what_the_file_allows_is_right(now):
    assert list(faults_of_short(WAS, now)) == []


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(short(10, 4_500, 3_000), id="a withdrawal of more"),
        pytest.param(short(30, 9_000, 3_000), id="an order for more than the margin bears"),
        pytest.param(short(41, 90_000, 3_000), id="a short that is too large"),
        pytest.param(short(10, 8_500, 3_600), id="a withdrawal while the price is high"),
    ],
)
def test_what_it_does_not_allow_is_found(now):
    assert list(faults_of_short(WAS, now))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (REQUEST.calldata(ETHER, price_of(2_900)), None),
        (REQUEST.calldata(ETHER, price_of(2_700)), "an order of"),
        (REQUEST.calldata(-ETHER, price_of(3_300)), "an order of"),
        (WITHDRAW.calldata(5), None),
        (WITHDRAW.calldata(5) + "00", "other bytes"),
        ("0x12345678", "calls 0x12345678"),
    ],
)
def test_a_call_is_one_that_the_file_allows(data, word):
    faults = list(faults_of_call(bytes.fromhex(data[2:]), price_of(3_000)))
    assert bool(faults) == bool(word)
    assert all(word in fault for fault in faults)
