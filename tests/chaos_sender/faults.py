"""Faults of a live deployment between a plan and its end, and the conditions that must hold after each."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec
from chaos_sender.house import House, HouseError
from chaos_sender.points import POINTS, PROCESSES, SAW, Point, Process
from chaos_sender.story import Outcome

from streams.devnet.reads import read

Strike = Callable[[House], Awaitable[None]]

_QUIET_BLOCKS = 8
"""So long nothing may come of a plan before somebody moves the price."""
_SHOVE = 0.012
_PATIENCE_S = 240.0
_FREEZE_S = 4.0
_MOST_DEPTH = 10
_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


class Found(msgspec.Struct, kw_only=True):
    """What one fault has led to."""

    took_s: float = 0.0
    """From the fault to a block mined after it, kept, with every intent that was open then ended."""
    lost: list[str]
    doubled: list[str]
    wrong: list[str]

    @property
    def all_wrong(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.wrong]


# ------------------------------------------------------------------ the faults
async def dies_at(house: House, point: Point) -> None:
    """Let a process die at a point, however long it takes until it comes there."""
    provoke(house)
    staff = house.staff[point.process]
    if point.fuse.startswith(SAW):
        kind = point.fuse.removeprefix(SAW)
        seen = house.story.seen[kind]
        await _come_to(house, lambda: house.story.seen[kind] > seen, f"{kind} is said")
        staff.kill()
        return
    staff.arm(point.fuse)
    try:
        await _come_to(house, lambda: staff.is_dead, f"{point.process} dies: {point.fuse}")
    finally:
        staff.disarm()


async def dies_any_time(house: House, kinds: Sequence[Process]) -> None:
    """Kill processes a moment after a plan has begun."""
    await opens_a_plan(house)
    await asyncio.sleep(house.dice.random() * 1.5)
    for kind in kinds:
        house.staff[kind].kill()


async def is_frozen(house: House) -> None:
    """Freeze the signer in the middle of a plan, let another take over, and wake the first."""
    await opens_a_plan(house)
    await asyncio.sleep(house.dice.random())
    submit = house.staff["submit"]
    frozen, deaths = submit.process, submit.deaths
    assert frozen is not None
    submit.signal(signal.SIGSTOP)
    twin = submit.spawn()
    try:
        await asyncio.sleep(_FREEZE_S)
        os.kill(frozen.pid, signal.SIGCONT)
        await _come_to(house, lambda: submit.deaths > deaths, "the woken signer finds itself followed")
        # the one started in its place follows the twin
        await _come_to(house, lambda: twin.poll() is not None, "the twin finds itself followed")
    finally:
        if twin.poll() is None:
            twin.kill()
        twin.wait()


async def is_reorged(house: House) -> None:
    """Take up to ten blocks away, as soon as a plan's last transaction is mined in them."""
    provoke(house)
    closed = house.story.seen["PlanClosed"]
    await _come_to(house, lambda: house.story.seen["PlanClosed"] > closed, "a plan is closed")
    await house.on_chain(house.chain.reorg, house.dice.randint(1, _MOST_DEPTH))


FAULTS: Mapping[str, Strike] = {
    **{name: partial(dies_at, point=point) for name, point in POINTS.items()},
    "any time: submit": partial(dies_any_time, kinds=("submit",)),
    "any time: worker": partial(dies_any_time, kinds=("work",)),
    "any time: watcher": partial(dies_any_time, kinds=("watch",)),
    "any time: all three": partial(dies_any_time, kinds=PROCESSES),
    "any time: submit frozen, another serves": is_frozen,
    "settle: a reorg, 1 to 10 deep": is_reorged,
}


async def opens_a_plan(house: House) -> None:
    provoke(house)
    opened = house.story.seen["PlanOpened"]
    await _come_to(house, lambda: house.story.seen["PlanOpened"] > opened, "a plan is opened")


