"""What calldata does, read back from its bytes: only calls that are on the list, for the owner alone."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address
from streams.submit.limits import SignerLimits
from streams.submit.verdict import Refusal

_DEEPEST = 2
"""A call within a multicall; no deeper."""

_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "router": (
        "multicall(uint256,bytes[])",
        "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
    ),
    "manager": (
        "multicall(bytes[])",
        "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
        "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))",
        "collect((uint256,address,uint128,uint128))",
        "burn(uint256)",
    ),
    "token": ("approve(address,uint256)",),
    "wrapped native": ("deposit()", "withdraw(uint256)"),
}
"""By what a contract is to us. Whatever is not here is refused."""


_PRICED = frozenset({"exactInputSingle", "mint", "decreaseLiquidity"})


_APPROVE = "0x095ea7b3"
_APPROVAL_LENGTH = len(_APPROVE) + 2 * 64


class KnownCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the list, without the multicall around it."""

    to: Address
    function: str
    arguments: tuple[Any, ...]
    deadline_s: int | None = None
    """Block time after which the chain itself refuses it; None: never."""


def known_calls(intent: SubmitTransaction, limits: SignerLimits) -> tuple[KnownCall, ...]:
    """Read what an intent's transaction calls.

    Raises: Refusal for a contract, function or recipient that is not on the list, and for calldata that is not
    exactly what the function's arguments encode to.
    """
    to, data = intent.call.to, bytes.fromhex(intent.call.data.removeprefix("0x"))
    calls = tuple(_unpacked(to, data, limits, depth=1))
    for call in calls:
        _check_recipient(call, intent.owner, limits)
        _check_tokens(call, limits)
    if intent.call.value_wei and [call.function for call in calls] != ["deposit"]:
        raise Refusal("limits", f"{intent.call.value_wei} wei go to {to} with a call that takes none")
    return calls


def latest_deadline_s(calls: tuple[KnownCall, ...]) -> int | None:
    """Tell how late calls that depend on a price may still be mined; None where none of them does.

    Raises: Refusal where one of them may be mined for ever.
    """
    found = []
    for call in calls:
        if call.function in _PRICED:
            if call.deadline_s is None:
                raise Refusal("limits", f"{call.function} without a deadline may be mined at any later price")
            found.append(call.deadline_s)
    return max(found, default=None)


def takes_back(intent: SubmitTransaction) -> bool:
    """Ask whether an intent does nothing but let a spender take nothing any more: `approve(spender, 0)`."""
    data = intent.call.data
    is_approval_of_nothing = len(data) == _APPROVAL_LENGTH and data.endswith("0" * 64)
    return data.startswith(_APPROVE) and is_approval_of_nothing and not intent.call.value_wei


def is_approval(call: KnownCall) -> bool:
    """Ask whether a call gives an allowance."""
    return call.function == "approve"


def _unpacked(to: Address, data: bytes, limits: SignerLimits, *, depth: int) -> Iterator[KnownCall]:
    found = _selectors(to, limits).get(data[:4])
    if found is None:
        raise Refusal("limits", f"function 0x{data[:4].hex()} of {to} is not on the list")
    name, types = found
    arguments = _arguments(name, types, data[4:])
    if name != "multicall":
        flat = _flat(arguments)
        own_s = flat[-1] if name in {"mint", "decreaseLiquidity"} else None
        yield KnownCall(to=to, function=name, arguments=flat, deadline_s=own_s)
        return
    if depth == _DEEPEST:
        raise Refusal("limits", "a multicall within a multicall")
    outer_s = arguments[0] if len(arguments) > 1 else None
    for part in arguments[-1]:
        for call in _unpacked(to, part, limits, depth=depth + 1):
            yield call if outer_s is None else msgspec.structs.replace(call, deadline_s=outer_s)


def _arguments(name: str, types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    try:
        arguments = decode(types, data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise Refusal("malformed", f"the arguments of {name}: {error}") from None
    if encode(types, arguments) != data:  # bytes that another reader could take for something else
        raise Refusal("malformed", f"the arguments of {name} are not what they encode to")
    return tuple(arguments)


def _flat(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take a struct's fields for the arguments."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments


def _check_recipient(call: KnownCall, owner: Address, limits: SignerLimits) -> None:
    allowed: tuple[Address, ...] = (owner,)
    match call.function, call.arguments:
        case (
            ("exactInputSingle", (_, _, _, recipient, *_))
            | ("collect", (_, recipient, *_))
            | (
                "mint",
                (*_, recipient, _),
            )
        ):
            pass
        case "approve", (recipient, _):
            allowed = (limits.router, limits.position_manager)
        case _:
            return
    if recipient.lower() not in allowed:
        raise Refusal(
            "limits", f"{call.function} of {call.to} for {recipient.lower()}, which is not on the list"
        )


def _check_tokens(call: KnownCall, limits: SignerLimits) -> None:
    """Trade and provide in the listed pools only."""
    if call.function not in {"exactInputSingle", "mint"}:
        return
    one, other, fee_pips = call.arguments[:3]
    pair = {one.lower(), other.lower()}
    if not any({pool.token0, pool.token1} == pair and pool.fee_pips == fee_pips for pool in limits.pools):
        raise Refusal(
            "limits", f"{call.function} in a pool of {one}, {other} and {fee_pips} pips: not on the list"
        )


# ------------------------------------------------------------------ selectors
def _selectors(to: Address, limits: SignerLimits) -> dict[bytes, tuple[str, tuple[str, ...]]]:
    kinds = []
    if to == limits.router:
        kinds.append("router")
    if to == limits.position_manager:
        kinds.append("manager")
    if to in limits.tokens:
        kinds.append("token")
    if to == limits.wrapped_native:
        kinds.append("wrapped native")
    if not kinds:
        raise Refusal("limits", f"contract {to} is not on the list")
    return {selector: found for kind in kinds for selector, found in _known(kind).items()}


@functools.cache
def _known(kind: str) -> dict[bytes, tuple[str, tuple[str, ...]]]:
    return {keccak(text=text)[:4]: _parsed(text) for text in _FUNCTIONS[kind]}


def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """Split `name(types)`; a struct stays one type."""
    name, _, rest = text.partition("(")
    inner = rest.removesuffix(")")
    types = (inner,) if inner.startswith("(") else tuple(filter(None, inner.split(",")))
    return name, types
