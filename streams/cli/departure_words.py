"""Put into words what has left a book."""

from datetime import UTC, datetime

from pipeline.messages.arrivals import Departure
from pipeline.messages.decisions import PositionLeft
from pipeline.messages.policy import Policy
from streams.cli.venues.registry import shown_of_item
from streams.cli.wording import named_in


def left_text(item: str, left: PositionLeft | Departure, policy: Policy | None) -> str:
    """Say of a position that left a book what it was worth, where it went, by which transaction, and of a departure when."""
    quote = None if policy is None else policy.quote
    known = left.value_quote
    worth = "of unknown worth" if known is None else f"worth {named_in(policy).amount(quote, known)}"
    parts = ["was burned" if left.to is None else f"has left for {left.to}"]
    if isinstance(left, Departure):
        when = datetime.fromtimestamp(left.block.timestamp_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        parts.append(f"at block {left.block.number} ({when})")
    if left.transaction_hash is not None:
        parts.append(f"by transaction {left.transaction_hash}")
    shown = shown_of_item(item)
    return f"{shown.noun} {shown.call(item)}, {worth}, {' '.join(parts)}"
