"""One fault of the node on a deployment with a live book, and the conditions that must hold."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from chaos.proxy import Answer, Question, Trouble
from chaos.tail import BrokerAwayError
from chaos_node.cases import CASES, Case
from chaos_sender.faults import Found, judge, opens_a_plan, until_well
from chaos_sender.house import House, opened

from pipeline.messages.decisions import ChainStalled, PoolDrifted, Quarantined, ReadFailed, ShardHalted
from streams.devnet.ports import free_port

_FORBIDDEN = (ReadFailed, ShardHalted, Quarantined, PoolDrifted)
"""What no trouble of a node may lead to."""
_SAID_WITHIN_S = 60.0
_SLACK_S = 10.0
"""For the way from a process to a committed alert."""
_BEHIND_BLOCKS = 3


class TakenBytes(Trouble):
    """Nothing is wrong: it notes which signed bytes the node has taken."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: set[str] = set()

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] == "eth_sendRawTransaction":
            said = str(answer.get("error", {}).get("message", "")).lower()
            if "result" in answer or "already" in said or "known" in said:
                self.raw.add(question["params"][0].lower())
        return answer


class Ward(msgspec.Struct, kw_only=True):
    """A deployment whose processes ask the node through a proxy."""

    house: Any
    taken: Any
    said: dict[str, int] = msgspec.field(default_factory=dict)


@asynccontextmanager
async def ward(folder: Path, seed: int, pool: str) -> AsyncIterator[Ward]:
    """Start a deployment with a proxy between its processes and the chain."""
    port = free_port()
    async with opened(folder, seed, pool, proxy_port=port) as house:
        taken = TakenBytes()
        with house.proxy.troubled(taken):
            yield Ward(house=house, taken=taken)


async def play(ward: Ward, name: str) -> Found:
    """Let the node have some trouble in the middle of a plan, wait until all is well, and hold everything against the truth."""
    house, case = ward.house, CASES[name]
    await opens_a_plan(house)
    seen = dict(house.story.seen)
    logs = {staff.kind: staff.log.stat().st_size for staff in house.staff.values()}
    with ExitStack() as stack:
        troubles = [stack.enter_context(house.proxy.troubled(each)) for each in case.makes(house)]
        silent = await _watched(house, case)
    if not case.avoided and not any(trouble.met for trouble in troubles):
        silent.append(f"{name} met no question")
    unsaid = [] if not case.stops else list(_unsaid(house, seen))
    words = [line for kind, size in logs.items() for line in _warnings(house, kind, size)]
    if not words and not case.avoided:
        silent.append("no process said a word about it")
    took_s = await until_well(house)
    found = await judge(house)
    wrong = [
        *found.wrong,
        *silent,
        *unsaid,
        *_facts(house, seen),
        *_raised_for_nothing(house, ward.taken.raw),
    ]
    return msgspec.structs.replace(found, took_s=took_s, wrong=wrong)


async def _watched(house: House, case: Case) -> list[str]:
    """Let the fault last, and note whether the shard fell behind for too long without a logged reason."""
    house.flowing.set()
    until_s = time.monotonic() + case.lasts_s
    behind_since_s: float | None = None
    told = _stalls(house)
    while time.monotonic() < until_s:
        with suppress(BrokerAwayError):
            await house.look()
        at, head = house.stands_at, await house.head()
        if at is not None and head.number - at.number <= _BEHIND_BLOCKS:
            behind_since_s = None
        elif behind_since_s is None:
            behind_since_s = time.monotonic()
        elif time.monotonic() - behind_since_s > _SAID_WITHIN_S + _SLACK_S and not _stalls(house) > told:
            return [f"behind for {_SAID_WITHIN_S:.0f} s without an alert"]
        await asyncio.sleep(0.25)
    return []


def _stalls(house: House) -> int:
    return house.story.seen[ChainStalled.__name__]


def _unsaid(house: House, seen: dict[str, int]) -> Iterator[str]:
    if _stalls(house) <= seen.get(ChainStalled.__name__, 0):
        yield "a standstill was not reported"


def _facts(house: House, seen: dict[str, int]) -> Iterator[str]:
    for kind in _FORBIDDEN:
        count = house.story.seen[kind.__name__] - seen.get(kind.__name__, 0)
        if count:
            yield f"{count} {kind.__name__} came of it"


def _raised_for_nothing(house: House, taken: set[str]) -> Iterator[str]:
    """Find offers that were raised although no node had the bytes before."""
    for nonce, attempts in house.story.bound.items():
        for at, attempt in enumerate(attempts):
            before = [each for each in attempts[:at] if each.cancels == attempt.cancels]
            if before and not any(each.raw.lower() in taken for each in before):
                yield f"nonce {nonce}: raised to {attempt.max_fee_wei} wei, no node has had the bytes before"


def _warnings(house: House, kind: Any, size: int) -> Iterator[str]:
    with house.staff[kind].log.open("rb") as file:
        file.seek(size)
        for line in file.read().splitlines():
            with suppress(json.JSONDecodeError, UnicodeDecodeError):
                said = json.loads(line)
                if isinstance(said, dict) and said.get("level") in {"warning", "error"}:
                    yield str(said.get("message"))
