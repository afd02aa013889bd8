"""`make golden-logs`: run deployments and record their logs; `again` keeps the logs and records the present results."""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chaos.faults import FAULTS
from chaos.house import opened as opened_house
from chaos_sender.faults import play
from chaos_sender.house import opened as opened_sender
from chaos_sender.setting import POOLS
from recorded_logs import Recording, names, outcome_of, read_log, write_log, write_outcome

from pipeline.units import ChainId, Offset, ShardId
from streams.cli.demo import _play
from streams.cli.demo.stage import staged
from streams.devnet.cache import DEFAULT_CACHE
from streams.kafka.access import KafkaAccess
from streams.kafka.event_log import KafkaEventLog
from streams.settings import DEFAULT_PARTITIONS

SENDER_FAULTS = ("any time: submit", "settle: a reorg, 1 to 10 deep")
HOUSE_FAULTS = ("watcher killed", "reorg, short", "policy changed", "NFT out and in")


async def _recorded(name: str, kafka: KafkaAccess, chain_id: int, partitions: int) -> None:
    """Write every shard's log that has blocks."""
    log = KafkaEventLog(kafka, ChainId(chain_id))
    ends = await log.ends([ShardId(number) for number in range(partitions)])
    for shard, end in ends.items():
        records = [
            (offset, payload)
            async for offset, payload in log.between(shard, Offset(0), end)
            if isinstance(payload, bytes)
        ]
        if any(b'"BlockSeen' in payload for _, payload in records):
            recording = Recording(f"{name}-{shard}", shard, records)
            write_log(recording)
            write_outcome(recording.name, outcome_of(recording))


async def _sender(folder: Path, number: int) -> None:
    async with opened_sender(folder, 41 + number, POOLS[number]) as house:
        for fault in SENDER_FAULTS:
            await play(house, fault)
        await _recorded(f"live-{number}", KafkaAccess(house.bootstrap), house.chain_id, 2)


async def _house(folder: Path) -> None:
    async with opened_house(folder, 43, hurried=True) as house:
        for fault in HOUSE_FAULTS:
            await FAULTS[fault].strike(house)
            await house.recovered()
        await _recorded("books", KafkaAccess(house.bootstrap), house.chain_id, 4)


def _demo(folder: Path) -> None:
    with staged(folder.resolve(), DEFAULT_CACHE, 3, print) as stage:
        asyncio.run(_play(stage))
        devnet = stage.devnet
        asyncio.run(_recorded("demo", devnet.kafka, stage.world.chain_id, DEFAULT_PARTITIONS))


def _folders() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="evenkeel-golden-"))
    for number in range(4):
        place = top / str(number)
        place.mkdir()
        yield place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["anew", "again"])
    if parser.parse_args().what == "anew":
        demo, house, *senders = _folders()
        _demo(demo)
        asyncio.run(_house(house))
        for number, folder in enumerate(senders):
            asyncio.run(_sender(folder, number))
    for name in names():
        write_outcome(name, outcome_of(read_log(name)))


if __name__ == "__main__":
    main()
