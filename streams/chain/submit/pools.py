"""A signer's pools, read from the chain once at start: their tokens and fees, and that the factory made them."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import CallRevertedError, SettingsError, UnreadableError
from pipeline.units import Address, Hash
from streams.chain.calls import Method, method
from streams.chain.submit.limits import PricedPool
from streams.chain.submit.node import SenderNode

_POOL = "uniswap-v3/UniswapV3Pool"
_FACTORY = "uniswap-v3/UniswapV3Factory"


async def read_pools(
    node: SenderNode, addresses: Sequence[Address], *, factory: Address
) -> tuple[PricedPool, ...]:
    """Read pools at the newest block. Raises: SettingsError where an address is no pool of the factory's."""
    at = (await node.newest()).block.hash
    return tuple([await _read_pool(node, address, factory, at) for address in dict.fromkeys(addresses)])


async def _read_pool(node: SenderNode, address: Address, factory: Address, at: Hash) -> PricedPool:
    try:
        token0, token1, fee_pips = [
            await _ask(node, address, method(_POOL, name), (), at) for name in ("token0", "token1", "fee")
        ]
        made = await _ask(node, factory, method(_FACTORY, "getPool"), (token0, token1, fee_pips), at)
    except (CallRevertedError, UnreadableError):
        raise SettingsError(f"{address} is no Uniswap V3 pool") from None
    if made != address:
        raise SettingsError(f"pool {address} was not made by factory {factory}")
    return PricedPool(address=address, token0=token0, token1=token1, fee_pips=fee_pips)


async def _ask(node: SenderNode, to: Address, asked: Method, arguments: tuple[object, ...], at: Hash) -> Any:
    (answer,) = asked.decode(await node.call(to, asked.encode(*arguments), at))
    return answer
