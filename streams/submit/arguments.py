"""Decode calldata by the signer's own list of functions, and require that its arguments encode to the same bytes."""

from collections.abc import Iterable
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from pipeline.units import Address
from streams.submit.verdict import Refusal

_SELECTOR_BYTES = 4


class Functions:
    """The functions of a contract that may be called, each written as in `approve(address,uint256)`."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Parse the list. An argument may be a struct if it is the function's only one."""
        self._known = {keccak(text=text)[:_SELECTOR_BYTES]: _parsed(text) for text in texts}

    def __or__(self, other: "Functions") -> "Functions":
        """Join two lists, for a contract that has both interfaces."""
        joined = Functions(())
        joined._known = self._known | other._known
        return joined

    def read(self, to: Address, data: bytes) -> tuple[str, tuple[Any, ...]]:
        """Read which function calldata calls, with its arguments.

        Raises: Refusal for another function, and for bytes that are not exactly what the arguments encode to.
        """
        found = self._known.get(data[:_SELECTOR_BYTES])
        if found is None:
            raise Refusal("limits", f"function 0x{data[:_SELECTOR_BYTES].hex()} of {to} is not on the list")
        name, types = found
        return name, _arguments(name, types, data[_SELECTOR_BYTES:])


def flat(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Unpack a struct that is the only argument into its fields."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments


def _arguments(name: str, types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    try:
        arguments = decode(types, data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise Refusal("malformed", f"the arguments of {name}: {error}") from None
    if encode(types, arguments) != data:  # bytes that another reader could take for something else
        raise Refusal("malformed", f"the arguments of {name} are not what they encode to")
    return tuple(arguments)


def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """Split `name(types)`; a struct stays one type."""
    name, _, rest = text.partition("(")
    inner = rest.removesuffix(")")
    types = (inner,) if inner.startswith("(") else tuple(filter(None, inner.split(",")))
    return name, types
