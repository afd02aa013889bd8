"""Small tokens with unusual behaviour, assembled here because nobody publishes them separately."""

from eth_utils.crypto import keccak

from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC
from streams.devnet.assembly import assemble
from streams.devnet.chain import Chain

INDEX_SLOT = 1 << 200
ONE = 10**18
_BPS = 10_000


def _selector(text: str) -> int:
    return int.from_bytes(keccak(text=text)[:4], "big")


def _goes(text: str, place: str) -> str:
    return f"DUP1 {_selector(text)} EQ @{place} JUMPI"


_SLOT = "MSTORE {first} CALLDATALOAD 32 MSTORE 64 0 KECCAK256"
_TRUE = "1 0 MSTORE 32 0 RETURN"


def token_code(
    *,
    silent: bool = False,
    races: bool = True,
    fee_bps: int = 0,
    taxed: str = "",
    rebases: bool = False,
    answers: str = "balanceOf(address)",
) -> str:
    """Assemble a token's runtime code with 6 decimals, as 0x-hex.

    `silent`: transfers and approvals return nothing, as USDT's. Without `races` an allowance goes from one amount to
    another only by way of 0, as USDT's. `fee_bps` of each transfer is kept, or
    only of what goes to `taxed`. `rebases`: balances are shares of an
    index. `answers` names one more function that it has.
    """
    well = "STOP" if silent else _TRUE
    worth = f"{INDEX_SLOT} SLOAD MUL {ONE} SWAP1 DIV" if rebases else ""
    fee = f"0xc0 MLOAD {int(taxed, 16)} EQ {fee_bps} MUL" if taxed else f"{fee_bps}"
    guard = "" if races else "36 CALLDATALOAD ISZERO @clear JUMPI DUP1 SLOAD @fail JUMPI :clear"
    return (
        "0x"
        + assemble(f"""
    0 CALLDATALOAD 0xe0 SHR
    {_goes("balanceOf(address)", "balanceOf")} {_goes("allowance(address,address)", "allowance")}
    {_goes("transfer(address,uint256)", "transfer")} {_goes("approve(address,uint256)", "approve")}
    {_goes("transferFrom(address,address,uint256)", "transferFrom")}
    {_goes("mint(address,uint256)", "mint")} {_goes("decimals()", "decimals")}
    {_goes(answers, "decimals")}
    :fail 0 0 REVERT
    :decimals 6 0 MSTORE 32 0 RETURN
    :balanceOf 4 CALLDATALOAD SLOAD {worth} 0 MSTORE 32 0 RETURN
    :allowance 4 CALLDATALOAD 0 {_SLOT.format(first=36)} SLOAD 0 MSTORE 32 0 RETURN
    :mint 36 CALLDATALOAD 4 CALLDATALOAD SLOAD ADD 4 CALLDATALOAD SSTORE STOP
    :approve CALLER 0 {_SLOT.format(first=4)} {guard}
        36 CALLDATALOAD SWAP1 SSTORE {well}
    :transferFrom 4 CALLDATALOAD 0 MSTORE CALLER 32 MSTORE 64 0 KECCAK256
        68 CALLDATALOAD DUP2 SLOAD LT @fail JUMPI
        68 CALLDATALOAD DUP2 SLOAD SUB SWAP1 SSTORE
        68 CALLDATALOAD 0x80 MSTORE 4 CALLDATALOAD 0xa0 MSTORE 36 CALLDATALOAD 0xc0 MSTORE @move JUMP
    :transfer 36 CALLDATALOAD 0x80 MSTORE CALLER 0xa0 MSTORE 4 CALLDATALOAD 0xc0 MSTORE
    :move 0x80 MLOAD 0xa0 MLOAD SLOAD LT @fail JUMPI
        0x80 MLOAD 0xa0 MLOAD SLOAD SUB 0xa0 MLOAD SSTORE
        0x80 MLOAD {fee} MUL {_BPS} SWAP1 DIV 0x80 MLOAD SUB 0xe0 MSTORE
        0xc0 MLOAD SLOAD 0xe0 MLOAD ADD 0xc0 MLOAD SSTORE
        0xc0 MLOAD 0xa0 MLOAD {int(TRANSFER_TOPIC, 16)} 32 0xe0 LOG3 {well}
    """).hex()
    )


def place_token(chain: Chain, where: str, code: str) -> str:
    """Put a token's code at an address."""
    chain.rpc("anvil_setCode", where, code)
    set_index(chain, where, ONE)
    return where


def set_index(chain: Chain, token: str, index: int) -> None:
    """Rebase: change every balance from the next block on without a log."""
    chain.rpc("anvil_setStorageAt", token, f"0x{INDEX_SLOT:064x}", f"0x{index:064x}")
