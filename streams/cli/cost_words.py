"""Put a plan's expected and real cost into words."""

from pipeline.messages.decisions import PlanClosed, PlanOpened
from pipeline.messages.policy import Policy
from streams.human_numbers import amount_text, bps_text, rounded_amount_text

_NATIVE_DECIMALS = 18


def foreseen_text(said: PlanOpened, policy: Policy | None) -> str:
    """Explain why now, and what is expected, by part; nothing for records of before."""
    seen = said.foreseen
    if seen is None or said.share_before_bps is None or said.share_after_bps is None:
        return ""
    parts = f"gas {_quote(seen.gas_expected, policy)}, fee {_quote(seen.swap_fee, policy)}, impact {_quote(seen.impact, policy)}"
    most = f"at most {_quote(seen.total, policy)} with gas at its limits and {_quote(seen.way_back, policy)} for the price's way back"
    share = f"share {bps_text(said.share_before_bps)} to {bps_text(said.share_after_bps)}"
    return f", because of {said.trigger}: {share}, expected to cost {_quote(seen.expected, policy)} ({parts}; {most})"


def real_text(said: PlanClosed, policy: Policy | None) -> str:
    """Describe what it has cost, and how that compares; nothing for records of before."""
    cost = said.cost
    if cost is None:
        return ""
    coin = f"{amount_text(cost.gas_wei, _NATIVE_DECIMALS, places=6)} coin of gas"
    paid = (
        coin
        if cost.paid is None
        else f"{_quote(cost.paid, policy)} ({coin}, swap {_quote(cost.swap_loss, policy)})"
    )
    count = f"{cost.transactions} {'transaction' if cost.transactions == 1 else 'transactions'}"
    parts = [f"; {count} cost {paid}"]
    if said.over_foreseen is not None:
        side = "more" if said.over_foreseen >= 0 else "less"
        parts.append(f"{_quote(abs(said.over_foreseen), policy)} {side} than expected")
    parts.append(f"{_quote(cost.missed_fees, policy)} of fees missed in {cost.blocks_outside} blocks outside")
    if said.deviation_before_bps is not None and said.deviation_after_bps is not None:
        parts.append(
            f"deviation {bps_text(said.deviation_before_bps)} before, {bps_text(said.deviation_after_bps)} after"
        )
    return ", ".join(parts)


def _quote(raw: int, policy: Policy | None) -> str:
    if policy is None:
        return f"{raw} raw"
    symbol = next((token.symbol for token in policy.tokens if token.address == policy.quote), "")
    return f"{'-' if raw < 0 else ''}{rounded_amount_text(abs(raw), policy.decimals(policy.quote))} {symbol}"
