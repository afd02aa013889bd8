"""Decode swaps, mints and withdrawals: in listed pools of the deployment that is called, for the owner alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pipeline.units import Address
from streams.submit.arguments import Functions, flat
from streams.submit.venues.port import KnownCall, OutageRule
from streams.submit.verdict import Refusal

if TYPE_CHECKING:
    from streams.submit.venues.uniswap_v3.terms import ListedDeployment, PricedPool

_DEEPEST = 2
"""A call within a multicall; no deeper."""

_ROUTER = Functions(
    (
        "multicall(uint256,bytes[])",
        "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
        "exactOutputSingle((address,address,uint24,address,uint256,uint256,uint160))",
    )
)
_MANAGER = Functions(
    (
        "multicall(bytes[])",
        "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
        "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))",
        "collect((uint256,address,uint128,uint128))",
        "burn(uint256)",
    )
)
_IN_A_POOL = frozenset({"exactInputSingle", "exactOutputSingle", "mint"})
_TAKES_OUT = frozenset({"decreaseLiquidity", "collect", "burn"})
_ACTIONS = _IN_A_POOL | {"decreaseLiquidity"}
_IN_OUTAGE: Mapping[str, OutageRule] = {
    "exactInputSingle": "in_need",
    "exactOutputSingle": "in_need",
    "decreaseLiquidity": "always",
    "collect": "always",
    "burn": "always",
}
"""A mint deposits at a price, whoever needs it."""


def read_calls(
    deployment: "ListedDeployment", to: Address, data: bytes, owner: Address
) -> Iterator[KnownCall]:
    """Read the calls of a deployment's router or position manager. Raises: Refusal."""
    listed = _ROUTER if to == deployment.router else _MANAGER
    for call in _unpacked(listed, to, data, depth=1):
        _check_recipient(call, owner)
        _check_whole(call)
        if call.function in _IN_A_POOL and named_pool(call, deployment) is None:
            one, other, fee_pips = call.arguments[:3]
            raise Refusal(
                "limits",
                f"{call.function} in a pool of {one}, {other} and {fee_pips} pips: not on the list",
            )
        yield call


def named_pool(call: KnownCall, deployment: "ListedDeployment") -> "PricedPool | None":
    """Find the listed pool of a swap or a mint; None where the pool is not listed, or the call names none."""
    if call.function not in _IN_A_POOL:
        return None
    one, other, fee_pips = call.arguments[:3]
    pair = {one.lower(), other.lower()}
    for pool in deployment.pools:
        if {pool.token0, pool.token1} == pair and pool.fee_pips == fee_pips:
            return pool
    return None


def takes_liquidity_out(calls: Sequence[KnownCall]) -> bool:
    """Return whether calls only take liquidity and fees out: nothing is traded or placed."""
    return all(call.function in _TAKES_OUT for call in calls)


def _unpacked(listed: Functions, to: Address, data: bytes, *, depth: int) -> Iterator[KnownCall]:
    name, arguments = listed.read(to, data)
    if name != "multicall":
        arguments = flat(arguments)
        yield KnownCall(
            to=to,
            function=name,
            arguments=arguments,
            deadline_s=arguments[-1] if name in {"mint", "decreaseLiquidity"} else None,
            must_end=name in _ACTIONS,
            is_action=name in _ACTIONS,
            follows_prices=name in _IN_A_POOL,
            in_outage=_IN_OUTAGE.get(name, "never"),
        )
        return
    if depth == _DEEPEST:
        raise Refusal("limits", "a multicall within a multicall")
    outer_s = arguments[0] if len(arguments) > 1 else None
    for part in arguments[-1]:
        for call in _unpacked(listed, to, part, depth=depth + 1):
            yield call if outer_s is None else msgspec.structs.replace(call, deadline_s=outer_s)


def _check_recipient(call: KnownCall, owner: Address) -> None:
    match call.function, call.arguments:
        case (
            ("exactInputSingle" | "exactOutputSingle", (_, _, _, recipient, *_))
            | ("collect", (_, recipient, *_))
            | ("mint", (*_, recipient, _))
        ):
            if recipient.lower() != owner:
                raise Refusal(
                    "limits",
                    f"{call.function} of {call.to} for {recipient.lower()}, which is not on the list",
                )
        case _:
            pass


def _check_whole(call: KnownCall) -> None:
    """Refuse a purchase with a price limit: the router would no longer demand the whole output."""
    if call.function == "exactOutputSingle" and call.arguments[-1]:
        raise Refusal(
            "limits", f"{call.function} of {call.to} may bring less than it names: it stops at a price"
        )
