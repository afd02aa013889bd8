"""Calldata of a re-range: published selectors, arguments as another decoder reads them, and only our calls decoded."""

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from pipeline.act.allowances import write_approve
from pipeline.errors import CalldataError
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.calldata import (
    MANAGER,
    ROUTER,
    TOKEN,
    Called,
    Withdrawal,
    read_calls,
    write_mint,
    write_swap,
    write_withdraw,
)

OWNER, WETH, USDC, SPENDER = (f"0x{byte * 20}" for byte in ("ab", "11", "22", "33"))
MOST = 2**127
"""More than anybody is owed."""

SWAP = write_swap(
    token_in=WETH,
    token_out=USDC,
    fee_pips=500,
    recipient=OWNER,
    amount_in=10**18,
    minimum_out=2_990 * 10**6,
    limit_x96=4_330_000_000_000_000_000_000_000,
    deadline_s=1_700_000_300,
)
MINT = write_mint(
    token0=WETH,
    token1=USDC,
    fee_pips=500,
    ticks=(-196_860, -195_660),
    amounts=(10**18, 3_000 * 10**6),
    minimums=(9 * 10**17, 2_900 * 10**6),
    recipient=OWNER,
    deadline_s=1_700_000_300,
)
WITHDRAW = write_withdraw(
    [
        Withdrawal(token_id=7, liquidity=10**15, minimum0=1, minimum1=2),
        Withdrawal(token_id=8, liquidity=0, minimum0=0, minimum1=0),
    ],
    recipient=OWNER,
    deadline_s=1_700_000_300,
)
APPROVE = write_approve(SPENDER, 5)
ALL = {"swap": SWAP, "mint": MINT, "withdraw": WITHDRAW, "approve": APPROVE}


def raw(data: str) -> bytes:
    assert data.startswith("0x")
    return bytes.fromhex(data[2:])


def decoded(data: bytes, selector: str, *types: str) -> tuple:
    assert data[:4].hex() == selector
    return decode(types, data[4:])


def test_an_approval() -> None:
    assert decoded(raw(APPROVE), "095ea7b3", "address", "uint256") == (SPENDER, 5)


def test_a_swap_is_in_a_multicall_with_a_deadline() -> None:
    deadline_s, calls = decoded(raw(SWAP), "5ae401dc", "uint256", "bytes[]")
    assert deadline_s == 1_700_000_300
    (call,) = calls
    terms = "(address,address,uint24,address,uint256,uint256,uint160)"
    assert decoded(call, "04e45aaf", terms) == (
        (WETH, USDC, 500, OWNER, 10**18, 2_990 * 10**6, 4_330_000_000_000_000_000_000_000),
    )


def test_a_mint() -> None:
    terms = "(address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256)"
    assert decoded(raw(MINT), "88316456", terms) == (
        (
            *(WETH, USDC, 500, -196_860, -195_660),
            *(10**18, 3_000 * 10**6, 9 * 10**17, 2_900 * 10**6),
            *(OWNER, 1_700_000_300),
        ),
    )


def test_a_withdrawal_burns_then_collects_each_nft() -> None:
    (calls,) = decoded(raw(WITHDRAW), "ac9650d8", "bytes[]")
    burn, first, second = calls
    assert decoded(burn, "0c49ccbe", "(uint256,uint128,uint256,uint256,uint256)") == (
        (7, 10**15, 1, 2, 1_700_000_300),
    )
    for call, token_id in ((first, 7), (second, 8)):  # one without liquidity is only collected
        assert decoded(call, "fc6f7865", "(uint256,address,uint128,uint128)") == (
            (token_id, OWNER, MOST, MOST),
        )


def test_what_is_written_is_read_back() -> None:
    assert read_calls(APPROVE) == (Called(contract=TOKEN, name="approve", arguments=(SPENDER, 5)),)
    (swap,) = read_calls(SWAP)
    assert (swap.contract, swap.name, swap.deadline_s) == (ROUTER, "exactInputSingle", 1_700_000_300)
    assert swap.arguments[3:5] == (OWNER, 10**18)
    (mint,) = read_calls(MINT)
    assert (mint.contract, mint.name, mint.arguments[-2:]) == (MANAGER, "mint", (OWNER, 1_700_000_300))
    burn, collect, other = read_calls(WITHDRAW)
    assert [burn.name, collect.name, other.name] == ["decreaseLiquidity", "collect", "collect"]
    assert collect.arguments == (7, OWNER, MOST, MOST)


