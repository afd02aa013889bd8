"""What router and position manager may take of an owner's tokens: given exactly, or standing within the policy's bound."""

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.messages.entries import Allowance
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.uniswap_v3.calldata import write_approve
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan

APPROVE_GAS = 80_000
"""The limit of one approval."""
_MOST_GRANTED_PERCENT = 105
"""So much of what is needed an allowance may be that stands already."""


def grants(shard: Shard, policy: Policy) -> tuple[tuple[Address, Address], ...]:
    """List which token a plan may have to let whom take."""
    pool = need_pool(shard, policy.reference_pool).pool()
    spenders = policy.chain.router, policy.chain.position_manager
    return tuple(
        (token, spender)
        for token in (pool.token0, pool.token1)
        for spender in spenders
        if spender is not None
    )


def allowances(shard: Shard, policy: Policy) -> dict[str, RawAmount]:
    """Name the allowances that a plan may give, each with the amount at which it may stand afterwards."""
    return {
        keys.allowance(policy.owner, token, spender): policy.standing(token)
        for token, spender in grants(shard, policy)
    }


def is_allowed(shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount) -> bool:
    """Ask whether a spender may take an amount already, and not much more than that or than may stand."""
    granted = shard.tables.find(keys.allowance(policy.owner, token, spender), Allowance)
    most = max(amount * _MOST_GRANTED_PERCENT // 100, policy.standing(token))
    return granted is not None and amount <= granted.amount <= most


def allow(
    shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount
) -> tuple[Call, ...]:
    """Let a spender take exactly so much, or all that may stand where that is more.

    By way of 0, for some tokens go from no amount to another but that. One that is there already and is only a little
    more is used as it stands: the price moves what is needed from block to block. An allowance that was not read is
    taken for one that is in the way.
    """
    if is_allowed(shard, policy, token, spender, amount):
        return ()
    granted = shard.tables.find(keys.allowance(policy.owner, token, spender), Allowance)
    none = granted is not None and not granted.amount
    cleared = () if none else (approve(token, spender, RawAmount(0)),)
    return (*cleared, approve(token, spender, max(amount, policy.standing(token))))


def take_back(shard: Shard, policy: Policy) -> tuple[Call, ...]:
    """Let spenders take nothing of what they may take beyond what may stand.

    Raises: ImpossibleFactError where an allowance was not read.
    """
    calls = []
    for token, spender in grants(shard, policy):
        allowance = shard.tables.need(keys.allowance(policy.owner, token, spender), Allowance)
        if allowance.amount > policy.standing(token):
            calls.append(approve(token, spender, RawAmount(0)))
    return tuple(calls)


def approve(token: Address, spender: Address, amount: RawAmount) -> Call:
    """Tell a token what a spender may take from now on."""
    return Call(to=token, data=write_approve(spender, amount), gas_limit=APPROVE_GAS)


def router_of(policy: Policy) -> Address:
    """Name the router of a book that acts. Raises: ImpossibleFactError where its chain's profile names none."""
    if policy.chain.router is None:
        raise ImpossibleFactError("the chain's profile names no router")
    return policy.chain.router


def approvals_of_plan(
    shard: Shard, policy: Policy, amounts: tuple[RawAmount, RawAmount], swap: SwapPlan
) -> int:
    """Count what a plan that swaps and then mints all of two amounts gives and takes back of allowances.

    What is given to the router is used up, what is given to the position manager may have to be taken back. Nothing
    where the policy lets as much stand as is needed and that much is allowed already.
    """
    pool, chain = need_pool(shard, policy.reference_pool).pool(), policy.chain
    moved = swap.amount_in, RawAmount(-swap.amount_out)
    sold = moved if swap.zero_for_one else moved[::-1]
    count = 0
    for token, amount, leaves in zip((pool.token0, pool.token1), amounts, sold, strict=True):
        if leaves > 0 and not _stands(shard, policy, token, router_of(policy), leaves):
            count += 1
        if not _stands(shard, policy, token, chain.position_manager, RawAmount(amount - leaves)):
            count += 2
    return count


def _stands(shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount) -> bool:
    return amount <= policy.standing(token) and is_allowed(shard, policy, token, spender, amount)
