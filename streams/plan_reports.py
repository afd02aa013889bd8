"""Collect the plans on `decisions.v1`: how each began, and how it ended."""

from collections.abc import AsyncIterator

import msgspec
import structlog

from pipeline.errors import UNREADABLE
from pipeline.messages.decisions import PlanClosed, PlanOpened, PlanStalled
from pipeline.messages.outcomes import Done
from pipeline.messages.views import Rewound
from pipeline.units import ChainId
from streams.kafka.codec import decode_output, mark
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import DECISIONS

log = structlog.get_logger(__name__)

_MARKS = (mark(PlanOpened), mark(PlanStalled), mark(PlanClosed), mark(Rewound))
"""What to look for before decoding: most decisions are refusals."""


class PlanTold(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and its end where one was told that still holds."""

    opened: PlanOpened
    closed: PlanClosed | None = None
    held: PlanStalled | None = None
    """What it was last held back by, while it is open."""


async def plans_told(reader: Reader, chain_id: ChainId) -> list[PlanTold]:
    """Read all plans, the oldest first. Raises: TopicError where there is no such topic."""
    found: list[PlanTold] = []
    for shard in await reader.shards(DECISIONS.on(chain_id)):
        found += await fold_plans(reader.read({shard: 0}))
    return sorted(found, key=lambda plan: _opened_at(plan.opened))


async def fold_plans(records: AsyncIterator[Record]) -> list[PlanTold]:
    """Follow one shard's plans. A rewind takes the end of a plan that was done above it: it is open again."""
    plans: dict[str, PlanTold] = {}
    async for record in records:
        match _decoded(record):
            case PlanOpened() as opened:
                plans.setdefault(opened.plan, PlanTold(opened=opened))
            case PlanStalled() as held if held.plan in plans:
                plans[held.plan] = msgspec.structs.replace(plans[held.plan], held=held)
            case PlanClosed() as closed if closed.plan in plans:
                plans[closed.plan] = PlanTold(opened=plans[closed.plan].opened, closed=closed)
            case Rewound(to=to):
                plans = {
                    name: PlanTold(opened=plan.opened) if _undone(plan, to.number) else plan
                    for name, plan in plans.items()
                }
    return list(plans.values())


def _undone(plan: PlanTold, number: int) -> bool:
    """Only `done` follows from the branch: any other end stays, however the chain turns."""
    if plan.closed is None or not isinstance(plan.closed.outcome, Done):
        return False
    block = plan.closed.because_of.block
    return block is not None and block.number > number


def _decoded(record: Record) -> object:
    if not any(mark in (record.value or b"") for mark in _MARKS):
        return None
    try:
        return decode_output(record.value or b"", where=record.where)
    except UNREADABLE as error:  # it names the place
        log.warning("passes over what cannot be read", error=str(error))
        return None


def _opened_at(opened: PlanOpened) -> int:
    block = opened.because_of.block
    return 0 if block is None else block.timestamp_s
