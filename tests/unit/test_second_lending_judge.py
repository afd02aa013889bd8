"""The campaign's second check of a lending market allows calls for the owner within the file, and finds all others."""

import pytest
from lending_allowed import (
    Holding,
    LendingFile,
    Standing,
    faults_of_call,
    faults_of_effect,
    faults_of_standing,
)
from lending_forgery import LISTED

from pipeline.venues.abi import declared
from streams.devnet.aave import AaveContracts, AaveTokens

WETH, USDC, A_WETH, A_USDC, OWES_WETH, OWES_USDC, OWNER, OTHER = ("0x" + f"{n:040x}" for n in range(1, 9))
ETHER, DOLLAR = 10**18, 10**6
FILE = LendingFile({WETH: 25 * ETHER, USDC: 0}, 1.2, 3_000)
MARKET = AaveContracts(
    **dict.fromkeys(("version", "pool", "configurator", "oracle", "prices", "admin", "treasury"), ""),
    weth=AaveTokens(asset=WETH, a_token=A_WETH, debt_token=OWES_WETH),
    usdc=AaveTokens(asset=USDC, a_token=A_USDC, debt_token=OWES_USDC),
)


def standing(
    *,
    owed: int = 10 * ETHER,
    secured: int = 100_000 * DOLLAR,
    wallet: int = 12 * ETHER,
    dollars_owed: int = 0,
    **changes,
) -> Standing:
    weth = Holding(wallet=wallet, collateral=0, debt=owed, counts=False)
    usdc = Holding(wallet=9, collateral=secured, debt=dollars_owed, counts=True)
    usual = {"holdings": {WETH: weth, USDC: usdc}, "health": 2.6, "emode": 0, "granted": {"allowance": 0}}
    return Standing(**(usual | changes))


# ------------------------------------------------------------------ the bytes
@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("supply", (USDC, 1, OWNER, 0), None),
        ("borrow", (WETH, 1, 2, 0, OWNER), None),
        ("repay", (WETH, 1, 2, OWNER), None),
        ("withdraw", (USDC, 1, OWNER), None),
        ("setUserUseReserveAsCollateral", (USDC, False), None),
        ("setUserEMode", (0,), None),
        ("supply", (USDC, 1, OTHER, 0), f"supply for {OTHER}"),
        ("borrow", (WETH, 1, 2, 0, OTHER), f"borrow for {OTHER}"),
        ("borrow", (WETH, 1, 1, 0, OWNER), "borrow at rate mode 1"),
        ("repay", (WETH, 1, 2, OTHER), f"repay for {OTHER}"),
        ("withdraw", (USDC, 1, OTHER), f"withdraw for {OTHER}"),
        ("withdraw", (A_USDC, 1, OWNER), f"withdraw of {A_USDC}"),
        ("setUserEMode", (1,), "chooses e-mode 1"),
    ],
)
def test_a_call_is_allowed_for_the_owner_alone(name, arguments, fault):
    found = list(faults_of_call(FILE, OWNER, LISTED[name].encode(*arguments)))
    assert found == ([fault] if fault else [])


def test_any_other_function_and_other_bytes_are_found():
    delegate = declared("approveDelegation(address,uint256)").encode(OTHER, 1)
    assert list(faults_of_call(FILE, OWNER, delegate)) == ["calls 0xc04a8a10 of the market"]
    tail = LISTED["borrow"].encode(WETH, 1, 2, 0, OWNER) + b"\x00"
    assert list(faults_of_call(FILE, OWNER, tail)) == ["borrow has other bytes than its arguments"]


# ------------------------------------------------------------------ what it did
@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (standing(), None),
        (standing(owed=25 * ETHER, health=1.2), None),
        (standing(owed=25 * ETHER + 10**15, health=1.2), "of " + WETH + ", the file allows"),
        (standing(dollars_owed=1), "owes 1 of " + USDC),
        (standing(health=1.19), "has a health of 1.1900, after 2.6000"),
        (standing(emode=1), "is in e-mode 1"),
        (standing(granted={"allowance": 1}), "grants 1: allowance"),
    ],
)
def test_an_account_beyond_the_file_is_found(after, fault):
    found = list(faults_of_standing(FILE, standing(), after))
    assert fault in found[0] if fault else found == [], found


def test_what_was_beyond_the_file_before_is_not_the_calls():
    before = standing(owed=26 * ETHER, health=1.1)
    assert list(faults_of_standing(FILE, before, before)) == []


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (standing(owed=15 * ETHER, wallet=17 * ETHER), None),
        (standing(owed=15 * ETHER), f"{5 * ETHER} of {WETH} went to others"),
        (standing(secured=99_000 * DOLLAR), f"{1_000 * DOLLAR} of {USDC} went to others"),
        # 80,000 dollars count, 18 ETH at 3,900 are 70,200
        (
            standing(owed=18 * ETHER, wallet=20 * ETHER),
            "has a health of 1.1396 where WETH is worth 3900 dollars",
        ),
    ],
)
def test_what_goes_to_others_and_a_debt_that_a_move_of_prices_would_ruin_are_found(after, fault):
    found = list(faults_of_effect(FILE, standing(), after, MARKET))
    assert found == ([fault] if fault else [])
