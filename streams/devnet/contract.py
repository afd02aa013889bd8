"""Calldata and answers by a contract's interface."""

import functools
from typing import Any

import msgspec
from eth_abi.abi import decode, encode
from eth_utils.abi import (
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)

from contracts_abi import Abi, load_abi
from pipeline.errors import DevnetError


class EncodedMethod(msgspec.Struct, frozen=True, kw_only=True):
    """One function of a contract, ready to encode."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def encode(self, *arguments: Any) -> str:
        """Return the calldata as 0x-hex; a tuple argument is a plain tuple in the interface's order."""
        return "0x" + (self.selector + encode(self.inputs, arguments)).hex()

    def decode(self, answer: str) -> Any:
        """Return what the call gave: a single value bare, several as a tuple."""
        values = decode(self.outputs, bytes.fromhex(answer.removeprefix("0x")))
        return values[0] if len(values) == 1 else values


@functools.cache
def method(contract: str, name: str, *, arity: int | None = None) -> EncodedMethod:
    """Return a contract's function, e.g. `method("uniswap-v3/UniswapV3Pool", "mint")`.

    Of several with one name, the one with as many arguments.

    Raises: DevnetError if there is none or more than one.
    """
    found = [
        entry
        for entry in load_abi(*contract.split("/"))
        if entry["type"] == "function"
        and entry["name"] == name
        and (arity is None or len(entry["inputs"]) == arity)
    ]
    if len(found) != 1:
        raise DevnetError(f"{contract} has {len(found)} functions {name!r}, not one")
    entry: Any = found[0]
    return EncodedMethod(
        selector=function_abi_to_4byte_selector(entry),
        inputs=tuple(get_abi_input_types(entry)),
        outputs=tuple(get_abi_output_types(entry)),
    )


@functools.cache
def event_topic(contract: str, name: str) -> str:
    """Return the first topic of a contract's event, e.g. `event_topic("uniswap-v3/UniswapV3Pool", "Swap")`."""
    entry: Any
    (entry,) = (e for e in load_abi(*contract.split("/")) if e["type"] == "event" and e["name"] == name)
    return "0x" + event_abi_to_log_topic(entry).hex()


def encode_constructor(abi: Abi, *arguments: Any) -> bytes:
    """Return what follows the creation code when a contract is deployed."""
    constructor: Any = next((entry for entry in abi if entry["type"] == "constructor"), None)
    return encode([] if constructor is None else get_abi_input_types(constructor), arguments)
