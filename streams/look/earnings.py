"""Compute what a position has earned since its mint, and compare it with holding what was put in, at the present price."""

import itertools
from collections.abc import Callable, Sequence

import msgspec

from pipeline.units import RawAmount, Seconds
from streams.node.venues.uniswap_v3.nft_history import NftChange

_YEAR_S = 31_557_600
Both = tuple[RawAmount, RawAmount]
Value = Callable[[Both], RawAmount]
"""Values amounts of token0 and token1 in the quote."""


class Earned(msgspec.Struct, frozen=True, kw_only=True):
    """Fees earned, in raw quote at the present price, and their yield in bps per year of the position's average value."""

    since_s: Seconds
    fees_quote: RawAmount
    """All fees since the mint, collected or not."""
    basis_quote: RawAmount
    """What was put in and not withdrawn, averaged over the time."""
    fee_apr_bps: int | None
    """None where the position is too young to tell, or nothing was in it."""
    against_holding_quote: RawAmount
    """What it holds and has paid, less what was put in: below zero, holding would have been better."""


def earned(
    changes: Sequence[NftChange], now_s: Seconds, principal: Both, owed: Both, value: Value
) -> Earned | None:
    """Add up an NFT's history. `principal` is what its liquidity holds now, `owed` what a collect would pay besides. Rounds: down.

    None where the history does not begin with a deposit.
    """
    if not changes or changes[0].what != "IncreaseLiquidity":
        return None
    put_in, withdrawn, paid = (
        _total(changes, what) for what in ("IncreaseLiquidity", "DecreaseLiquidity", "Collect")
    )
    fees = value(_plus(_plus(paid, owed), withdrawn, sign=-1))
    basis = _average(changes, now_s, value)
    age_s = now_s - changes[0].time_s
    out = _plus(_plus(principal, owed), paid)
    return Earned(
        since_s=changes[0].time_s,
        fees_quote=fees,
        basis_quote=basis,
        fee_apr_bps=fees * 10_000 * _YEAR_S // (basis * age_s) if basis > 0 and age_s > 0 else None,
        against_holding_quote=value(_plus(out, put_in, sign=-1)),
    )


def _average(changes: Sequence[NftChange], now_s: Seconds, value: Value) -> RawAmount:
    """Average a position's value over its time, at the present price."""
    held: Both = RawAmount(0), RawAmount(0)
    weighted = 0
    for change, until_s in zip(changes, [each.time_s for each in changes[1:]] + [now_s], strict=True):
        if change.what != "Collect":
            held = _plus(held, change.amounts, sign=1 if change.what == "IncreaseLiquidity" else -1)
        weighted += value(held) * (until_s - change.time_s)
    age_s = now_s - changes[0].time_s
    return RawAmount(weighted // age_s if age_s else value(held))


def _total(changes: Sequence[NftChange], what: str) -> Both:
    totals = [0, 0]
    for change, i in itertools.product(changes, (0, 1)):
        totals[i] += change.amounts[i] if change.what == what else 0
    return RawAmount(totals[0]), RawAmount(totals[1])


def _plus(one: Both, other: Both, *, sign: int = 1) -> Both:
    return RawAmount(one[0] + sign * other[0]), RawAmount(one[1] + sign * other[1])
