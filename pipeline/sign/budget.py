"""Add up what a signer's transactions count for within a rolling window of block time.

A transaction is charged when it is signed, at its worst case, and the charge stays whatever becomes of it. It leaves a
window by its age alone, and not before it is in a block: there is no hour at which a limit starts again from nothing.
"""

from collections.abc import Iterable, Sequence

import msgspec

from pipeline.messages.base import BlockRef
from pipeline.messages.journal import NonceBound, SignerStanding, Spent
from pipeline.units import Address, RawAmount, Seconds, Wei

HOUR_S = 3_600
DAY_S = 86_400


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts signed within one window. Raw units of the budget's token."""

    loss: RawAmount
    notional: RawAmount
    actions: int
    transactions: int
    gas_wei: Wei
    tokens: frozenset[Address]
    """The tokens of the amounts. More than one where the budget's token was changed: then their sum has no meaning."""


def spent_within(
    standing: SignerStanding, nonces: Iterable[NonceBound], now_s: Seconds, window_s: int
) -> Window:
    """Sum up what was signed within a window that ends now, and whatever is not mined yet, however old."""
    since_s = now_s - window_s
    parts = [part for part in standing.spent if part.signed_at_s > since_s]
    parts += [spent_of(bound) for bound in nonces if bound.inclusion is None or bound.signed_at_s > since_s]
    return Window(
        loss=RawAmount(sum(part.loss for part in parts)),
        notional=RawAmount(sum(part.notional for part in parts)),
        actions=sum(part.actions for part in parts),
        transactions=sum(part.transactions for part in parts),
        gas_wei=Wei(sum(part.gas_wei for part in parts)),
        tokens=frozenset(part.token for part in parts if part.loss or part.notional),
    )


def spent_of(bound: NonceBound) -> Spent:
    """Return what a nonce is charged: the gas that it paid once it is mined, before that the most that it may cost."""
    charge = bound.charge
    return Spent(
        signed_at_s=bound.signed_at_s,
        token=charge.token,
        loss=charge.loss,
        notional=charge.notional,
        actions=charge.actions,
        transactions=1,
        gas_wei=most_gas_wei(bound) if bound.inclusion is None else bound.inclusion.paid_wei,
    )


def most_gas_wei(bound: NonceBound) -> Wei:
    """Return the most gas that a nonce may cost: the dearest of its versions, any of which may be mined."""
    offered = max(attempt.gas_limit * attempt.max_fee_wei for attempt in bound.attempts)
    return Wei(offered + bound.charge.data_fee_wei)


def kept_spent(standing: SignerStanding, gone: Sequence[NonceBound], head: BlockRef) -> tuple[Spent, ...]:
    """Move final nonces into the account's standing, one sum per head, and drop sums that are older than every window."""
    sums: dict[tuple[Seconds, Address], Spent] = {}
    for part in (*standing.spent, *map(spent_of, gone)):
        if part.signed_at_s > head.timestamp_s - DAY_S:
            key = (part.signed_at_s, part.token)
            sums[key] = _sum(sums[key], part) if key in sums else part
    return tuple(sums[key] for key in sorted(sums))


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(
        signed_at_s=one.signed_at_s,
        token=one.token,
        loss=RawAmount(one.loss + other.loss),
        notional=RawAmount(one.notional + other.notional),
        actions=one.actions + other.actions,
        transactions=one.transactions + other.transactions,
        gas_wei=Wei(one.gas_wei + other.gas_wei),
    )
