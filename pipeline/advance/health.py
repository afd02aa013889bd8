"""Publish when a hedged book's health factor falls below its warning level, and when it is back."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.decide.hedging import position_of
from pipeline.messages.account_alerts import HealthLow, HealthRestored
from pipeline.messages.entries import HealthWarning

_BACK_ABOVE_BPS = 100
"""So far above the level it is back: one that lies at it would cross it with every block."""


def report_health(context: BookContext) -> Iterator[HealthLow | HealthRestored]:
    """Report that health has fallen below the level, once, and that it is back. Raises: ImpossibleFactError where it is not known."""
    policy, tables = context.policy, context.shard.tables
    if not policy.hedge:
        return
    key, warn_bps = keys.warned(policy.book), policy.hedge.warn_bps
    health_bps = position_of(context.shard, policy).health_bps
    is_warned = tables.find(key, HealthWarning) is not None
    if health_bps is not None and health_bps < warn_bps and not is_warned:
        tables.put(key, HealthWarning(at=context.block, health_bps=health_bps, warn_bps=warn_bps))
        yield HealthLow(
            **context.now.stamp("alert", policy.book, action="health low"),
            book=policy.book,
            health_bps=health_bps,
            warn_bps=warn_bps,
            act_bps=policy.hedge.act_bps,
        )
    elif is_warned and (health_bps is None or health_bps >= warn_bps + _BACK_ABOVE_BPS):
        tables.put(key, None)
        stamp = context.now.stamp("alert", policy.book, action="health restored")
        yield HealthRestored(**stamp, book=policy.book, health_bps=health_bps)
