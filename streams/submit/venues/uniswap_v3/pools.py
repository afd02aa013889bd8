"""Load a signer's pools and references from the chain once at start, and check that the factory made them."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import CallRevertedError, SettingsError, UnreadableError
from pipeline.units import Address, Hash
from pipeline.venues.abi import Function, function
from streams.submit.node import SenderNode
from streams.submit.venues.uniswap_v3.charge import unvalued_pools
from streams.submit.venues.uniswap_v3.feeds import DECIMALS, read_decimals
from streams.submit.venues.uniswap_v3.terms import Feed, NamedFeed, NamedReferences, PricedPool, References

_POOL = "uniswap-v3/UniswapV3Pool"
_FACTORY = "uniswap-v3/UniswapV3Factory"


async def read_pools(
    node: SenderNode, addresses: Sequence[Address], *, factory: Address
) -> tuple[PricedPool, ...]:
    """Read pools at the newest block. Raises: SettingsError where an address is no pool of the factory."""
    at = (await node.newest()).block.hash
    return tuple([await _read_pool(node, address, factory, at) for address in dict.fromkeys(addresses)])


def check_budget_token(pools: tuple[PricedPool, ...], token: Address) -> None:
    """Check that every listed pool has a value in the budget's token.

    Raises: SettingsError where one has none, or the token is none of theirs.
    """
    if not any(token in {pool.token0, pool.token1} for pool in pools):
        raise SettingsError(f"budget_token: {token} is a token of none of the listed pools")
    for pool in unvalued_pools(pools, token):
        raise SettingsError(
            f"budget_token: pool {pool.address} has no value in {token}: list a pool of it and one of that pool's tokens"
        )


async def _read_pool(node: SenderNode, address: Address, factory: Address, at: Hash) -> PricedPool:
    try:
        token0, token1, fee_pips = [
            await _ask(node, address, function(_POOL, name), (), at) for name in ("token0", "token1", "fee")
        ]
        made = await _ask(node, factory, function(_FACTORY, "getPool"), (token0, token1, fee_pips), at)
    except (CallRevertedError, UnreadableError):
        raise SettingsError(f"{address} is no Uniswap V3 pool") from None
    if made != address:
        raise SettingsError(f"pool {address} was not made by factory {factory}")
    return PricedPool(address=address, token0=token0, token1=token1, fee_pips=fee_pips)


# ------------------------------------------------------------------ references
async def read_references(
    node: SenderNode, named: NamedReferences, pools: Sequence[PricedPool], *, factory: Address
) -> References:
    """Read the references of the listed pools' pairs.

    Raises: SettingsError for a pool that the factory did not make, a feed that does not answer, a reference of no
    listed pair, and a pair that has one reference only where the file does not accept that.
    """
    found = await read_pools(node, named.pools, factory=factory)
    at = (await node.newest()).block.hash
    feeds = tuple([await _read_feed(node, feed, at) for feed in named.feeds])
    pairs = [frozenset((pool.token0, pool.token1)) for pool in pools]
    prices = [
        *((pool.address, frozenset((pool.token0, pool.token1))) for pool in found),
        *((feed.address, frozenset((feed.base, feed.quote))) for feed in feeds),
    ]
    for address, pair in prices:
        if pair not in pairs:
            raise SettingsError(f"references: {address} prices no pair of a listed pool")
    for pool, pair in zip(pools, pairs, strict=True):
        others = [address for address, of in prices if of == pair and address != pool.address]
        if not others and not named.may_be_single:
            raise SettingsError(
                f"references: pool {pool.address} alone would price its pair: name another pool of the pair or a feed, "
                "or say single_reference: true"
            )
    return References(pools=found, feeds=feeds, may_be_single=named.may_be_single)


async def _read_feed(node: SenderNode, feed: NamedFeed, at: Hash) -> Feed:
    try:
        read_decimals(await node.call(feed.address, DECIMALS.encode(), at))
        base_decimals, quote_decimals = [
            await _ask(node, token, function("tokens/ERC20", "decimals"), (), at)
            for token in (feed.base, feed.quote)
        ]
    except (CallRevertedError, UnreadableError) as error:
        raise SettingsError(f"references: feed {feed.address} cannot be read: {error}") from None
    return Feed(
        address=feed.address,
        base=feed.base,
        quote=feed.quote,
        base_decimals=base_decimals,
        quote_decimals=quote_decimals,
        max_age_s=feed.max_age_s,
        deviation_bps=feed.deviation_bps,
    )


async def _ask(
    node: SenderNode, to: Address, asked: Function, arguments: tuple[object, ...], at: Hash
) -> Any:
    (answer,) = asked.answer(await node.call(to, asked.encode(*arguments), at))
    return answer