def provoke(house: House) -> None:
    """Move the fair price where no plan is open, so that one is opened soon."""
    if not house.has_open_plan:
        house.move_price(house.dice.choice((-_SHOVE, _SHOVE)))


async def _come_to(house: House, holds: Callable[[], bool], what: str) -> None:
    """Let the chain go on until something holds; where the book is content for long, move its fair price."""
    house.flowing.set()
    deadline_s = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline_s:
            raise HouseError(f"waited {_PATIENCE_S:.0f} s until {what}:\n{await house.situation()}")
        since = house.mined
        content = [not house.has_open_plan]

        def is_there(since: int = since, content: list[bool] = content) -> bool:
            content[0] = content[0] and not house.has_open_plan
            return holds() or house.mined > since + _QUIET_BLOCKS

        await house.until(is_there, what)
        if content[0] and not holds():
            provoke(house)


# ------------------------------------------------------------------ what must be true
async def play(house: House, name: str) -> Found:
    """Strike, wait until all is well again and the plan has ended, and hold everything against the truth."""
    return await play_in_turn(house, [name])


async def play_in_turn(house: House, names: Sequence[str]) -> Found:
    """Strike by several faults, each once the one before has struck, and judge what all of them have led to."""
    ends = {staff.kind: len(staff.ends) for staff in house.staff.values()}
    for name in names:
        await FAULTS[name](house)
    took_s = await until_well(house)
    may_end = any(FAULTS[name] is is_frozen for name in names)
    strange = [
        f"{staff.kind} ended by itself: {code}"
        for staff in house.staff.values()
        for code in staff.ends[ends[staff.kind] :]
        if code != -signal.SIGKILL and not may_end
    ]
    found = await judge(house)
    return msgspec.structs.replace(found, took_s=took_s, wrong=[*found.wrong, *strange])


async def until_well(house: House) -> float:
    """Wait for a block mined after now, kept, with every intent that is open now ended; return how long it took."""
    struck_s, struck_at = time.monotonic(), (await house.head()).number
    open_then = [digest for digest in house.story.intents if not _has_ended(house, digest)]

    def is_well() -> bool:
        at = house.stands_at
        is_past = at is not None and at.number > struck_at
        return is_past and all(_has_ended(house, digest) for digest in open_then)

    await _come_to(house, is_well, "everything that was open has ended")
    return time.monotonic() - struck_s


async def judge(house: House) -> Found:
    """Let the plan end, and hold everything that there is against the truth."""
    await house.come_to_rest()
    finding = await house.compare()
    outcome = await house.on_chain(Outcome, house.story, house.chain, house.owner, house.first_nonce)
    minted, allowances = await house.on_chain(_minted, house), await house.on_chain(_allowances, house)
    lost = [*outcome.lost, *(["outputs of the shard"] * finding.lost)]
    doubled = [*outcome.doubled, *(["outputs of the shard"] * finding.doubled)]
    wrong = [*finding.wrong, *outcome.wrong(minted, allowances)]
    return Found(lost=lost, doubled=doubled, wrong=wrong)


def _has_ended(house: House, digest: str) -> bool:
    story = house.story
    is_over = bool(story.plans.get(story.intents[digest].plan))
    return is_over or bool(story.ends.get(digest)) or house.is_mined(digest)


def _minted(house: House) -> int:
    """Count the NFTs that came to the owner out of nothing since the beginning."""
    owner = f"0x{house.owner.removeprefix('0x'):0>64}"
    wanted = {
        "fromBlock": hex(house.first_block + 1),
        "toBlock": "latest",
        "address": house.world.position_manager,
        "topics": [_TRANSFER, "0x" + "00" * 32, owner],
    }
    return len(house.chain.rpc("eth_getLogs", wanted))


def _allowances(house: House) -> dict[str, int]:
    return {
        f"{token} to the {name}": read(house.chain, token, "tokens/ERC20", "allowance", house.owner, spender)
        for token in house.world.tokens
        for name, spender in house.book.spenders.items()
    }
