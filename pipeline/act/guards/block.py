"""Guards on the block, the same for everything a book does: an operator's pause, the block's age, the gas price."""

from pipeline import keys
from pipeline.act.question import Question
from pipeline.messages.entries import HighestHead, Pause

TIP_WEI = 10**9
"""Beside the base fee, where a price of gas is wanted before anybody offers one."""


def paused(question: Question) -> str | None:
    """Refuse everything while an operator has paused all books, and for a paused book everything but revoking allowances.

    Whoever cancels what is signed wants nothing sent at all: the signer would refuse that too.
    """
    for scope in (keys.ALL, keys.book(question.policy.book)):
        pause = question.shard.tables.find(keys.pause(scope), Pause)
        if pause is not None and (scope == keys.ALL or pause.cancels or not question.only_resets):
            return f"paused: {scope}"
    return None


def stale_block(question: Question) -> str | None:
    """Refuse to act at a block far below the highest ever seen: its prices are old, the shard is still catching up."""
    head, highest = question.shard.tables.head, question.shard.tables.find(keys.HIGHEST, HighestHead)
    if head is None or highest is None:
        return "there is no head"
    behind, most = highest.number - head.number, question.policy.limits.max_age_blocks
    return (
        f"block {head.number} is {behind} below the highest seen, more than {most}" if behind > most else None
    )


def gas_price(question: Question) -> str | None:
    """Limit the gas price, until waiting has cost as much as the excess."""
    wanted_wei = 2 * question.market.base_fee_wei + TIP_WEI
    most_wei = question.policy.limits.max_fee_per_gas_wei
    gas_limit = sum(each.call.gas_limit for each in question.drafts)
    if wanted_wei <= most_wei:
        return _dearer_than_foreseen(question, gas_limit)
    above = question.gas_in_quote((wanted_wei - most_wei) * gas_limit)
    if question.missed_quote and above is not None and above <= question.missed_quote:
        return None
    return f"{wanted_wei} wei a gas, more than {most_wei}"


def _dearer_than_foreseen(question: Question, gas_limit: int) -> str | None:
    """Compare, in the middle of a plan, a phase's gas with the whole plan's expected gas: high gas prices are waited out.

    As above the ceiling, until waiting has cost as much. Where nothing of the plan was mined, hold what the whole usually uses.
    """
    most = question.gas_foreseen
    gas_limit = gas_limit if question.foreseen is None else question.foreseen.gas_expected
    costs = question.gas_in_quote(gas_limit * (question.market.base_fee_wei + TIP_WEI))
    if most is None or costs is None or costs - most <= question.missed_quote:
        return None
    return f"gas costs {costs} quote; for the whole plan at most {most} were foreseen"
