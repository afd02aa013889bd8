"""Calldata from anybody: it is read as nothing but listed calls for the owner, or refused; nothing else comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intents import SIGNER, intent, wide_budget

from pipeline.protocols.uniswap_v3.calldata import (
    Withdrawal,
    write_approve,
    write_mint,
    write_swap,
    write_withdraw,
)
from streams.chain.submit.calldata import known_calls
from streams.chain.submit.limits import PricedPool, SignerLimits
from streams.chain.submit.verdict import Refusal

ROUTER, MANAGER = "0x" + "c1" * 20, "0x" + "c2" * 20
WETH, USDC = "0x" + "a1" * 20, "0x" + "a2" * 20
LIMITS = SignerLimits(
    router=ROUTER,
    position_manager=MANAGER,
    wrapped_native=WETH,
    budget=wide_budget(USDC),
    pools=(PricedPool(address="0x" + "e1" * 20, token0=WETH, token1=USDC, fee_pips=500),),
)

WRITTEN = {
    "withdraw": (
        MANAGER,
        write_withdraw(
            [Withdrawal(token_id=4, liquidity=9, minimum0=1, minimum1=2)], recipient=SIGNER, deadline_s=10**9
        ),
    ),
    "swap": (
        ROUTER,
        write_swap(
            token_in=WETH,
            token_out=USDC,
            fee_pips=500,
            recipient=SIGNER,
            amount_in=10**18,
            minimum_out=3_000,
            limit_x96=2**96,
            deadline_s=10**9,
        ),
    ),
    "mint": (
        MANAGER,
        write_mint(
            token0=WETH,
            token1=USDC,
            fee_pips=500,
            ticks=(-60, 60),
            amounts=(1, 2),
            minimums=(1, 1),
            recipient=SIGNER,
            deadline_s=10**9,
        ),
    ),
    "approve": (WETH, write_approve(ROUTER, 5)),
    "reset": (USDC, write_approve(MANAGER, 0)),
}


@pytest.mark.parametrize(("to", "data"), WRITTEN.values(), ids=WRITTEN)
def test_what_a_plan_writes_is_on_the_list(to, data):
    names = [call.function for call in known_calls(intent(to=to, data=data), LIMITS)]
    assert names in (["decreaseLiquidity", "collect"], ["exactInputSingle"], ["mint"], ["approve"])


@given(
    st.sampled_from(sorted(WRITTEN)),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=6),
    st.integers(-70, 70),
)
def test_bent_calldata_is_refused_or_is_still_ours(name, flips, longer):
    to, data = WRITTEN[name]
    raw = bytearray.fromhex(data[2:])
    for place, value in flips:
        raw[place % len(raw)] = value
    raw = raw[:longer] if longer < 0 else raw + bytes(longer)
    read(to, bytes(raw))


@given(st.sampled_from([ROUTER, MANAGER, WETH, USDC, SIGNER]), st.integers(0, 9), st.binary(max_size=400))
def test_any_bytes_behind_a_known_selector_are_refused_or_ours(to, which, tail):
    selectors = sorted({data[2:10] for _, data in WRITTEN.values()} | {"5ae401dc", "d0e30db0", "2e1a7d4d"})
    read(to, bytes.fromhex(selectors[which % len(selectors)]) + tail)


def read(to: str, raw: bytes) -> None:
    try:
        calls = known_calls(intent(to=to, data="0x" + raw.hex()), LIMITS)
    except Refusal:
        return
    for call in calls:
        assert call.to == to
        match call.function, call.arguments:
            case "approve", (spender, _):
                assert spender in {ROUTER, MANAGER}
            case ("exactInputSingle", (*pool, recipient, _, _, _)) | ("mint", (*pool, recipient, _)):
                assert recipient == SIGNER
                assert set(pool[:2]) == {WETH, USDC}
                assert pool[2] == 500
            case "collect", (_, recipient, _, _):
                assert recipient == SIGNER
            case function, _:
                assert function in {"decreaseLiquidity", "burn", "deposit", "withdraw"}
