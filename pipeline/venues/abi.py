"""Encode and decode calldata, answers and events by published interfaces with eth-abi, off the hot path.

Two codecs stay apart on purpose: the watcher's, of one-word values and ten times as fast, which looks its functions up here
(`streams/node/contract_calls.py`); and the signer's, which judges with its own eyes (`streams/submit/arguments.py`).
"""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.crypto import keccak

from contracts_abi import Abi, load_abi, types_of
from pipeline.errors import CalldataError, UnreadableError

_SELECTOR_BYTES = 4


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One function of a contract. Arguments are in the interface's order; a tuple is a plain tuple."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    def encode(self, *arguments: Any) -> bytes:
        """Encode calldata. Raises: CalldataError naming the function."""
        try:
            return self.selector + encode(self.inputs, arguments)
        except EncodingError as error:
            raise CalldataError(f"{self.name}: {error}") from None

    def calldata(self, *arguments: Any) -> str:
        """Encode calldata as 0x-hex. Raises: CalldataError naming the function."""
        return "0x" + self.encode(*arguments).hex()

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Decode the arguments of calldata; addresses are lower-case hex. Raises: CalldataError.

        Only what `encode` would write is taken, to the byte.
        """
        if data[:_SELECTOR_BYTES] != self.selector:
            raise CalldataError(f"0x{data[:_SELECTOR_BYTES].hex()} does not call {self.name}")
        try:
            arguments: tuple[Any, ...] = decode(self.inputs, data[_SELECTOR_BYTES:])
        except (DecodingError, OverflowError, ValueError) as error:
            raise CalldataError(f"{self.name}: {error}") from None
        if self.encode(*arguments) != data:
            raise CalldataError(f"{self.name}: calldata of {len(data)} bytes is not laid out as it should be")
        return arguments

    def answer(self, returned: bytes) -> tuple[Any, ...]:
        """Decode what the function returned; addresses are lower-case hex. Raises: UnreadableError."""
        try:
            values: tuple[Any, ...] = decode(self.outputs, returned)
        except (DecodingError, OverflowError, ValueError):
            wanted = ", ".join(self.outputs)
            raise UnreadableError(
                f"{self.name} answers {len(returned)} bytes that are not {wanted}"
            ) from None
        return values


@functools.cache
def function(contract: str, name: str, *, arguments: str = "") -> Function:
    """Return a function by its name, e.g. `function("tokens/ERC20", "approve")`.

    Of several with one name, the one with these argument types, as in "uint256,bytes[]".

    Raises: CalldataError if there is none or more than one.
    """
    found = [
        entry
        for entry in load_abi(*contract.split("/"))
        if entry["type"] == "function"
        and entry["name"] == name
        and (not arguments or ",".join(types_of(entry["inputs"])) == arguments)
    ]
    if len(found) != 1:
        raise CalldataError(f"{contract} has {len(found)} functions {name}({arguments}), not one")
    (entry,) = found
    return _function(name, types_of(entry["inputs"]), types_of(entry["outputs"]))


def declared(signature: str, *outputs: str) -> Function:
    """Make a function whose interface is not among ours, e.g. `declared("getL1Fee(bytes)", "uint256")`; it takes no tuple."""
    name, _, inputs = signature.removesuffix(")").partition("(")
    return _function(name, tuple(inputs.split(",")) if inputs else (), outputs)


def _function(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Function:
    return Function(
        name=name, selector=_hash_of(name, inputs)[:_SELECTOR_BYTES], inputs=inputs, outputs=outputs
    )


@functools.cache
def event_topic(contract: str, name: str) -> str:
    """Return the first topic of an event, e.g. `event_topic("uniswap-v3/UniswapV3Pool", "Swap")`."""
    (entry,) = (e for e in load_abi(*contract.split("/")) if e["type"] == "event" and e["name"] == name)
    return "0x" + _hash_of(name, types_of(entry["inputs"])).hex()


def encode_constructor(abi: Abi, *arguments: Any) -> bytes:
    """Encode the arguments that follow the creation code when a contract is deployed."""
    taken: Sequence[Any] = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), ())
    return encode(types_of(taken), arguments)


def encode_call(abi: Abi, name: str, *arguments: Any) -> bytes:
    """Encode calldata for a function of an interface that is not among ours, e.g. of a contract to set up. Raises: CalldataError."""
    for entry in abi:
        if entry["type"] == "function" and entry["name"] == name and len(entry["inputs"]) == len(arguments):
            return _function(name, types_of(entry["inputs"]), ()).encode(*arguments)
    raise CalldataError(f"no function {name} of {len(arguments)} arguments")


def _hash_of(name: str, types: tuple[str, ...]) -> bytes:
    return keccak(text=f"{name}({','.join(types)})")
