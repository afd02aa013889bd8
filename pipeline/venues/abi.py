"""Calldata by a contract's published interface."""

import functools
from typing import Any

import msgspec
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.crypto import keccak

from contracts_abi import load_abi, types_of
from pipeline.errors import CalldataError

_SELECTOR_BYTES = 4


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One function of a contract. Arguments are in the interface's order; a tuple is a plain tuple."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]

    def encode(self, *arguments: Any) -> bytes:
        """Write calldata. Raises: CalldataError naming the function."""
        try:
            return self.selector + encode(self.inputs, arguments)
        except EncodingError as error:
            raise CalldataError(f"{self.name}: {error}") from None

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Read the arguments of calldata; addresses are lower-case hex. Raises: CalldataError.

        Only what `encode` would write is taken, to the byte.
        """
        if data[:_SELECTOR_BYTES] != self.selector:
            raise CalldataError(f"0x{data[:_SELECTOR_BYTES].hex()} does not call {self.name}")
        try:
            arguments: tuple[Any, ...] = decode(self.inputs, data[_SELECTOR_BYTES:])
        except (DecodingError, OverflowError) as error:
            raise CalldataError(f"{self.name}: {error}") from None
        if self.encode(*arguments) != data:
            raise CalldataError(f"{self.name}: calldata of {len(data)} bytes is not laid out as it should be")
        return arguments


@functools.cache
def function(contract: str, name: str, *, arguments: str = "") -> Function:
    """Look a function up, e.g. `function("tokens/ERC20", "approve")`.

    Of several with one name, the one with these argument types, as in "uint256,bytes[]".

    Raises: CalldataError if there is none or more than one.
    """
    found = [
        inputs
        for entry in load_abi(*contract.split("/"))
        if entry["type"] == "function" and entry["name"] == name
        for inputs in [types_of(entry["inputs"])]
        if not arguments or ",".join(inputs) == arguments
    ]
    if len(found) != 1:
        raise CalldataError(f"{contract} has {len(found)} functions {name}({arguments}), not one")
    (inputs,) = found
    selector = keccak(text=f"{name}({','.join(inputs)})")[:_SELECTOR_BYTES]
    return Function(name=name, selector=selector, inputs=inputs)
