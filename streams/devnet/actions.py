"""Build the transactions that an account can send on the devnet: liquidity, swaps, tokens, and owners' settings."""

from collections.abc import Sequence

from pipeline.venues.abi import Function, function

from .transactions import Tx
from .world import DevnetPool, Pair, World

EVERYTHING = (2**128 - 1, 2**128 - 1)
MAX_UINT256 = 2**256 - 1
_NEVER_S = MAX_UINT256  # the deadline of everything: block time is ours anyway
_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_ROUTER = "uniswap-v3/SwapRouter02"
_POOL = "uniswap-v3/UniswapV3Pool"


# ------------------------------------------------------------------ liquidity, through the position manager
def mint_position(world: World, owner: str, pool: DevnetPool, ticks: Pair, amounts: Pair) -> Tx:
    """Open a position with at most these amounts; what the price does not take stays with the owner."""
    terms = (pool.token0, pool.token1, pool.fee_pips, *ticks, *amounts, 0, 0, owner, _NEVER_S)
    return _to(world.position_manager, owner, function(_MANAGER, "mint"), terms)


def increase(world: World, owner: str, token_id: int, amounts: Pair) -> Tx:
    terms = (token_id, *amounts, 0, 0, _NEVER_S)
    return _to(world.position_manager, owner, function(_MANAGER, "increaseLiquidity"), terms)


def decrease(world: World, owner: str, token_id: int, liquidity: int) -> Tx:
    """Take liquidity out; the amounts wait in the manager until collected."""
    terms = (token_id, liquidity, 0, 0, _NEVER_S)
    return _to(world.position_manager, owner, function(_MANAGER, "decreaseLiquidity"), terms)


def collect(world: World, owner: str, token_id: int, *, amounts_max: Pair = EVERYTHING) -> Tx:
    """Collect fees and withdrawn principal, all of it unless told."""
    return _to(world.position_manager, owner, function(_MANAGER, "collect"), (token_id, owner, *amounts_max))


def burn_position(world: World, owner: str, token_id: int) -> Tx:
    """Destroy an emptied NFT; it reverts while anything is left in it."""
    return _to(world.position_manager, owner, function(_MANAGER, "burn"), token_id)


def transfer_nft(world: World, owner: str, to: str, token_id: int) -> Tx:
    return _to(world.position_manager, owner, function(_MANAGER, "transferFrom"), owner, to, token_id)


# ------------------------------------------------------------------ swaps, through the router
def swap_exact_in(
    world: World, trader: str, pool: DevnetPool, token_in: str, amount_in: int, *, limit_x96: int = 0
) -> Tx:
    """Sell an amount, or less of it where the price limit is reached first (0: no limit)."""
    terms = (token_in, _other(pool, token_in), pool.fee_pips, trader, amount_in, 0, limit_x96)
    return _to(world.router, trader, function(_ROUTER, "exactInputSingle"), terms)


def swap_exact_out(
    world: World, trader: str, pool: DevnetPool, token_in: str, amount_out: int, *, limit_x96: int = 0
) -> Tx:
    """Buy an amount at whatever it costs, or less of it where the price limit is reached first (0: no limit)."""
    terms = (token_in, _other(pool, token_in), pool.fee_pips, trader, amount_out, MAX_UINT256, limit_x96)
    return _to(world.router, trader, function(_ROUTER, "exactOutputSingle"), terms)


def swaps_together(world: World, swaps: Sequence[Tx]) -> Tx:
    """Do several swaps of one trader in one transaction."""
    parts = [bytes.fromhex(swap.data.removeprefix("0x")) for swap in swaps]
    multicall = function(_ROUTER, "multicall", arguments="bytes[]")
    return Tx(
        sender=swaps[0].sender, to=world.router, data=multicall.calldata(parts), gas=sum(s.gas for s in swaps)
    )


# ------------------------------------------------------------------ tokens
def wrap(world: World, owner: str, amount_wei: int) -> Tx:
    return Tx(
        sender=owner, to=world.weth, data=function("tokens/WETH9", "deposit").calldata(), value_wei=amount_wei
    )


def unwrap(world: World, owner: str, amount_wei: int) -> Tx:
    return _to(world.weth, owner, function("tokens/WETH9", "withdraw"), amount_wei)


def transfer(token: str, owner: str, to: str, amount: int) -> Tx:
    return _to(token, owner, function("tokens/ERC20", "transfer"), to, amount)


def mint_usdc(usdc: str, sender: str, to: str, amount: int) -> Tx:
    """Create dollars: anybody may, here."""
    return _to(
        usdc, sender, function("tokens/MintableERC20", "mint", arguments="address,uint256"), to, amount
    )


def approve(token: str, owner: str, spender: str) -> Tx:
    """Let a spender take any amount of a token."""
    return _to(token, owner, function("tokens/ERC20", "approve"), spender, MAX_UINT256)


def approve_all(world: World, owner: str) -> tuple[Tx, ...]:
    """Let the router and the position manager take the owner's tokens."""
    return tuple(
        approve(token, owner, spender)
        for token in world.tokens
        for spender in (world.router, world.position_manager)
    )


# ------------------------------------------------------------------ the knobs of a pool
def set_protocol_fee(world: World, pool: DevnetPool, fee0: int, fee1: int) -> Tx:
    """Give the protocol one part in `fee` of the swap fees: 0, or 4 to 10."""
    return _to(pool.address, world.accounts.deployer, function(_POOL, "setFeeProtocol"), fee0, fee1)


def collect_protocol(world: World, pool: DevnetPool, to: str, *, amounts_max: Pair = EVERYTHING) -> Tx:
    """Pay out the protocol's fees; the pool keeps one unit of each."""
    return _to(pool.address, world.accounts.deployer, function(_POOL, "collectProtocol"), to, *amounts_max)


def grow_observations(pool: DevnetPool, sender: str, cardinality_next: int) -> Tx:
    """Make room for more price observations."""
    return _to(pool.address, sender, function(_POOL, "increaseObservationCardinalityNext"), cardinality_next)


def _to(contract: str, sender: str, called: Function, *arguments: object) -> Tx:
    return Tx(sender=sender, to=contract, data=called.calldata(*arguments))


def _other(pool: DevnetPool, token: str) -> str:
    return pool.token1 if token == pool.token0 else pool.token0
