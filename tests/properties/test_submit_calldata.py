"""Any calldata is decoded as listed calls for the owner, or refused."""

import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from intents import SIGNER, intent, wide_budget
from signer_limits import signer_limits

from pipeline.act.allowances import write_approve
from pipeline.venues.uniswap_v3.calldata import (
    Withdrawal,
    write_mint,
    write_swap,
    write_withdraw,
)
from streams.submit.calldata import known_calls
from streams.submit.venues.registry import venues_of
from streams.submit.venues.uniswap_v3.terms import PricedPool
from streams.submit.verdict import Refusal

ROUTER, MANAGER = "0x" + "c1" * 20, "0x" + "c2" * 20
WETH, USDC = "0x" + "a1" * 20, "0x" + "a2" * 20
VENUES = venues_of(
    signer_limits(
        router=ROUTER,
        position_manager=MANAGER,
        wrapped_native=WETH,
        budget=wide_budget(USDC),
        pools=(PricedPool(address="0x" + "e1" * 20, token0=WETH, token1=USDC, fee_pips=500),),
    )
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
    names = [call.function for call in known_calls(intent(to=to, data=data), VENUES)]
    assert names in (["decreaseLiquidity", "collect"], ["exactInputSingle"], ["mint"], ["approve"])


FIELDS = {
    "approve": ("address", "uint256"),
    "exactInputSingle": ("address", "address", "uint24", "address", "uint256", "uint256", "uint160"),
    "mint": (
        *("address", "address", "uint24", "int24", "int24"),
        *("uint256", "uint256", "uint256", "uint256", "address", "uint256"),
    ),
    "decreaseLiquidity": ("uint256", "uint128", "uint256", "uint256", "uint256"),
    "collect": ("uint256", "address", "uint128", "uint128"),
}
STRUCTS = {"exactInputSingle", "mint", "decreaseLiquidity", "collect"}
SELECTORS = {
    name: keccak(text=f"{name}(({','.join(types)}))" if name in STRUCTS else f"{name}({','.join(types)})")[:4]
    for name, types in FIELDS.items()
}
OURS = {
    "exactInputSingle": {0: WETH, 1: USDC, 2: 500, 3: SIGNER},
    "mint": {0: WETH, 1: USDC, 2: 500, 9: SIGNER},
    "collect": {1: SIGNER},
    "approve": {0: ROUTER},
    "decreaseLiquidity": {},
}
"""What of each call must be so; anything else of it may be whatever its type holds."""
TARGETS = {"approve": WETH, "exactInputSingle": ROUTER}
MULTICALLS = {ROUTER: "5ae401dc", MANAGER: "ac9650d8"}

ADDRESSES = st.sampled_from([WETH, USDC, ROUTER, MANAGER, SIGNER, "0x" + "77" * 20, "0x" + "00" * 20])


def any_of(kind: str) -> st.SearchStrategy:
    if kind == "address":
        return ADDRESSES
    bits = int(kind.lstrip("uint").lstrip("int"))
    signed = kind.startswith("int")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.integers(low, high), st.sampled_from([low, high, max(low, 0)]))


@st.composite
def calls(draw, name: str) -> bytes:
    """Draw a call of the list with any arguments; what must be ours is, but for one value in sixteen, which may be anything."""
    values = []
    for place, kind in enumerate(FIELDS[name]):
        ours = OURS[name].get(place)
        values.append(ours if ours is not None and draw(st.integers(0, 15)) else draw(any_of(kind)))
    types = FIELDS[name]
    encoded = (
        abi_encode([f"({','.join(types)})"], [tuple(values)])
        if name in STRUCTS
        else abi_encode(types, values)
    )
    return SELECTORS[name] + encoded


@st.composite
def transactions(draw) -> tuple[str, bytes]:
    """Draw calldata that a reader can read: one call, or several of one contract within a multicall."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    to = TARGETS.get(name, MANAGER)
    if to not in MULTICALLS or not draw(st.booleans()):
        return to, draw(calls(name))
    others = [each for each in FIELDS if TARGETS.get(each, MANAGER) == to]
    parts = [draw(calls(draw(st.sampled_from(others)))) for _ in range(draw(st.integers(1, 3)))]
    if to == ROUTER:
        outer = abi_encode(["uint256", "bytes[]"], [draw(any_of("uint256")), parts])
    else:
        outer = abi_encode(["bytes[]"], [parts])
    return to, bytes.fromhex(MULTICALLS[to]) + outer


def test_whatever_readable_calldata_says_what_is_read_of_it_is_ours():
    """At least half of the examples must come as far as the assertion: else this shows nothing."""
    reached = examples = 0

    @given(transactions())
    @settings(max_examples=300, deadline=None)
    def try_one(drawn: tuple[str, bytes]) -> None:
        nonlocal reached, examples
        examples += 1
        reached += read(*drawn)

    try_one()
    assert examples >= 300
    assert reached * 2 >= examples, f"{reached} of {examples}"


@given(
    transactions(),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=6),
    st.integers(-70, 70),
)
def test_bent_calldata_is_refused_or_is_still_ours(drawn, flips, longer):
    to, data = drawn
    raw = bytearray(data)
    for place, value in flips:
        raw[place % len(raw)] = value
    read(to, bytes(raw[:longer] if longer < 0 else raw + bytes(longer)))


@given(st.sampled_from([ROUTER, MANAGER, WETH, USDC, SIGNER]), st.integers(0, 9), st.binary(max_size=400))
def test_any_bytes_behind_a_known_selector_are_refused_or_ours(to, which, tail):
    selectors = sorted({data[2:10] for _, data in WRITTEN.values()} | {"5ae401dc", "d0e30db0", "2e1a7d4d"})
    read(to, bytes.fromhex(selectors[which % len(selectors)]) + tail)


def read(to: str, raw: bytes) -> bool:
    """Hold what is read of calldata against what may be signed; False: it is refused."""
    try:
        found = known_calls(intent(to=to, data="0x" + raw.hex()), VENUES)
    except Refusal:
        return False
    for call in found:
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
    return True
