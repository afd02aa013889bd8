"""What a shard shows of itself: views of pools, positions and books, and what replaces them after a reorg."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.book.inventory import Assessed, Stock, Tracked
from pipeline.decide.gates import deviation_bps
from pipeline.messages.entries import Pool
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView, PoolView, PositionView, SwapSeen, ViewRemoved
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import Address, BookId


def published_pools(shard: Shard) -> frozenset[Address]:
    """Collect the pools whose views are this shard's to tell."""
    return frozenset(pool for policy in policies(shard.tables) for pool in policy.publishes)


def show_swaps(shard: Shard, tracked: Tracked, now: Provenance) -> Iterator[SwapSeen]:
    """Tell each swap of a published pool."""
    published = published_pools(shard)
    for log, swap in tracked.swaps:
        if swap.address in published:
            yield SwapSeen(
                **now.stamp_of_chain("swap", swap.address, log.log_index),
                pool=swap.address,
                log_index=log.log_index,
                transaction_hash=log.transaction_hash,
                amount0_delta=swap.amount0_delta,
                amount1_delta=swap.amount1_delta,
                sqrt_price_x96=swap.sqrt_price_x96,
                liquidity=swap.liquidity,
                tick=swap.tick,
            )


def show_pool(address: Address, state: Pool, now: Provenance) -> PoolView:
    """Tell the present state of a pool."""
    return PoolView(**now.stamp_of_chain("pool", address), pool=address, state=state)


def remove_pool(address: Address, now: Provenance) -> ViewRemoved:
    """Say that a pool's state is no longer known."""
    return ViewRemoved(**now.stamp_of_chain("pool", address), topic=PoolView.topic, key=keys.pool(address))


def show_position(policy: Policy, assessed: Assessed, now: Provenance) -> PositionView:
    """Tell one NFT of a book."""
    manager, token_id = keys.position.parse(assessed.key)
    position = assessed.position
    return PositionView(
        **now.stamp("pos", assessed.key),
        book=policy.book,
        manager=manager,
        token_id=token_id,
        pool=position.pool,
        tick_lower=position.tick_lower,
        tick_upper=position.tick_upper,
        liquidity=position.liquidity,
        in_range=assessed.in_range,
        principal0=assessed.principal0,
        principal1=assessed.principal1,
        fees0=assessed.fees0,
        fees1=assessed.fees1,
    )


def show_book(policy: Policy, stock: Stock, now: Provenance) -> BookView:
    """Tell a book's inventory."""
    return BookView(
        **now.stamp("book", policy.book, policy_version=policy.policy_version),
        book=policy.book,
        holdings=stock.holdings,
        base_amount=stock.base_amount,
        quote_amount=stock.quote_amount,
        value_quote=stock.value_quote,
        sqrt_price_x96=stock.sqrt_price_x96,
        base_share_bps=stock.base_share_bps,
        deviation_bps=deviation_bps(stock, policy),
    )


def remove_position(key: str, now: Provenance) -> ViewRemoved:
    """Say that a book no longer has this NFT, or nothing in it."""
    return ViewRemoved(**now.stamp("pos", key), topic=PositionView.topic, key=key)


def remove_book(book: BookId, now: Provenance) -> ViewRemoved:
    """Say that this inventory is not known, or that there is no such book."""
    return ViewRemoved(**now.stamp("book", book), topic=BookView.topic, key=keys.book(book))
