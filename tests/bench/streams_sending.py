"""The latency from a block's append to the resulting transaction at the node, on real parts.

A watcher, a worker and a signer as `evenkeel` runs them, a chain with the real contracts, and a book that re-ranges.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from chaos_sender.house import House, opened
from chaos_sender.setting import POOLS, policy_of

from pipeline.messages.events import BlockSeen, PolicySet, Sent
from pipeline.messages.policy import TargetBand
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Bps, Seconds
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_event, decode_intent
from streams.kafka.readers import reading
from streams.kafka.topics import EVENTS, INTENTS
from streams.policy_rollout import append, appending

LEAST = 30
"""Fewer transactions say nothing."""
_ROUNDS = 3
_SEED = 1
_WAVE_BLOCKS = 8
_WAVE = 0.02
"""The fair price goes up and down by so much, so that the book's share leaves its band again and again."""
_LAST_S = 3.0
_POLL_S = 0.05
_OFTEN = TargetBand(
    band_bps=Bps(500), hysteresis_bps=Bps(100), hold_out_of_range_s=Seconds(36), cooldown_s=Seconds(24)
)


class Way(NamedTuple):
    """When the broker wrote down each station of one transaction, in ms."""

    is_first: bool
    """Of those that follow from one block; the others are sent after it."""
    block_ms: int
    intent_ms: int
    sent_ms: int


async def sending(folder: Path, seconds: int) -> list[dict[str, Any]]:
    """Measure the first transactions of the phases, and all of them."""
    place = folder / "sending"
    place.mkdir()
    async with opened(place, _SEED, POOLS[0]) as house:
        async with appending(KafkaAccess(house.bootstrap)) as producer:
            policy = policy_of(house.world, house.pool, strategy=_OFTEN)
            since = await append(producer, house.chain_id, house.shard, PolicySet(policy=policy))
        ways: list[Way] = []
        for _ in range(_ROUNDS):
            await _wave(house, seconds)
            ways = await _ways(house, since)
            if sum(way.is_first for way in ways) >= LEAST:
                break
        ended = [staff.kind for staff in house.staff.values() if staff.ends]
    assert not ended, f"{ended} ended by themselves"
    firsts = [way for way in ways if way.is_first]
    assert len(firsts) >= LEAST, f"only {len(firsts)} phases in {_ROUNDS * seconds} s"
    return [_row(len(firsts), firsts), _row(len(firsts), ways)]


async def _wave(house: House, seconds: int) -> None:
    """Let the price go up and down, and read nothing meanwhile."""
    change = _WAVE
    ends_at_s = time.monotonic() + seconds
    while time.monotonic() < ends_at_s:
        house.move_price(change)
        change = 1 / (1 + change) - 1
        until = house.mined + _WAVE_BLOCKS
        while house.mined < until:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
    house.flowing.clear()
    await asyncio.sleep(_LAST_S)  # what is on its way arrives
    house.flowing.set()


async def _ways(house: House, since: int) -> list[Way]:
    """Put together what the logs say of every transaction that the node took; the start is warming up."""
    blocks: dict[int, int] = {}
    sent: dict[str, int] = {}
    intents: list[tuple[SubmitTransaction, int]] = []
    async with reading(KafkaAccess(house.bootstrap)) as reader:
        for topic in (EVENTS, INTENTS):
            shards = await reader.shards(topic.on(house.chain_id), [house.shard])
            async for record in reader.read(dict.fromkeys(shards, 0)):
                payload = record.value or b""
                if topic is INTENTS:
                    said = decode_intent(payload, where=record.where)
                    if isinstance(said, SubmitTransaction):
                        intents.append((said, record.timestamp_ms))
                    continue
                match decode_event(payload, where=record.where):
                    case BlockSeen():
                        blocks[record.offset] = record.timestamp_ms
                    case Sent(intent=intent):
                        sent.setdefault(intent, record.timestamp_ms)
                    case _:
                        pass
    warm = {offset: at_ms for offset, at_ms in blocks.items() if offset > since}
    return _joined(warm, intents, sent)


def _joined(
    blocks: dict[int, int], intents: Sequence[tuple[SubmitTransaction, int]], sent: dict[str, int]
) -> list[Way]:
    """Join what the logs say; the first plan is left out, for every process runs its code for the first time."""
    ways: list[Way] = []
    begun: set[int] = set()
    first_plan = intents[0][0].plan if intents else None
    for intent, intent_ms in intents:
        offset = intent.because_of.offset
        if offset in blocks and intent.digest in sent and intent.plan != first_plan:
            ways.append(Way(offset not in begun, blocks[offset], intent_ms, sent[intent.digest]))
        begun.add(offset)
    return ways


def _row(phases: int, ways: Sequence[Way]) -> dict[str, Any]:
    whole = [way.sent_ms - way.block_ms for way in ways]
    return {
        "phases": phases,
        "transactions": len(ways),
        **_cuts("", whole),
        "max_ms": max(whole),
        **_cuts("block_to_intent_", [way.intent_ms - way.block_ms for way in ways]),
        **_cuts("intent_to_sent_", [way.sent_ms - way.intent_ms for way in ways]),
    }


def _cuts(name: str, ms: Sequence[int]) -> dict[str, float]:
    cuts = quantiles(ms, n=100, method="inclusive")
    return {f"{name}p50_ms": round(cuts[49], 1), f"{name}p99_ms": round(cuts[98], 1)}
