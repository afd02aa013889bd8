"""Calldata, answers and events encoded and decoded by interfaces, in the one module for infrequent calls."""

import ast
import contextlib
from pathlib import Path

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from contracts_abi import load_abi
from pipeline.errors import CalldataError, UnreadableError
from pipeline.units import Seconds
from pipeline.venues.abi import declared, encode_constructor, event_topic, function
from pipeline.venues.uniswap_v3.topics import SWAP_TOPIC
from streams.submit.node import SimulatedCall
from streams.submit.simulation import revert_reason
from streams.submit.venues.uniswap_v3.twap import read_past

ROOT = Path(__file__).parents[2]
POOL = "uniswap-v3/UniswapV3Pool"
APART = {
    "pipeline/venues/abi.py": "the one",
    "streams/submit/arguments.py": "the signer reads what it signs with its own eyes",
    "streams/submit/fake_node.py": "answers as contracts would",
    "streams/node/fake_tokens.py": "answers as contracts would",
    "streams/devnet/callee.py": "a contract of ours without an interface",
    "streams/devnet/direct_calls.py": "a contract of ours without an interface",
}
"""Who may use eth-abi, and why."""


def users_of_eth_abi() -> set[str]:
    found = set()
    for path in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "streams").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if any(module.startswith(("eth_abi", "eth_utils.abi")) for module in modules):
                found.add(str(path.relative_to(ROOT)))
    return found


def test_no_other_module_encodes_by_an_interface():
    assert users_of_eth_abi() == set(APART)


def test_a_declared_function_is_the_published_one():
    for name in ("approve", "decimals", "transferFrom"):
        published = function("tokens/ERC20", name)
        assert declared(f"{name}({','.join(published.inputs)})", *published.outputs) == published


def test_of_several_functions_the_one_with_the_arguments_is_meant():
    with pytest.raises(CalldataError, match="has 3 functions multicall"):
        function("uniswap-v3/SwapRouter02", "multicall")
    assert function("uniswap-v3/SwapRouter02", "multicall", arguments="bytes[]").inputs == ("bytes[]",)


def test_an_event_is_known_by_its_first_topic():
    assert event_topic(POOL, "Swap") == SWAP_TOPIC


def test_a_constructor_takes_its_arguments_without_a_selector():
    abi = load_abi("uniswap-v3", "SwapRouter")
    assert encode_constructor(abi, "0x" + "11" * 20, "0x" + "22" * 20) == encode(
        ("address", "address"), ("0x" + "11" * 20, "0x" + "22" * 20)
    )
    assert encode_constructor(load_abi("uniswap-v3", "UniswapV3Factory")) == b""


@given(st.binary(max_size=300))
def test_no_answer_of_a_contract_raises_anything_else(returned):
    for called in (function(POOL, "observe"), function(POOL, "slot0"), declared("name()", "string")):
        with contextlib.suppress(UnreadableError):
            called.answer(returned)


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (0, 0), (3, 3)])
def test_a_pool_that_tells_of_too_few_moments_has_no_past(counts):
    ticks, liquidities = ([1] * count for count in counts)
    with pytest.raises(UnreadableError, match=f"{counts[0]} and {counts[1]} values"):
        read_past(encode(("int56[]", "uint160[]"), (ticks, liquidities)), Seconds(60))


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (bytes.fromhex("08c379a0") + encode(("string",), ("STF",)), "STF"),
        (bytes.fromhex("08c379a0") + encode(("bytes",), (b"\xff\xfe",)), "0x08c379a0"),
        (bytes.fromhex("08c379a0"), "0x08c379a0"),
        (b"\x01\x02\x03\x04", "0x01020304"),
        (b"", "no reason given"),
    ],
)
def test_the_reason_of_a_revert_is_read_as_far_as_it_says(returned, reason):
    call = SimulatedCall(succeeded=False, returned=returned, gas_used=0, logs=(), reason="")
    assert revert_reason(call).startswith(reason)
