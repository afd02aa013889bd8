"""A contract that calls pools for anybody and pays what they ask back: for flash loans, direct swaps and direct positions.

Published artifacts hold no plain one, so its runtime is put together here. Two kinds of call reach it:
- from an account: calldata = target as 32 bytes, then what to call it with. It calls, and reverts if that reverts.
- from a pool (swap, mint or flash callback): it pays each amount asked, plus the amount in the callback's own data
  (what a flash lent), in the pool's token0 and token1.
"""

from eth_abi.abi import encode

from .assembly import assemble

# Offsets: 4 selector, then 32-byte words.
_FORWARD = """
    0 CALLDATALOAD 0xe0 SHR @callback JUMPI
    32 CALLDATASIZE SUB 32 0 CALLDATACOPY
    0 0 32 CALLDATASIZE SUB 0 0 0 CALLDATALOAD GAS CALL
    RETURNDATASIZE 0 0 RETURNDATACOPY
    @done JUMPI RETURNDATASIZE 0 REVERT
    :done RETURNDATASIZE 0 RETURN
    :callback
"""


def _pay(argument: int, extra: int, getter: int, label: str) -> str:
    """Pay argument + extra, if positive, to the caller in the token that its getter names."""
    return f"""
    {argument} CALLDATALOAD {extra} CALLDATALOAD ADD
    0 DUP2 SGT ISZERO @skip{label} JUMPI
    {getter} 0 MSTORE 32 32 4 28 CALLER GAS STATICCALL ISZERO @fail JUMPI
    0xa9059cbb 0x40 MSTORE CALLER 0x60 MSTORE DUP1 0x80 MSTORE
    0 0 0x44 0x5c 0 32 MLOAD GAS CALL ISZERO @fail JUMPI
    :skip{label} POP
    """


_SOURCE = (
    _FORWARD
    + _pay(4, 4 + 4 * 32, 0x0DFE1681, "0")  # token0()
    + _pay(4 + 32, 4 + 5 * 32, 0xD21220A7, "1")  # token1()
    + "STOP :fail RETURNDATASIZE 0 0 RETURNDATACOPY RETURNDATASIZE 0 REVERT"
)


def callee_runtime() -> str:
    """Return the contract's code as 0x-hex."""
    return "0x" + assemble(_SOURCE).hex()


def through_callee(target: str, data: str) -> str:
    """Return the calldata that makes the callee call `target`."""
    return "0x" + encode(["address"], [target]).hex() + data.removeprefix("0x")
