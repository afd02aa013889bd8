"""Faults of processes: watchers, workers, and the broker."""

import asyncio
import signal
import time
from collections.abc import Callable

from chaos.crew import Member
from chaos.ground import HouseError, start_again
from chaos.house import PATIENCE_S, House
from chaos.proxy import RECEIPTS, RefusesAfter, Waits

from pipeline.units import BookId
from streams.kafka.topics import shard_of

_SESSION_S = 10.0
"""A worker that is silent for longer loses its shards."""
_BOOK_CALLS = (6, 10)
"""So many calls read a pool; so many more, and the owner's NFTs are listed too."""
_TRIES = 8
_BOOK_TRIES = 24
"""Of which about every third fails the node in the middle of a book: what else is asked of it meanwhile counts too."""


# ------------------------------------------------------------------ workers
async def worker_killed(house: House) -> None:
    worker = await _busy_worker(house)
    await house.burst()
    worker.kill()


async def worker_frozen(house: House) -> None:
    """Others take its shards over; then it wakes up in the middle of what it did."""
    await house.ensure_workers(2)
    worker = await _busy_worker(house)
    await house.burst()
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(_SESSION_S + house.dice.uniform(2.5, 6))
    await house.burst()
    worker.signal(signal.SIGCONT)


async def worker_doubled(house: House) -> None:
    """A second process of the same name takes over from one that hangs; then that wakes up."""
    worker = await _busy_worker(house)
    await house.burst()
    first = worker.process
    worker.signal(signal.SIGSTOP)
    twin = worker.spawn_twin()
    try:
        await house.recovered()
        assert first is not None
        worker.signal(signal.SIGCONT)
        await _until(
            lambda: first.poll() is not None or twin.poll() is not None, PATIENCE_S, "one of the twins ended"
        )
    finally:
        twin.kill()
        await asyncio.to_thread(twin.wait)


async def worker_added(house: House) -> None:
    away = [house.member("work", name) for name in ("w1", "w3") if not house.member("work", name).is_running]
    if not away:
        await house.member("work", "w3").stop()
        away = [house.member("work", "w3")]
    house.dice.choice(away).start()
    await house.blocks(8)


async def worker_leaves(house: House) -> None:
    await house.ensure_workers(2)
    await house.dice.choice(house.running("work")).stop()


async def worker_deaf(house: House) -> None:
    """What comes of the log does not reach the worker, though it can ask how long the log is: its watchdog ends it."""
    await _ends_behind_the_door(house, "faust")


async def worker_mute(house: House) -> None:
    """What it commits does not reach the broker, though everything else does: a commit is bounded, and ends it.

    What was on its way comes when the worker is dead and another has its shards.
    """
    await _ends_behind_the_door(house, "aiokafka-producer")


async def _ends_behind_the_door(house: House, clients: str) -> None:
    """Keep the one worker that comes by the door from the broker as some of its clients, until it ends."""
    worker = house.member("work", "w2")
    if not worker.is_running:
        worker.start()
    await house.ensure_workers(2)
    for third in [each for each in house.running("work") if each is not worker][1:]:
        await third.stop()  # or the one shard that has no book may be all that is left for it
    await _until_shared(house, worker)
    await house.blocks(12)  # so that it has opened them
    process = worker.process
    assert process is not None
    with house.door.shut(lambda client: client.startswith(clients)):
        await _until(
            lambda: process.poll() is not None, PATIENCE_S, f"the worker ended whose {clients} is silent"
        )


async def worker_cut_off(house: House) -> None:
    """Nothing of one worker reaches the broker for longer than its session."""
    await house.ensure_workers(2)
    if not house.member("work", "w2").is_running:
        house.member("work", "w2").start()
        await house.blocks(8)
    await house.burst()
    with house.door.shut():
        await asyncio.sleep(_SESSION_S + house.dice.uniform(2, 8))


async def _busy_worker(house: House) -> Member:
    """Pick a worker that keeps a shard with books."""
    await house.ensure_workers(1)
    busy: list[Member] = []

    def somebody_is() -> bool:
        for worker in house.running("work"):
            worker.read()
        busy[:] = [worker for worker in house.running("work") if _booked(house) & worker.shards]
        return bool(busy)

    await _until(somebody_is, PATIENCE_S, "a worker kept a shard with books")
    return house.dice.choice(busy)


