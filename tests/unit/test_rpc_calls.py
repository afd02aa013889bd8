"""Calldata that is assembled by hand equals that of a general encoder for the published interface."""

import contextlib
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from contracts_abi import load_abi
from pipeline.errors import (
    BlockUnknownError,
    MethodMissingError,
    NodeBusyError,
    NodeError,
    RequestRefusedError,
    TooMuchAskedError,
    UnreadableError,
)
from pipeline.units import Address, Hash
from streams.node.contract_calls import Ask, ContractReader, method
from streams.node.fake import FakeChain
from streams.node.multicall import MULTICALL3, aggregate, aggregated

USED = [
    ("uniswap-v3/UniswapV3Pool", name)
    for name in [
        "token0",
        "token1",
        "fee",
        "tickSpacing",
        "slot0",
        "liquidity",
        "feeGrowthGlobal0X128",
        "feeGrowthGlobal1X128",
        "protocolFees",
        "tickBitmap",
        "ticks",
        "observations",
        "positions",
    ]
]
USED += [
    ("uniswap-v3/NonfungiblePositionManager", n)
    for n in ("balanceOf", "tokenOfOwnerByIndex", "ownerOf", "positions")
]
USED += [("uniswap-v3/UniswapV3Factory", "getPool"), ("multicall/Multicall3", "getEthBalance")]
USED += [("tokens/ERC20", "balanceOf"), ("tokens/ERC20", "decimals")]


def values_of(kind: str) -> st.SearchStrategy[Any]:
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
    if kind == "bool":
        return st.booleans()
    if kind == "bytes32":
        return st.binary(min_size=32, max_size=32)
    bits = int(kind.removeprefix("u").removeprefix("int"))
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.one_of(st.integers(low, high), st.sampled_from([low, high]))


@pytest.mark.parametrize(("contract", "name"), USED)
@given(data=st.data())
def test_calldata_and_answers_are_those_of_the_interface(
    contract: str, name: str, data: st.DataObject
) -> None:
    called = method(contract, name)
    arguments = data.draw(st.tuples(*(values_of(kind) for kind in called.inputs)))
    signature = f"{name}({','.join(called.inputs)})"
    assert called.encode(*arguments) == keccak(text=signature)[:4] + encode(called.inputs, arguments)
    answer = data.draw(st.tuples(*(values_of(kind) for kind in called.outputs)))
    raw = encode(called.outputs, answer)
    assert called.answer(raw) == decode(called.outputs, raw) == answer


@given(
    st.lists(
        st.tuples(
            st.binary(min_size=20, max_size=20).map(lambda raw: Address("0x" + raw.hex())),
            st.binary(max_size=100),
        ),
        max_size=20,
    )
)
def test_an_aggregate_is_that_of_the_interface(calls: list[tuple[Address, bytes]]) -> None:
    (entry,) = (e for e in load_abi("multicall", "Multicall3") if e.get("name") == "aggregate3")
    assert [p["type"] for p in entry["inputs"][0]["components"]] == ["address", "bool", "bytes"]
    selector = keccak(text="aggregate3((address,bool,bytes)[])")[:4]
    expected = encode(["(address,bool,bytes)[]"], [[(to, True, data) for to, data in calls]])
    assert aggregate(calls) == selector + expected


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=20))
def test_results_are_those_of_the_interface(results: list[tuple[bool, bytes]]) -> None:
    assert aggregated(encode(["(bool,bytes)[]"], [results])) == results


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reading_of_results(answer: bytes) -> None:
    with contextlib.suppress(NodeError):
        aggregated(answer)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), min_size=1, max_size=5), st.data())
def test_results_that_end_early_are_an_error(results: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    raw = encode(["(bool,bytes)[]"], [results])
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    with contextlib.suppress(NodeError):
        assert aggregated(cut) == results  # only padding is missing


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("token0", b""),
        ("token0", bytes(31)),
        ("token0", b"\xff" * 32),
        ("slot0", bytes(32 * 6)),
        ("slot0", bytes(32 * 6) + b"\x00" * 31 + b"\x02"),
    ],
)
def test_an_answer_of_another_shape_is_unreadable(name: str, answer: bytes) -> None:
    with pytest.raises(UnreadableError):
        method("uniswap-v3/UniswapV3Pool", name).answer(answer)


async def test_a_node_without_the_block_says_nothing_of_the_contracts() -> None:
    chain = FakeChain()
    reader = ContractReader(chain, multicall=MULTICALL3, at=Hash("0x" + "11" * 32))
    ask = Ask(Address("0x" + "22" * 20), method("tokens/ERC20", "decimals"))
    with pytest.raises(BlockUnknownError):
        await reader.ask([ask, ask])


async def test_a_call_that_costs_too_much_gas_is_made_in_parts() -> None:
    """A node caps the gas of a call; only what fails alone cannot be read."""
    chain, most, hungry = FakeChain(), 40, 77

    def multicall(data: bytes, _: object) -> bytes | None:
        (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
        asked = [int.from_bytes(call[4:36], "big") for _, _, call in calls]
        if len(calls) > most or hungry in asked:
            return None
        return encode(["(bool,bytes)[]"], [[(True, call[4:36]) for _, _, call in calls]])

    chain.contracts[MULTICALL3] = multicall
    reader = ContractReader(chain, multicall=MULTICALL3, at=chain.head.block.hash)
    owner_of = method("uniswap-v3/NonfungiblePositionManager", "ownerOf")
    told = await reader.ask([Ask(Address("0x" + "22" * 20), owner_of, (n,)) for n in range(300)])
    assert [n for n, each in enumerate(told) if isinstance(each, UnreadableError)] == [hungry]
    assert str(told[hungry]) == f"ownerOf(77) of 0x{'22' * 20}: execution reverted"
    assert told[78] == (f"0x{78:040x}",)


@pytest.mark.parametrize("error", [RequestRefusedError, MethodMissingError, TooMuchAskedError, NodeBusyError])
async def test_what_ails_a_node_is_no_answer_of_a_contract(error: type[NodeError]) -> None:
    class Ailing(FakeChain):
        async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
            del to, data, at
            raise error("not now")

    chain = Ailing()
    reader = ContractReader(chain, multicall=MULTICALL3, at=chain.head.block.hash)
    with pytest.raises(error):
        await reader.ask([Ask(Address("0x" + "22" * 20), method("tokens/ERC20", "decimals"))] * 3)


async def test_a_chain_without_multicall_says_so() -> None:
    chain = FakeChain()
    reader = ContractReader(chain, multicall=MULTICALL3, at=chain.head.block.hash)
    (told,) = await reader.ask([Ask(Address("0x" + "22" * 20), method("tokens/ERC20", "decimals"))])
    assert str(told) == f"no Multicall3 at {MULTICALL3}"


async def test_asks_in_parts_and_joins_them_in_order() -> None:
    chain = FakeChain()
    sizes: list[int] = []

    def multicall(data: bytes, _: object) -> bytes:
        (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
        sizes.append(len(calls))
        return encode(["(bool,bytes)[]"], [[(True, call[4:36]) for _, _, call in calls]])

    chain.contracts[MULTICALL3] = multicall
    reader = ContractReader(chain, multicall=MULTICALL3, at=chain.head.block.hash)
    owner_of = method("uniswap-v3/NonfungiblePositionManager", "ownerOf")
    told = await reader.need([Ask(Address("0x" + "22" * 20), owner_of, (n,)) for n in range(1_000)])
    assert told == [(f"0x{n:040x}",) for n in range(1_000)]
    assert sorted(sizes) == [100, 300, 300, 300]
