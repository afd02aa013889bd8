"""Faults of the log, records that no watcher wrote, and faults of the workers' group."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from chaos.ground import HouseError
from chaos.house import PATIENCE_S, House
from forgery import forged_records, malformed_records
from kafka_logs import delete_before_the_end

from pipeline.messages.events import WriterStarted
from pipeline.units import Term
from streams.kafka.codec import encode
from streams.kafka.topics import EVENTS, STATE

_GROUP_ENDS_S = 60.0


async def malformed(house: House) -> None:
    for shard in range(len(house.ledger.pages)):
        await house.write(shard, malformed_records(house.dice, house.ledger.pages[shard].payloads))


async def forged(house: House) -> None:
    """Append forged records, none of which attaches to any head."""
    for shard in house.ledger.booked:
        await house.until(lambda: True, "the log was read")
        records = forged_records(house.dice, house.ledger.pages[shard].tables)
        for payload in records:
            await house.write(shard, [payload])
            if house.dice.random() < 0.3:
                await house.blocks(1)


async def forged_watcher(house: House) -> None:
    """An unknown watcher takes over and then stays silent: the own watcher stands by, then takes over again."""
    page = house.ledger.pages[0]
    taken = encode(WriterStarted(term=Term(page.writer.term + house.dice.randrange(1, 9)), instance="nobody"))
    await house.write(house.dice.choice(house.ledger.booked), [taken])


async def worker_past_its_cursor(house: House) -> None:
    """While no worker runs, the group's offset is set to the end of the log."""
    workers = house.running("work")
    for worker in workers:
        await worker.stop()
    await house.blocks(5)
    await _move_group_to_the_end(house)
    for worker in workers:
        worker.start()


async def _move_group_to_the_end(house: House) -> None:
    """Say so for the group: the broker refuses while it believes that a member lives."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=house.bootstrap,
        group_id=f"evenkeel-{house.chain_id}.work",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        shards = [
            TopicPartition(EVENTS.on(house.chain_id), shard) for shard in range(len(house.ledger.pages))
        ]
        consumer.assign(shards)
        for _ in range(int(_GROUP_ENDS_S)):
            try:
                await consumer.commit(await consumer.end_offsets(shards))
            except KafkaError:
                await asyncio.sleep(1)
            else:
                return
    finally:
        await consumer.stop()
    raise HouseError(f"the group still had members after {_GROUP_ENDS_S} s")


async def state_truncated(house: House) -> None:
    """The last of all: nothing goes on after it. Whoever opens the shard says so and ends."""
    shard = house.dice.choice(house.ledger.booked)
    workers = house.running("work")
    for worker in workers:
        await worker.stop()
    await delete_before_the_end(house.bootstrap, STATE.on(house.chain_id), shard, STATE.settings)
    worker = house.dice.choice(workers)
    before = len(worker.ends)
    worker.start()
    deadline_s = time.monotonic() + PATIENCE_S
    while len(worker.ends) == before:
        if time.monotonic() > deadline_s:
            raise HouseError(f"{worker.name} goes on with a truncated state:\n{worker.last_lines()}")
        await asyncio.sleep(0.1)
    await worker.leave_for_dead()
    if "StateLostError" not in worker.last_lines(50):
        raise HouseError(f"{worker.name} does not say what is wrong:\n{worker.last_lines()}")
