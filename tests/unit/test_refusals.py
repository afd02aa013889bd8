"""Amounts, gas and prices in a refusal are shown in units for people."""

import pytest
from builders import BASE, QUOTE, policy

from pipeline.messages.decisions import StepRefused
from pipeline.messages.policy import TokenSpec
from streams.cli.refusals import in_units
from streams.cli.sentences import sentence

TOKENS = (
    TokenSpec(address=BASE, symbol="WETH", decimals=18),
    TokenSpec(address=QUOTE, symbol="USDC", decimals=6),
)
BOOK = policy(tokens=TOKENS)
X96 = 2**96


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("moves 12500000, more than 10000000", "moves 12.5000 USDC, more than 10.0000 USDC"),
        ("costs 2500000 quote, 1000000 of it gas, more than 2000000", "costs 2.5000 USDC, 1.0000 USDC of it gas, more than 2.0000 USDC"),
        ("gas costs 3000000 quote within a day, more than 10", "gas costs 3.0000 USDC within a day, more than 0.000010 USDC"),
        ("daily_notional: 70000000 within a day, more than 5000000", "daily_notional: 70.0000 USDC within a day, more than 5.0000 USDC"),
        ("7 actions within a day, more than 6", "7 actions within a day, more than 6"),
        (
            "the mint is worth 5000000 quote; of what the pool holds within 1 %, 4000000 would fit max_share_of_depth",
            "the mint is worth 5.0000 USDC; of what the pool holds within 1 %, 4.0000 USDC would fit max_share_of_depth",
        ),
        (
            "gas_price: gas costs 5000000 quote; for the whole plan at most 4000000 were foreseen",
            "gas_price: gas costs 5.0000 USDC; for the whole plan at most 4.0000 USDC were foreseen",
        ),
        ("gas_price: 201500000000 wei a gas, more than 200000000000", "gas_price: 201.500 gwei a gas, more than 200.000 gwei"),
        ("spot is 60 ticks from the mean, more than 50", "spot is 60 ticks from the mean, more than 50"),
    ],
)  # fmt: skip
def test_numbers_have_their_units(raw, shown):
    assert in_units(raw, BOOK) == shown
    assert in_units(raw, None) == raw


def test_a_price_is_in_quote_per_base_whichever_token_comes_first():
    text = f"spot is {X96}, the minimums are met within {X96 // 2} to {X96 * 2}"
    assert (
        in_units(text, BOOK)
        == "spot is 1000000000000, the minimums are met within 250000000000 to 4000000000000"
    )
    cut = f"swap_limited: the price limit {X96} lets only 0 be sold"
    assert in_units(cut, BOOK) == "swap_limited: the price limit 1000000000000 lets only 0 be sold"


def test_a_refusal_and_a_dry_runs_are_told_so():
    refused = StepRefused(
        id="alert.0.1.aa", because_of={"shard": 0, "offset": 1, "block": None}, book="alpha", plan="p", phase="withdraw",
        reason="notional", detail="moves 12500000, more than 10000000",
    )  # fmt: skip
    assert sentence(refused, BOOK).endswith("because notional: moves 12.5000 USDC, more than 10.0000 USDC")
