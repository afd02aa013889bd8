"""Refuse to remove or change a book while one of its transactions or plans has not ended."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline import keys
from pipeline.act.settle import Finished, stand
from pipeline.errors import SettingsError
from pipeline.messages.effects import Plan
from pipeline.messages.entries import Allowance
from pipeline.messages.events import PolicyRemoved, PolicySet
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import BookId, ChainId
from streams.kafka.readers import Reader
from streams.policy_rollout import RolloutStep
from streams.verify import load_shard


async def refuse_to_leave(
    reader: Reader,
    chain_id: ChainId,
    file: Path,
    steps: Sequence[RolloutStep],
    in_force: Mapping[BookId, Policy],
    *,
    leave_plans: bool,
) -> None:
    """Let no book go while a transaction of it may still be mined, nor leave a plan in the middle unless told.

    Raises: SettingsError.
    """
    removed = {step.event.book for step in steps if isinstance(step.event, PolicyRemoved)}
    if removed:
        await _refuse_open_intents(reader, chain_id, file, removed)
    if leave_plans:
        return
    for step, book, why in _leaving(steps, in_force):
        shard = await load_shard(reader, chain_id, step.shard)
        allowed = list(_standing(shard, in_force.get(book)))
        if allowed:
            raise SettingsError(
                f"{file}: book {book} {why}, but spenders may still take of its owner's tokens: {', '.join(allowed)}: "
                "apply it with standing_base and standing_quote at 0 first, and they are taken back; "
                "--leave-plans leaves them"
            )
        plan = shard.tables.find(keys.plan(book), Plan)
        standing = None if plan is None or plan.closed is not None else stand(plan, shard.tables)
        if plan is not None and standing is not None and not isinstance(standing, Finished):
            raise SettingsError(
                f"{file}: book {book} {why}, but its plan {plan.id} is open, at {standing.phase}: let it end first; "
                "--leave-plans leaves its tokens where they are"
            )


def _leaving(
    steps: Sequence[RolloutStep], in_force: Mapping[BookId, Policy]
) -> Iterator[tuple[RolloutStep, BookId, str]]:
    """Walk the steps after which a book's plan would not go on."""
    for step in steps:
        if isinstance(step.event, PolicySet):
            policy, before = step.event.policy, in_force.get(step.event.policy.book)
            if before is not None and not policy.carries_plans_of(before):
                leaves = "leaves live" if policy.mode != "live" else "changes what its plans rest on"
                yield step, policy.book, leaves
        else:
            yield step, step.event.book, "goes"


def _standing(shard: Shard, policy: Policy | None) -> Iterator[str]:
    """List what a policy lets stand and stands: once the book is gone nobody takes it back."""
    if policy is None or policy.mode != "live":
        return
    for key, allowance in shard.tables.group(keys.allowance.under(policy.owner), Allowance):
        _, token, spender = keys.allowance.parse(key)
        if allowance.amount and policy.standing(token):
            yield f"{allowance.amount} of {token} by {spender}"


async def _refuse_open_intents(reader: Reader, chain_id: ChainId, file: Path, going: set[BookId]) -> None:
    from streams.submit.intent_status import OPEN, intent_statuses, read_journals  # noqa: PLC0415 - keys take their time

    journals = await read_journals(reader, chain_id)
    for known in await intent_statuses(reader, chain_id, journals=journals):
        if known.intent.book not in going:
            continue
        for unreadable in journals.unreadable:
            if unreadable.signer == known.intent.signer:
                raise SettingsError(
                    f"{file}: book {known.intent.book} cannot go: what became of its intents cannot be read: "
                    f"{unreadable}"
                )
        if known.stands in OPEN:
            raise SettingsError(
                f"{file}: book {known.intent.book} cannot go: its intent {known.intent.digest} is "
                f"{known.stands} (`evenkeel drain` waits for it, `evenkeel intents close` ends it)"
            )
