"""Decide the fees of a transaction: the first offer, and when to send again, bump or cancel."""

from collections.abc import Callable, Mapping

import msgspec

from pipeline.messages.base import BlockRef
from pipeline.messages.journal import Attempt, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.budget import DAY_S, most_gas_wei, spent_within
from pipeline.sign.nonces import Account, is_cancelling, status
from pipeline.units import Hash, Wei

_CANCEL_TIPS = 2
"""How often a cancellation's tip may be that of a call: it is for 21,000 gas, and must replace the dearest call."""
CANCEL_GAS = 21_000
"""What a payment of nothing to oneself takes, where gas is not also the price of posting data elsewhere."""
_BUMP_PERCENT = 112
"""Nodes replace a transaction from 10 % more on both fees; a little above, for those that round."""


# ------------------------------------------------------------------ fees
class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """The fees that a transaction offers per unit of gas."""

    max_fee_wei: Wei
    tip_wei: Wei


class FeeCaps(msgspec.Struct, frozen=True, kw_only=True):
    """The highest fees that may be offered per unit of gas: in total, and as the tip."""

    max_fee_wei: Wei
    tip_wei: Wei


class FeeMarket(msgspec.Struct, frozen=True, kw_only=True):
    """The chain's base fee and tip at the head."""

    base_fee_wei: Wei
    """The base fee of the next block."""
    tip_wei: Wei


def first_fees(market: FeeMarket, caps: FeeCaps) -> Fees | None:
    """Offer twice the base fee plus the tip, within the caps; None where the caps are below the next block's base fee."""
    tip_wei = min(market.tip_wei, caps.tip_wei)
    if market.base_fee_wei + tip_wei > caps.max_fee_wei:
        return None
    return Fees(max_fee_wei=Wei(min(2 * market.base_fee_wei + tip_wei, caps.max_fee_wei)), tip_wei=tip_wei)


def bumped_fees(last: Attempt, market: FeeMarket, caps: FeeCaps) -> Fees | None:
    """Raise both fees by at least 12 %, and to what the chain asks now, within the caps; None where the caps leave no room."""
    least_fee_wei, least_tip_wei = _more(last.max_fee_wei), _more(last.tip_wei)
    if least_fee_wei > caps.max_fee_wei or least_tip_wei > caps.tip_wei:
        return None
    tip_wei = max(least_tip_wei, min(market.tip_wei, caps.tip_wei))
    max_fee_wei = min(max(least_fee_wei, 2 * market.base_fee_wei + tip_wei), caps.max_fee_wei)
    return Fees(max_fee_wei=Wei(max_fee_wei), tip_wei=Wei(min(tip_wei, max_fee_wei)))


