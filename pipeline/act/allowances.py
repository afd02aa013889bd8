"""Draft the approvals that spenders need: exact amounts, or standing allowances within the policy's bound.

A venue says which spenders those are.
"""

from collections.abc import Iterable

from pipeline import keys
from pipeline.act.drafts import Draft
from pipeline.messages.entries import Allowance
from pipeline.messages.goals import APPROVE, RESET
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.abi import function

APPROVE_GAS = 80_000
"""The limit of one approval."""
_MOST_GRANTED_PERCENT = 105
"""So much of what is needed an allowance may be that stands already."""
_APPROVE = function("tokens/ERC20", "approve")

Grant = tuple[Address, Address]
"""A token, and the spender that may be allowed to take of it."""


def allowances(policy: Policy, grants: Iterable[Grant]) -> dict[str, RawAmount]:
    """Name the allowances that a plan may give, each with the amount at which it may stand afterwards."""
    return {
        keys.allowance(policy.owner, token, spender): may_stand(policy, token, spender)
        for token, spender in grants
    }


def may_stand(policy: Policy, token: Address, spender: Address) -> RawAmount:
    """Return how much an allowance may be between plans; 0 for a hedge's venue, so that a hedge which ends leaves none."""
    spec = policy.chain.venue(policy.hedge.venue) if policy.hedge else None
    at_hedge = () if spec is None else (each.address for each in spec.contracts)
    return RawAmount(0) if spender in at_hedge else policy.standing(token)


def is_allowed(shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount) -> bool:
    """Return whether a spender may already take an amount, and not much more than that or than may stand."""
    granted = shard.tables.find(keys.allowance(policy.owner, token, spender), Allowance)
    most = max(amount * _MOST_GRANTED_PERCENT // 100, may_stand(policy, token, spender))
    return granted is not None and amount <= granted.amount <= most


def allow(
    shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount
) -> tuple[Draft, ...]:
    """Draft the approval of exactly an amount, or of all that may stand where that is more.

    By way of 0, for some tokens go from no amount to another but that. One that is there already and is only a little
    more is used as it stands: the price moves what is needed from block to block. An allowance that was not read is
    taken for one that is in the way.
    """
    if is_allowed(shard, policy, token, spender, amount):
        return ()
    granted = shard.tables.find(keys.allowance(policy.owner, token, spender), Allowance)
    none = granted is not None and not granted.amount
    cleared = () if none else (RawAmount(0),)
    given = (*cleared, max(amount, may_stand(policy, token, spender)))
    return tuple(Draft(step=APPROVE, call=approve(token, spender, each)) for each in given)


def take_back(shard: Shard, policy: Policy, grants: Iterable[Grant]) -> tuple[Draft, ...]:
    """Draft the approvals that reduce allowances to what may stand.

    Raises: ImpossibleFactError where an allowance was not read.
    """
    drafts = []
    for token, spender in grants:
        allowance = shard.tables.need(keys.allowance(policy.owner, token, spender), Allowance)
        if allowance.amount > may_stand(policy, token, spender):
            drafts.append(Draft(step=RESET, call=approve(token, spender, RawAmount(0))))
    return tuple(drafts)


def stands(shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount) -> bool:
    """Return whether an existing allowance covers an amount and may stay: nothing has to be approved or revoked."""
    return amount <= may_stand(policy, token, spender) and is_allowed(shard, policy, token, spender, amount)


def approve(token: Address, spender: Address, amount: RawAmount) -> Call:
    """Draft an approval."""
    return Call(to=token, data=write_approve(spender, amount), gas_limit=APPROVE_GAS)


def read_approval(call: Call) -> tuple[Address, RawAmount]:
    """Decode an approval. Raises: CalldataError where the call is another one."""
    spender, amount = _APPROVE.decode(bytes.fromhex(call.data.removeprefix("0x")))
    return spender, amount


def write_approve(spender: Address, amount: RawAmount) -> str:
    """Encode an approval; an amount of 0 revokes it."""
    return _APPROVE.calldata(spender, amount)
