"""Short calls to the devnet's chain, for those who drive it."""

from typing import Any

import msgspec

from pipeline.venues.abi import Function, function

from .chain import Chain
from .transactions import DevnetReceipt
from .world import DevnetPool, Pair, World

_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_POOL = "uniswap-v3/UniswapV3Pool"
_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_NOBODY = "0x" + "00" * 32


class Slot0(msgspec.Struct, frozen=True):
    """The pool's own summary, in its order."""

    sqrt_price_x96: int
    tick: int
    observation_index: int
    observation_cardinality: int
    observation_cardinality_next: int
    fee_protocol: int
    unlocked: bool


class Position(msgspec.Struct, frozen=True):
    """An NFT as the manager stores it, in its order."""

    nonce: int
    operator: str
    token0: str
    token1: str
    fee_pips: int
    lower: int
    upper: int
    liquidity: int
    inside_last0_x128: int
    inside_last1_x128: int
    owed0: int
    owed1: int


def slot0(chain: Chain, pool: DevnetPool, *, block: int | str = "latest") -> Slot0:
    return Slot0(*read(chain, pool.address, _POOL, "slot0", block=block))


def position(chain: Chain, world: World, token_id: int, *, block: int | str = "latest") -> Position:
    return Position(*read(chain, world.position_manager, _MANAGER, "positions", token_id, block=block))


def token_ids(chain: Chain, world: World, owner: str, *, block: int | str = "latest") -> tuple[int, ...]:
    """List the NFTs of an owner, in the manager's order."""
    manager = world.position_manager
    count: int = read(chain, manager, _MANAGER, "balanceOf", owner, block=block)
    by_index = (
        read(chain, manager, _MANAGER, "tokenOfOwnerByIndex", owner, i, block=block) for i in range(count)
    )
    return tuple(by_index)


def balance(chain: Chain, token: str, account: str, *, block: int | str = "latest") -> int:
    amount: int = read(chain, token, "tokens/ERC20", "balanceOf", account, block=block)
    return amount


def read(
    chain: Chain, address: str, contract: str, name: str, *arguments: Any, block: int | str = "latest"
) -> Any:
    """Call one function of a contract by its interface's name, e.g. "uniswap-v3/UniswapV3Pool"."""
    return ask(chain, address, function(contract, name), *arguments, block=block)


def ask(
    chain: Chain,
    address: str,
    called: Function,
    *arguments: Any,
    sender: str | None = None,
    block: int | str = "latest",
) -> Any:
    """Call a function and give what it returns: a single value bare, several as a tuple."""
    returned = chain.call(address, called.calldata(*arguments), sender=sender, block=block)
    values = called.answer(bytes.fromhex(returned.removeprefix("0x")))
    return values[0] if len(values) == 1 else values


def range_around(chain: Chain, pool: DevnetPool, below: int, above: int) -> Pair:
    """Return the range from `below` to `above` ticks about the pool's price, on its spacing."""
    tick, spacing = slot0(chain, pool).tick, pool.tick_spacing
    return (tick + below) // spacing * spacing, -(-(tick + above) // spacing) * spacing


def minted_token_id(receipt: DevnetReceipt, world: World) -> int:
    """Return the number of the NFT that a mint made."""
    (token_id,) = (
        int(log.topics[3], 16)
        for log in receipt.logs
        if log.address == world.position_manager and log.topics[:2] == (_TRANSFER, _NOBODY)
    )
    return token_id
