"""Write and read the calldata of a re-range: for the position manager, the router and the tokens.

All amounts are raw, all addresses lower-case hex, every call ends by a deadline in block time.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from pipeline.errors import CalldataError
from pipeline.units import Address, Liquidity, Pips, RawAmount, Seconds, SqrtPriceX96, Tick, TokenId
from pipeline.venues.abi import Function, function

MANAGER = "uniswap-v3/NonfungiblePositionManager"
ROUTER = "uniswap-v3/SwapRouter02"
TOKEN = "tokens/ERC20"  # noqa: S105 - an interface, no secret

ALL_OWED = 1 << 127
"""To collect at most this is to collect everything; its bytes, all but one of them 0, take 360 gas less than the most there is."""

_APPROVE = function(TOKEN, "approve")
_DECREASE = function(MANAGER, "decreaseLiquidity")
_COLLECT = function(MANAGER, "collect")
_MINT = function(MANAGER, "mint")
_MANAGER_MULTICALL = function(MANAGER, "multicall")
_SWAP = function(ROUTER, "exactInputSingle")
_BUY = function(ROUTER, "exactOutputSingle")
_ROUTER_MULTICALL = function(ROUTER, "multicall", arguments="uint256,bytes[]")


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawal from an NFT, with its minimums; without liquidity only what is owed is collected."""

    token_id: TokenId
    liquidity: Liquidity
    minimum0: RawAmount
    minimum1: RawAmount


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded call, taken out of any multicall."""

    contract: str
    """The contract of the function: MANAGER, ROUTER or TOKEN."""
    name: str
    arguments: tuple[Any, ...]
    """The arguments in the interface's order; the members of a single tuple are listed directly."""
    deadline_s: Seconds | None = None
    """The deadline of the multicall around it."""


def write_withdraw(withdrawals: Iterable[Withdrawal], *, recipient: Address, deadline_s: Seconds) -> str:
    """Encode the multicall that burns liquidity of NFTs and collects all that they are then owed."""
    calls: list[bytes] = []
    for each in withdrawals:
        if each.liquidity:
            terms = (each.token_id, each.liquidity, each.minimum0, each.minimum1, deadline_s)
            calls.append(_DECREASE.encode(terms))
        calls.append(_COLLECT.encode((each.token_id, recipient, ALL_OWED, ALL_OWED)))
    if not calls:
        raise CalldataError("nothing to withdraw")
    return _MANAGER_MULTICALL.calldata(calls)


def write_swap(
    *,
    token_in: Address,
    token_out: Address,
    fee_pips: Pips,
    recipient: Address,
    amount_in: RawAmount,
    minimum_out: RawAmount,
    limit_x96: SqrtPriceX96,
    deadline_s: Seconds,
) -> str:
    """Encode a sale of an exact input, or of what trades before the price limit.

    Raises: CalldataError for no input or no limit: to the router a 0 means all that it holds, or any price.
    """
    if amount_in <= 0 or limit_x96 <= 0:
        raise CalldataError(f"a swap of {amount_in} to the price {limit_x96}")
    terms = (token_in, token_out, fee_pips, recipient, amount_in, minimum_out, limit_x96)
    return _ROUTER_MULTICALL.calldata(deadline_s, [_SWAP.encode(terms)])


def write_purchase(
    *,
    token_in: Address,
    token_out: Address,
    fee_pips: Pips,
    recipient: Address,
    amount_out: RawAmount,
    most_in: RawAmount,
    deadline_s: Seconds,
) -> str:
    """Encode a purchase of an exact output, all or nothing, for at most an amount. Raises: CalldataError for no amount."""
    if amount_out <= 0 or most_in <= 0:
        raise CalldataError(f"a purchase of {amount_out} for {most_in} at most")
    terms = (token_in, token_out, fee_pips, recipient, amount_out, most_in, 0)
    return _ROUTER_MULTICALL.calldata(deadline_s, [_BUY.encode(terms)])


def write_mint(
    *,
    token0: Address,
    token1: Address,
    fee_pips: Pips,
    ticks: tuple[Tick, Tick],
    amounts: tuple[RawAmount, RawAmount],
    minimums: tuple[RawAmount, RawAmount],
    recipient: Address,
    deadline_s: Seconds,
) -> str:
    """Encode a mint of at most these amounts of token0 and token1, and at least the minimums."""
    terms = (token0, token1, fee_pips, *ticks, *amounts, *minimums, recipient, deadline_s)
    return _MINT.calldata(terms)


def read_calls(data: str) -> tuple[Called, ...]:
    """List the calls that calldata makes, in order.

    Raises: CalldataError for anything that could not have been written here.
    """
    raw = _bytes(data)
    if raw.startswith(_MANAGER_MULTICALL.selector):
        (inner,) = _MANAGER_MULTICALL.decode(raw)
        if not inner:
            raise CalldataError("a multicall of nothing")
        return tuple(_read(call, {_DECREASE: MANAGER, _COLLECT: MANAGER}) for call in inner)
    if raw.startswith(_ROUTER_MULTICALL.selector):
        deadline_s, inner = _ROUTER_MULTICALL.decode(raw)
        if len(inner) != 1:
            raise CalldataError(f"{len(inner)} swaps in one multicall")
        return (_read(inner[0], {_SWAP: ROUTER, _BUY: ROUTER}, Seconds(deadline_s)),)
    return (_read(raw, {_MINT: MANAGER, _APPROVE: TOKEN}),)


def _read(raw: bytes, known: dict[Function, str], deadline_s: Seconds | None = None) -> Called:
    for called, contract in known.items():
        if raw.startswith(called.selector):
            arguments = called.decode(raw)
            terms = arguments[0] if len(arguments) == 1 else arguments
            return Called(contract=contract, name=called.name, arguments=terms, deadline_s=deadline_s)
    raise CalldataError(f"0x{raw[:4].hex()} calls none of {', '.join(each.name for each in known)}")


def _bytes(data: str) -> bytes:
    try:
        raw = bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        raise CalldataError(f"{data[:10]} is not hex") from None
    if "0x" + raw.hex() != data:
        raise CalldataError(f"{data[:10]} is not lower-case hex with 0x before it")
    return raw
