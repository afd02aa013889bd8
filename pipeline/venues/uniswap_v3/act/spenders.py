"""The spenders of a book's tokens at Uniswap V3: the router for swaps, the position manager for mints."""

from pipeline.act.allowances import Grant, stands
from pipeline.errors import ImpossibleFactError
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan


def spenders(policy: Policy) -> tuple[Address, ...]:
    """List position manager and router of the deployment where a book acts, as far as the chain's profile names them."""
    here = acting_deployment(policy)
    return tuple(each for each in (here.manager, here.router) if each is not None)


def grants(shard: Shard, policy: Policy) -> tuple[Grant, ...]:
    """List the allowances, token and spender, that a plan may need."""
    pool = need_pool(shard, policy.reference_pool).pool()
    here = acting_deployment(policy)
    return tuple(
        (token, spender)
        for token in (pool.token0, pool.token1)
        for spender in (here.router, here.manager)
        if spender is not None
    )


def router_of(policy: Policy) -> Address:
    """Return the router of a book that acts. Raises: ImpossibleFactError where its chain's profile has none."""
    router = acting_deployment(policy).router
    if router is None:
        raise ImpossibleFactError(f"the chain's profile names no router of {policy.acting_venue()}")
    return router


def approvals_of_plan(
    shard: Shard, policy: Policy, amounts: tuple[RawAmount, RawAmount], swap: SwapPlan
) -> int:
    """Count the approvals and revocations of a plan that swaps and then mints all of two amounts.

    What is given to the router is used up, what is given to the position manager may have to be taken back. Nothing
    where the policy lets as much stand as is needed and that much is allowed already.
    """
    pool, manager = need_pool(shard, policy.reference_pool).pool(), acting_deployment(policy).manager
    moved = swap.amount_in, RawAmount(-swap.amount_out)
    sold = moved if swap.zero_for_one else moved[::-1]
    count = 0
    for token, amount, leaves in zip((pool.token0, pool.token1), amounts, sold, strict=True):
        if leaves > 0 and not stands(shard, policy, token, router_of(policy), leaves):
            count += 1
        if not stands(shard, policy, token, manager, RawAmount(amount - leaves)):
            count += 2
    return count