async def _until_shared(house: House, worker: Member) -> None:
    """Wait until the workers have all shards and the group is stable, and one of them has a book's shard."""
    everything = list(range(len(house.ledger.pages)))

    def is_shared() -> bool:
        workers = house.running("work")
        for each in workers:
            each.read()
        kept = sorted(shard for each in workers for shard in each.shards)
        return kept == everything and worker.is_running and bool(_booked(house) & worker.shards)

    await _until(is_shared, PATIENCE_S, f"all shards were shared, and {worker.name} kept one with books")


def _booked(house: House) -> set[int]:
    return {shard_of(BookId(book), len(house.ledger.pages)) for book in house.policies}


# ------------------------------------------------------------------ watchers
async def watcher_killed(house: House) -> None:
    await asyncio.sleep(house.dice.uniform(0, 0.5))
    house.watcher().kill()


async def watcher_frozen(house: House) -> None:
    """Freeze the watcher during a call to the node, until another takes over; when it resumes, its records are ignored, and it stands by."""
    first = house.watcher()
    second = house.other_watcher()
    with house.proxy.troubled(Waits(*RECEIPTS, only=first.name)) as gate:
        assert isinstance(gate, Waits)
        await asyncio.wait_for(gate.somebody_waits.wait(), 60)
        first.signal(signal.SIGSTOP)
    second.start()
    await house.until(lambda: house.watcher() is second, "the second watcher took over")
    await house.blocks(1)
    fenced = house.counted("a watcher was fenced")
    first.signal(signal.SIGCONT)
    await _until(
        lambda: house.counted("a watcher was fenced") > fenced, PATIENCE_S, "the woken watcher stood by"
    )
    await first.stop()


async def two_watchers(house: House) -> None:
    """Run two watchers, of which one stands by; end either of them, and the other goes on alone."""
    first, second = house.watcher(), house.other_watcher()
    fenced = house.counted("a watcher was fenced")
    second.start()
    await house.until(lambda: house.counted("a watcher was fenced") > fenced, "one of two watchers stood by")
    await asyncio.sleep(house.dice.uniform(2, 6) if house.hurried else house.dice.uniform(6, 30))
    await house.dice.choice([first, second]).stop()


async def watcher_killed_mid_bootstrap(house: House) -> None:
    """It dies when a book has been read in part: the node fails it in the middle."""
    book = house.dice.choice(("beta", "delta"))
    await house.remove(book)
    await house.blocks(2)
    shard = shard_of(BookId(book), len(house.ledger.pages))
    page = house.ledger.pages[shard]
    trouble = RefusesAfter(0, "eth_call")
    with house.proxy.troubled(trouble):
        await house.apply(house.usual_policy(book))
        for _ in range(_BOOK_TRIES):
            trouble.left = house.dice.randrange(*_BOOK_CALLS)
            if await house.comes_true(lambda: bool(page.half_read()), within_s=5):
                break
        else:
            raise HouseError(f"book {book} was never read in part")
        house.watcher().kill()


async def watcher_killed_between_partitions(house: House) -> None:
    """It dies in the middle of catching up, when one shard has a block that another has not."""
    watcher = house.watcher()
    await watcher.stop()
    for _ in range(_TRIES):
        await house.on_chain(lambda: [house.devnet.chain.mine() for _ in range(120)])
        await house.until(lambda: not house.ledger.are_apart, "the shards' logs ended alike", logs_only=True)
        watcher.start()
        if await house.comes_true(lambda: house.ledger.are_apart, within_s=20):
            watcher.signal(signal.SIGSTOP)
            await house.ledger.read_logs()
            is_apart = house.ledger.are_apart
            watcher.kill()
            if is_apart:
                return
        await watcher.stop()
    raise HouseError("the shards' logs never ended at different blocks")


# ------------------------------------------------------------------ the broker
async def broker_killed(house: House) -> None:
    await house.burst()
    house.devnet.broker.kill()
    await asyncio.sleep(house.dice.uniform(0.2, 3))
    await start_again(house.devnet.broker)


async def broker_away(house: House) -> None:
    """It answers nothing for a while, and nobody may pile up what cannot be sent."""
    before_bytes = {
        member.pid: member.rss_bytes() for member in house.running("work") + house.running("watch")
    }
    await house.burst()
    house.devnet.broker.pause()
    try:
        ends_s = time.monotonic() + house.dice.uniform(20, house.longest_away_s)
        while time.monotonic() < ends_s:
            await asyncio.sleep(0.5)
            house.check_memory(before_bytes)
    finally:
        house.devnet.broker.resume()


async def _until(holds: Callable[[], bool], within_s: float, what: str) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise HouseError(f"waited {within_s:.0f} s until {what}")
        await asyncio.sleep(0.05)
