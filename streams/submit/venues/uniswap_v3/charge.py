"""Compute what an intent counts for in the signer's budget, in the budget's token: its worst case."""

from collections.abc import Awaitable, Callable
from fractions import Fraction

from pipeline.units import Address, RawAmount, SqrtPriceX96
from streams.submit.venues.port import Cost
from streams.submit.venues.uniswap_v3.prices import Priced, Prices
from streams.submit.venues.uniswap_v3.terms import PricedPool
from streams.submit.venues.uniswap_v3.value import Moved
from streams.submit.verdict import Refusal

PricesOf = Callable[[PricedPool], Awaitable[Prices]]

_Q192 = 1 << 192


async def cost_of(
    prices: Prices,
    worst: tuple[tuple[Moved, ...], ...],
    shown: tuple[Moved, ...],
    *,
    pools: tuple[PricedPool, ...],
    token: Address,
    prices_of: PricesOf,
) -> Cost:
    """Charge the worse of what the calldata accepts and what the head shows, at the reference that makes it most.

    `worst` has the parts of the calldata and `shown` the whole on the head, at each of the pool's references.
    Rounds: up. Raises: Refusal, NodeError.
    """
    losses, notionals = [], []
    for priced, parts, effect in zip(prices.references, worst, shown, strict=True):
        loss = max(sum(max(moved.loss, 0) for moved in parts), effect.loss, 0)
        notional = max(sum(moved.leaves for moved in parts), effect.leaves, effect.comes)
        losses.append(await _in_budget(loss, priced, pools, token, prices_of))
        notionals.append(await _in_budget(notional, priced, pools, token, prices_of))
    return Cost(loss=max(losses), notional=max(notionals))


# ------------------------------------------------------------------ in the budget's token
def unvalued_pools(pools: tuple[PricedPool, ...], token: Address) -> list[PricedPool]:
    """List the pools that neither trade the budget's token nor share a token with a listed pool that does."""
    return [pool for pool in pools if token not in _tokens(pool) and _bridge(pool, pools, token) is None]


async def _in_budget(
    amount1: int, priced: Priced, pools: tuple[PricedPool, ...], token: Address, prices_of: PricesOf
) -> RawAmount:
    """Convert raw token1 of a pool into the budget's token: at its own price, or through one other listed pool.

    Of that pool the reference that makes it most counts.
    """
    pool = priced.pool
    if not amount1 or pool.token1 == token:
        return RawAmount(amount1)
    if pool.token0 == token:
        return _to_token0(amount1, priced.sqrt_price_x96)
    bridge = _bridge(pool, pools, token)
    if bridge is None:
        raise Refusal("limits", f"no listed pool values {pool.address} in the budget's token {token}")
    shared, amount = pool.token1, amount1
    if shared not in _tokens(bridge):
        shared, amount = pool.token0, _to_token0(amount1, priced.sqrt_price_x96)
    convert = _to_token1 if bridge.token0 == shared else _to_token0
    references = (await prices_of(bridge)).references
    return max(convert(amount, reference.sqrt_price_x96) for reference in references)


def _bridge(pool: PricedPool, pools: tuple[PricedPool, ...], token: Address) -> PricedPool | None:
    """Find the first listed pool of the budget's token and one of a pool's tokens; token1 before token0."""
    for shared in (pool.token1, pool.token0):
        for other in pools:
            if _tokens(other) == {shared, token}:
                return other
    return None


async def prices_along(
    token: Address, *, pools: tuple[PricedPool, ...], budget: Address, prices_of: PricesOf
) -> tuple[Fraction, ...]:
    """Return how many raw units of the budget's token one of a token is worth, through one listed pool or two; nothing without a path.

    Of two pools every reference of the one goes with every reference of the other. Raises: Refusal, NodeError.
    """
    for pool in pools:
        if _tokens(pool) == {token, budget}:
            return tuple(_price_of(token, each) for each in (await prices_of(pool)).references)
    for pool in pools:
        bridge = _bridge(pool, pools, budget) if token in _tokens(pool) else None
        if bridge is not None and token not in _tokens(bridge):
            (shared,) = _tokens(bridge) - {budget}
            first, second = (await prices_of(pool)).references, (await prices_of(bridge)).references
            return tuple(
                _price_of(token, one) * _price_of(shared, other) for one in first for other in second
            )
    return ()


def _price_of(token: Address, priced: Priced) -> Fraction:
    """Return how many raw units of a pool's other token one of a token is worth."""
    price = Fraction(priced.sqrt_price_x96 * priced.sqrt_price_x96, _Q192)
    return price if token == priced.pool.token0 else 1 / price


def _tokens(pool: PricedPool) -> set[Address]:
    return {pool.token0, pool.token1}


def _to_token0(amount1: int, price_x96: SqrtPriceX96) -> RawAmount:
    return RawAmount(-(-amount1 * _Q192 // (price_x96 * price_x96)))


def _to_token1(amount0: int, price_x96: SqrtPriceX96) -> RawAmount:
    return RawAmount(-(-amount0 * price_x96 * price_x96 // _Q192))