def _more(wei: int) -> int:
    return max(-(-wei * _BUMP_PERCENT // 100), wei + 1)


# ------------------------------------------------------------------ what is due
class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A request that an intent must not be carried out."""

    why: str
    cancels: bool
    """Its signed transactions are cancelled at once; otherwise only stuck ones are, in place of a bump."""


class FeeRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that say when a transaction counts as stuck, and what may be offered for it."""

    bump_after_blocks: int
    max_fee_per_gas_wei: Wei
    """The highest fee per gas; the intent's own cap applies too."""
    cancel_max_fee_per_gas_wei: Wei
    max_tip_wei: Wei
    max_gas_wei: Wei
    """The most gas that one nonce may cost, whichever of its attempts is mined, bumps and cancellations included."""
    max_gas_wei_per_day: Wei
    cancel_gas: int = CANCEL_GAS

    def caps(self, intent: SubmitTransaction) -> FeeCaps:
        """Return the highest fees that may be offered for an intent."""
        return FeeCaps(
            max_fee_wei=min(self.max_fee_per_gas_wei, intent.max_fee_per_gas_wei), tip_wei=self.max_tip_wei
        )

    @property
    def cancel_caps(self) -> FeeCaps:
        """Return the highest fees that may be offered to cancel a nonce; the tip must exceed that of a version at its own cap."""
        return FeeCaps(
            max_fee_wei=self.cancel_max_fee_per_gas_wei, tip_wei=Wei(_CANCEL_TIPS * self.max_tip_wei)
        )


class Resend(msgspec.Struct, frozen=True, kw_only=True):
    """Send an attempt again unchanged."""

    nonce: int
    attempt: Attempt


class Replace(msgspec.Struct, frozen=True, kw_only=True):
    """Sign the same nonce again with higher fees: the same call, or an empty transaction that cancels it."""

    nonce: int
    fees: Fees
    cancels: bool


Due = Resend | Replace


def due(
    account: Account,
    head: BlockRef,
    market: FeeMarket,
    rules: FeeRules,
    *,
    offered_at: Mapping[int, Hash],
    stop_of: Callable[[SubmitTransaction], Stop | None] = lambda _: None,
) -> list[Due]:
    """List what must be done for the nonces that are not mined yet, lowest first.

    `offered_at` tells at which head each nonce was last given to a node by this process: before a bump the same
    bytes have had a block's time. Only the lowest can be stuck by its fees: the others wait for it.
    """
    doomed = {bound.intent.digest for bound in account.nonces if _is_lost(bound)}
    found: list[Due] = []
    left_wei = _left_today_wei(account, head, rules)
    for place, bound in enumerate(account.waiting()):
        stop = stop_of(bound.intent)
        replacement = _replacement(
            bound,
            head,
            market,
            rules,
            most_wei=_most_wei(bound, rules, left_wei),
            may_be_stuck=place == 0 and offered_at.get(bound.nonce, head.hash) != head.hash,
            unwanted=stop is not None,
            pointless=bound.intent.after in doomed
            or _has_lost_its_ground(bound, account)
            or (stop is not None and stop.cancels),
        )
        if replacement is not None:
            found.append(replacement)
            left_wei -= _more_gas_wei(bound, replacement, rules)
            if replacement.cancels:
                doomed.add(bound.intent.digest)
        elif offered_at.get(bound.nonce) != head.hash:
            found.extend(Resend(nonce=bound.nonce, attempt=attempt) for attempt in _offerable(bound))
    return found


def _has_lost_its_ground(bound: NonceBound, account: Account) -> bool:
    """Return whether an intent rests on what the one before it brought, and a reorg has undone that.

    Intents of one phase are made at one block and wait together. What is made at a later block rests on receipts.
    """
    before = account.of_intent(bound.intent.after) if bound.intent.after else None
    return before is not None and before.inclusion is None and before.intent.made_at != bound.intent.made_at


def _left_today_wei(account: Account, head: BlockRef, rules: FeeRules) -> int:
    """Return how much gas may still be spent today, with everything that is not mined counted at the most that it offers."""
    gas_wei = spent_within(account.standing, account.nonces, head.timestamp_s, DAY_S).gas_wei
    return rules.max_gas_wei_per_day - gas_wei


def _most_wei(bound: NonceBound, rules: FeeRules, left_wei: int) -> int:
    """Return what a nonce may still cost in gas: what it has offered before is already charged and stays available to it."""
    charged_wei = most_gas_wei(bound)
    most_wei = max(min(charged_wei + left_wei, rules.max_gas_wei), charged_wei)
    return most_wei - bound.charge.data_fee_wei


def _more_gas_wei(bound: NonceBound, replacement: Replace, rules: FeeRules) -> int:
    """Compute by how much a replacement raises the most that its nonce may cost."""
    gas = rules.cancel_gas if replacement.cancels else bound.intent.call.gas_limit
    offered_wei = gas * replacement.fees.max_fee_wei + bound.charge.data_fee_wei
    return max(offered_wei - most_gas_wei(bound), 0)


def _within(caps: FeeCaps, most_wei: int, gas: int) -> FeeCaps:
    """Lower the caps so that the gas costs no more than an amount in total. Rounds: down."""
    max_fee_wei = Wei(min(caps.max_fee_wei, most_wei // max(gas, 1)))
    return FeeCaps(max_fee_wei=max_fee_wei, tip_wei=min(caps.tip_wei, max_fee_wei))


def _is_lost(bound: NonceBound) -> bool:
    """Return whether an intent is cancelled, or is about to be."""
    return status(bound) == "cancelled" or (bound.inclusion is None and is_cancelling(bound))


def _replacement(
    bound: NonceBound,
    head: BlockRef,
    market: FeeMarket,
    rules: FeeRules,
    *,
    most_wei: int,
    may_be_stuck: bool,
    unwanted: bool,
    pointless: bool,
) -> Replace | None:
    """Choose between waiting, higher fees and a cancellation, none of which may cost more than `most_wei`."""
    last = bound.attempts[-1]
    is_stuck = may_be_stuck and _is_stuck(last, head, rules)
    cancelling = is_cancelling(bound)
    if not cancelling and (
        pointless or _is_invalid(bound) or head.timestamp_s > bound.intent.deadline_s
    ):  # what no node takes lands no more than what comes too late; the nonce is used up all the same
        return _cancel(bound, market, rules, most_wei)
    if not is_stuck:
        return None
    if cancelling or unwanted:
        return _cancel(bound, market, rules, most_wei)
    caps = _within(rules.caps(bound.intent), most_wei, bound.intent.call.gas_limit)
    if first_fees(market, caps) is None:  # no bump within the caps reaches the next block
        return _cancel(bound, market, rules, most_wei)
    fees = bumped_fees(last, market, caps)
    return None if fees is None else Replace(nonce=bound.nonce, fees=fees, cancels=False)


def _cancel(bound: NonceBound, market: FeeMarket, rules: FeeRules, most_wei: int) -> Replace | None:
    """Replace a nonce by an empty transaction. It takes less gas than the call that it replaces, so it rarely costs more."""
    caps = _within(rules.cancel_caps, most_wei, rules.cancel_gas)
    fees = bumped_fees(bound.attempts[-1], market, caps)
    return None if fees is None else Replace(nonce=bound.nonce, fees=fees, cancels=True)


def is_public(attempt: Attempt, head: BlockRef) -> bool:
    """Return whether signed bytes may go to a public mempool at a head."""
    if not attempt.is_private:
        return True
    return attempt.public_from_block is not None and head.number >= attempt.public_from_block


def _offerable(bound: NonceBound) -> list[Attempt]:
    """List the attempts that a node should have: the newest, and before it the last one that a node accepted, if that is another.

    Were the newest refused for want of funds or room, and the older one lost, nothing would be on its way. Once
    a cancellation is signed the call is not offered again.
    """
    newest = bound.attempts[-1]
    older = [
        attempt
        for attempt in bound.attempts[:-1]
        if attempt.sent_at_block is not None and attempt.cancels == newest.cancels
    ]
    return [newest] if _is_with_a_node(newest) or not older else [older[-1], newest]


def _is_with_a_node(attempt: Attempt) -> bool:
    return attempt.sent_at_block is not None and attempt.refusal is None


def _is_stuck(attempt: Attempt, head: BlockRef, rules: FeeRules) -> bool:
    """Return whether the fees must rise: a node asks for more, or it accepted the transaction and blocks pass without it.

    Age counts from the broadcast, not from the signature. Bytes that no node has are never stuck by their price.
    """
    if attempt.refusal is not None:
        return attempt.refusal.kind == "underpriced"
    return (
        attempt.sent_at_block is not None and head.number - attempt.sent_at_block >= rules.bump_after_blocks
    )


def _is_invalid(bound: NonceBound) -> bool:
    """Return whether every node refuses what was signed. A node that accepted an older version has shown that the call is valid."""
    refusal = bound.attempts[-1].refusal
    never_taken = all(attempt.sent_at_block is None for attempt in bound.attempts)
    return never_taken and refusal is not None and refusal.kind == "invalid"