# ------------------------------------------------------------------ what is not ours
def multicall(*calls: bytes) -> str:
    return "0x" + function(MANAGER, "multicall").encode(list(calls)).hex()


def swaps(*calls: bytes) -> str:
    several = function(ROUTER, "multicall", arguments="uint256,bytes[]")
    return "0x" + several.encode(1, list(calls)).hex()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0x",
        "0x095ea7",
        APPROVE.upper(),
        APPROVE[2:],
        APPROVE + "00",
        APPROVE[:-2],
        APPROVE.replace("33", "f" * 2, 1)[:10] + "f" * 24 + APPROVE[34:],  # an address of more than 160 bits
        "0x" + function(TOKEN, "transfer").encode(SPENDER, 1).hex(),
        "0x" + function(MANAGER, "setApprovalForAll").encode(SPENDER, True).hex(),
        multicall(function(MANAGER, "setApprovalForAll").encode(SPENDER, True)),
        multicall(),
        multicall(raw(MINT)),
        multicall(raw(WITHDRAW)),
        swaps(raw(APPROVE)),
        swaps(),
        swaps(raw(SWAP)[164:392], raw(SWAP)[164:392]),
        "0x" + raw(SWAP)[:4].hex() + raw(SWAP)[4:].hex().replace("04e45aaf", "04e45aae"),
    ],
)
def test_anything_else_is_refused(data: str) -> None:
    with pytest.raises(CalldataError):
        read_calls(data)


@given(st.sampled_from(sorted(ALL)), st.data())
def test_bytes_turned_are_refused_or_are_another_call_of_ours(name: str, data: st.DataObject) -> None:
    """Whatever is read would be written with the same bytes: nothing hides in the layout."""
    good = raw(ALL[name])
    at = data.draw(st.integers(0, len(good) - 1))
    length = data.draw(st.sampled_from([0, 1, 1, 32]))
    bad = good[:at] + data.draw(st.binary(min_size=length, max_size=length)) + good[at + 1 :]
    try:
        calls = read_calls("0x" + bad.hex())
    except CalldataError:
        return
    assert len(bad) == len(good)
    assert bad == good or calls != read_calls(ALL[name])


@given(st.binary(max_size=200), st.sampled_from(["095ea7b3", "ac9650d8", "5ae401dc", "88316456", ""]))
def test_noise_is_refused(noise: bytes, selector: str) -> None:
    try:
        read_calls(f"0x{selector}{noise.hex()}")
    except CalldataError:
        return
    assert selector in {"095ea7b3", "ac9650d8", "5ae401dc"}


@pytest.mark.parametrize(
    "bad", [{"amount_in": 0}, {"amount_in": -1}, {"limit_x96": 0}, {"amount_in": 2**256}]
)
def test_a_swap_that_means_something_else_is_not_written(bad: dict[str, int]) -> None:
    """To the router an amount of 0 is all it holds, and a limit of 0 is none."""
    good = {"amount_in": 1, "limit_x96": 1, "minimum_out": 1, "fee_pips": 500, "deadline_s": 1}
    parties = {"token_in": WETH, "token_out": USDC, "recipient": OWNER}
    assert write_swap(**good, **parties)
    with pytest.raises(CalldataError):
        write_swap(**good | bad, **parties)


def test_nothing_to_withdraw_is_not_written() -> None:
    with pytest.raises(CalldataError, match="nothing"):
        write_withdraw([], recipient=OWNER, deadline_s=1)


@pytest.mark.parametrize("name", ["nonsense", "multicall"])
def test_a_function_that_is_not_one_is_named(name: str) -> None:
    with pytest.raises(CalldataError, match=name):
        function(ROUTER, name)


def test_arguments_that_do_not_fit_name_the_function() -> None:
    with pytest.raises(CalldataError, match="approve"):
        write_approve(SPENDER, -1)
    with pytest.raises(CalldataError, match="approve"):
        write_approve("0x12", 1)
