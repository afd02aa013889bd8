"""Guards on how much a plan moves, how often plans begin, and whether the plan helps; asked before it begins."""

from pipeline.act.foresight import Foreseen
from pipeline.act.question import Question
from pipeline.book.inventory import WHOLE_BPS


def no_improvement(question: Question) -> str | None:
    """Refuse a plan that would not bring the book nearer to its target: it would be proposed again after each cooldown.

    Only a step that the market cuts short may leave it outside the inner band: it was weighed when it was chosen.
    """
    seen, band = question.foreseen, question.policy.strategy
    if seen is None:
        return None
    if not seen.deploys:
        keeps = any(question.policy.reserve(token) for token in (question.policy.base, question.policy.quote))
        return "nothing would be minted" + (": reserve_base and reserve_quote keep it in the wallet" * keeps)
    before, after = seen.deviations(question.policy)
    inner = band.inner_bps
    if after > inner and not seen.cut_short:
        return (
            f"the share would still be {after} bps from its target, more than {inner}{_kept(question, seen)}"
        )
    if seen.was_idle and seen.is_active:
        return None
    if after >= before:
        return f"the share would be {after} bps from its target, it is {before} now{_kept(question, seen)}"
    return None


def _kept(question: Question, seen: Foreseen) -> str:
    """Name the reserve of the token of which there would be too much, where it alone is more than the target leaves; else nothing."""
    policy, target = question.policy, question.policy.strategy.target_share_bps
    name, token, leaves = (
        ("reserve_base", policy.base, target)
        if seen.share_after_bps > target
        else ("reserve_quote", policy.quote, WHOLE_BPS - target)
    )
    kept = question.in_quote(token, policy.reserve(token)) * WHOLE_BPS // max(question.value_quote, 1)
    return f": {name} is {kept} bps of the book, the target leaves {leaves} for it" if kept > leaves else ""


def notional(question: Question) -> str | None:
    """Limit what one plan moves, in raw quote."""
    most = question.policy.limits.max_notional_quote
    if question.foreseen is not None and most is not None and question.notional_quote > most:
        return f"moves {question.notional_quote}, more than {most}"
    return None


def daily_notional(question: Question) -> str | None:
    """Limit what all plans within 24 hours move, in raw quote."""
    most = question.policy.limits.max_daily_notional_quote
    if question.foreseen is None or most is None:
        return None
    total = question.notional_quote + sum(action.notional for action in question.today())
    return f"{total} within a day, more than {most}" if total > most else None


def daily_actions(question: Question) -> str | None:
    """Limit the number of plans within 24 hours."""
    count, most = 1 + len(question.today()), question.policy.limits.max_actions_per_day
    if question.foreseen is None or count <= most:
        return None
    return f"{count} actions within a day, more than {most}"
